"""The networks that a comparison needs, trained where they are missing."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.methods import published_training
from benchmarks.methods.grounds import Choice, Count, Ground, bank_of
from benchmarks.methods.published_training import Spent, record_path, write_record
from benchmarks.methods.trials import TrialName, original_path, retrained_path
from unlearning import networks
from unlearning.training.loop import Progress, pick_device, train


@dataclass(frozen=True)
class Job:
    """One network to be trained: an original, or a retrained model and which of a trial's."""

    trial: TrialName
    again: int | None

    def path(self, folder: Path) -> Path:
        """Name its file."""
        if self.again is None:
            return original_path(folder, self.trial)
        return retrained_path(folder, self.trial, self.again)

    def done(self, folder: Path) -> bool:
        """Say whether it is trained; of a published training, the record alone may be there."""
        path = self.path(folder)
        return path.exists() or record_path(path).exists()

    def run(self, on: Ground, folder: Path) -> Path:
        """Train it, with the seeds of benchmarks.samples and benchmarks.methods.trials."""
        seed = self.trial.original_seed
        if self.again is not None:
            seed = 900_000 + self.trial.seed * 10 + self.again
        examples = on.setting.train if self.again is None else on.split(self.trial).retain
        path, recipe = self.path(folder), on.setting.recipe
        if on.published is not None:
            published_training.train_to(path, recipe, examples, on.published, seed, _telling(path))
            return path
        rng = torch.Generator().manual_seed(seed)
        network = networks.build(recipe, rng)
        began, busy = time.perf_counter(), time.process_time()
        train(network, examples, on.setting.training, rng)
        wall, processor = time.perf_counter() - began, time.process_time() - busy
        training = on.setting.training
        spent = Spent(training.epochs, wall, processor)
        write_record(path, networks.save(network, path), spent, training.epochs * len(examples))
        return path


def _telling(path: Path) -> Progress:
    def tell(done: int, total: int, loss: float) -> None:
        print(f"{path.stem} epoch {done}/{total} loss {loss:.4f}", file=sys.stderr, flush=True)

    return tell


def _train(choice: Choice, job: Job, folder: Path) -> Path:
    torch.set_num_threads(1)
    return job.run(choice.ground, folder)


def needed(names: Iterable[TrialName]) -> list[Job]:
    """Give the networks that trials need: an original each, and two retrained models."""
    return [job for t in names for job in (Job(t, None), Job(t, 0), Job(*t.other))]


def train_missing(
    choice: Choice, jobs: Iterable[Job], folder: Path, workers: int, progress: Count
) -> None:
    """Train those of these networks that are missing; on a GPU it is this process that trains."""
    missing = list({job.path(folder): job for job in jobs if not job.done(folder)}.values())
    if workers < 2 or pick_device().type == "cuda":
        for done, job in enumerate(missing, 1):
            job.run(choice.ground, folder)
            progress(done, len(missing))
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn) as pool:
        futures = [pool.submit(_train, choice, job, folder) for job in missing]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            progress(done, len(missing))


def prepare(
    choice: Choice,
    names: Iterable[TrialName],
    folder: Path,
    workers: int,
    progress: Count,
) -> Path | None:
    """Train what is missing of a ground's networks, build its bank, and give the bank's folder.

    A ground without shadows has no bank.
    """
    on = choice.ground
    train_missing(choice, needed(names), folder, workers, progress)
    return bank_of(on.setting, folder, workers, progress) if on.setting.shadows else None
