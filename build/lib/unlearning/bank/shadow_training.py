"""Training the shadows of a bank, here or anywhere: a job goes out once, answers come back.

A shadow follows from the job and its own number alone, so it does not matter who trains it.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple, dataclass

import numpy as np
import torch

from unlearning import networks
from unlearning.domain import BoolArray, Examples, FloatArray
from unlearning.errors import UsageError
from unlearning.heads.features import UNIT, whole_features
from unlearning.heads.fitting import optimum_of
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import accuracy, logits_of
from unlearning.processes import end_with
from unlearning.training.loop import Training, pick_device, train

Answers = dict[str, np.ndarray]
"""What the bank keeps of a shadow: logits (n, classes), seen (n,), test_accuracy and trained_on."""

Keep = Callable[[int, Answers], None]
"""Called with a shadow's number and its answers as soon as they are there."""


@dataclass(frozen=True, eq=False)
class Features:
    """What a frozen backbone says of training, holdout and test examples, (n, d + 1) each."""

    train: FloatArray
    holdout: FloatArray
    test: FloatArray


@dataclass(frozen=True, eq=False)
class Job:
    """What training any shadow of a bank takes.

    seen: (shadows, n) over the training, then the holdout examples: who is in whose half.
    features: of a frozen backbone, whose heads alone are then trained; images are not read.
    """

    recipe: Recipe
    training: Training
    seed: int
    train: Examples
    holdout: Examples
    test: Examples
    seen: BoolArray
    features: Features | None = None


Spread = Callable[[Job, Sequence[int], Keep], None]
"""Trains these shadows of a job, in any order, and hands each one's answers over."""


def without_names(examples: Examples) -> Examples:
    """Leave out ids and subjects: who somebody is teaches a shadow nothing, and need not travel."""
    nobody = np.zeros(len(examples), dtype="U1")
    return Examples(examples.images, examples.labels, nobody, nobody)


def in_memory(job: Job) -> Job:
    """Read what stays on disk: a worker elsewhere has not that file."""
    train_part, holdout, test = (
        dataclasses.replace(part, images=np.asarray(part.images))
        for part in (job.train, job.holdout, job.test)
    )
    return dataclasses.replace(job, train=train_part, holdout=holdout, test=test)


def train_shadow(job: Job, shadow: int) -> Answers:
    """Train one shadow on its half and give what it answers; nothing is written."""
    if job.features is not None:
        return _fit_head(job, job.features, shadow)
    rng = torch.Generator().manual_seed(job.seed * 100_003 + shadow)
    half = job.train.take(job.seen[shadow, : len(job.train)])
    network = train(networks.build(job.recipe, rng), half, job.training, rng)
    correct = accuracy(logits_of(network, job.test), job.test.labels)
    return {
        "logits": np.concatenate([logits_of(network, part) for part in (job.train, job.holdout)]),
        "seen": job.seen[shadow].astype(np.uint8),
        "test_accuracy": np.array([correct]),
        "trained_on": np.array([float(len(half))]),
    }


def _fit_head(job: Job, features: Features, shadow: int) -> Answers:
    if job.recipe.head is None:
        raise UsageError("shadow bank: got features without a head, expected a recipe with one")
    half = job.seen[shadow, : len(job.train)]
    part = features.train[half], job.train.labels[half], job.recipe.classes
    weights = optimum_of(job.recipe.head, *part).weights.astype(np.float32)
    answers = [(of / UNIT).astype(np.float32) @ weights for of in astuple(features)]
    return {
        "logits": np.concatenate(answers[:2]),
        "seen": job.seen[shadow].astype(np.uint8),
        "test_accuracy": np.array([accuracy(answers[2], job.test.labels)]),
        "trained_on": np.array([float(half.sum())]),
    }


def features_of_splits(network: Classifier, *splits: Examples) -> Features:
    """Ask a frozen backbone once of training, holdout and test examples."""
    return Features(*(whole_features(network, split) for split in splits))


def spread_over_processes(job: Job, shadows: Sequence[int], keep: Keep, *, workers: int) -> None:
    """Train by `workers` processes of one thread, which small networks use best on a CPU.

    On a GPU, and where there is nothing to share out, one after another in this process; so are
    heads, of which many are fitted before a process has begun.
    """
    alone = workers <= 1 or len(shadows) < 2 or job.features is not None
    if alone or pick_device().type == "cuda":
        for shadow in shadows:
            keep(shadow, train_shadow(job, shadow))
        return
    spawn, others = multiprocessing.get_context("spawn"), multiprocessing.active_children()
    with ProcessPoolExecutor(workers, spawn, _start_worker, (job, os.getpid())) as pool:
        sent = {pool.submit(_work, shadow): shadow for shadow in shadows}
        try:
            for future in as_completed(sent):
                keep(sent[future], future.result())
        except BaseException:  # an interruption too: else all shadows would still be trained
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
            raise


_job: Job | None = None


def _start_worker(job: Job, parent: int) -> None:
    global _job
    end_with(parent)  # a pool's workers wait for ever for one that was killed
    torch.set_num_threads(1)
    _job = job


def _work(shadow: int) -> Answers:
    if _job is None:
        raise RuntimeError("a bank worker was not started with its job")
    return train_shadow(_job, shadow)
