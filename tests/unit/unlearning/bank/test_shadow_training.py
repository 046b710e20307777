"""Training shadows: it does not matter who does it, nor in which company."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
import torch

from benchmarks.bank_building.stacked import train_stacked
from tests.unit import toys
from unlearning.bank.shadow_training import Answers, Job, spread_over_processes, train_shadow
from unlearning.bank.shadows import BankPlan, job_of
from unlearning.outputs import logits_of

PLAN = BankPlan(data_version="v1", recipe=toys.RECIPE, training=toys.TRAINING, shadows=4, seed=3)


@pytest.fixture
def job() -> Job:
    split = toys.split()
    return job_of(PLAN, (split.retain, split.holdout, split.test))


def test_a_job_names_nobody(job: Job) -> None:
    parts = (job.train, job.holdout, job.test)
    assert [len(part) for part in parts] == [48, 24, 24]
    assert {name for part in parts for name in (*part.ids, *part.subjects)} == {""}


def test_who_is_restricted_is_in_nobodys_half_and_moves_nobody_else() -> None:
    split = toys.split()
    parts = (split.retain, split.holdout, split.test)
    free, held = job_of(PLAN, parts), job_of(PLAN, parts, split.retain.ids[:5])
    assert not held.seen[:, :5].any()
    assert free.seen[:, :5].any()
    np.testing.assert_array_equal(held.seen[:, 5:], free.seen[:, 5:])


@pytest.mark.timeout(300)  # two processes start, and each imports torch
def test_processes_give_what_one_thread_gives(job: Job) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    here = {shadow: train_shadow(job, shadow) for shadow in (1, 2)}
    torch.set_num_threads(threads)
    found: dict[int, Answers] = {}
    spread_over_processes(job, [1, 2], found.__setitem__, workers=2)
    assert set(found) == {1, 2}
    for shadow, answers in found.items():
        assert list(answers) == list(here[shadow])
        for name, value in answers.items():
            np.testing.assert_array_equal(value, here[shadow][name])


@pytest.mark.timeout(120)  # thousands of shadows would still be trained
def test_an_interruption_ends_the_processes_too(job: Job) -> None:
    def stop(shadow: int, answers: Answers) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spread_over_processes(job, [0, 1, 2, 3] * 5000, stop, workers=2)
    assert multiprocessing.active_children() == []


def test_stacked_training_is_the_same_training(job: Job) -> None:
    """The benchmark's other way: same seeds, same batches, so the same network but for rounding.

    Halves of 24 to 28 examples in batches of 16 leave last batches of more than one size.
    """
    together = train_stacked(job, range(4))
    sizes = {int(half.sum()) for half in job.seen[:, : len(job.train)]}
    assert len(sizes) > 1
    for shadow, network in enumerate(together):
        alone = train_shadow(job, shadow)["logits"][: len(job.train)]
        np.testing.assert_allclose(logits_of(network, job.train), alone, atol=1e-3)
