"""Dask: the shadows of a bank, trained by the workers of a cluster, one Prefect task a shadow.

The job goes to the workers once, without names; answers come back and are written here. Workers
need no disk of ours, and one that may spill what it holds to its own is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.settings import get_current_settings

from unlearning.bank.shadow_training import Answers, Job, Keep, in_memory, train_shadow
from unlearning.errors import InfrastructureError, UsageError

ANSWERS_WITHIN = 30
"""Seconds in which a scheduler must answer."""


@task(name="train-shadow", cache_policy=NO_CACHE, persist_result=False)
def train_one(job: Job, shadow: int) -> Answers:
    """Train one shadow on a worker, by one thread, as a process of a bank that is built here."""
    torch.set_num_threads(1)
    return train_shadow(job, shadow)


def require_cluster(address: str) -> None:
    """Refuse a cluster that cannot be used from here, before anything is trained."""
    if not address.startswith(("tcp://", "tls://")):
        raise UsageError(
            f"bank.cluster: got {address!r}, expected tcp://HOST:PORT or tls://HOST:PORT of a "
            "Dask scheduler, or null"
        )
    if find_spec("prefect_dask") is None:
        raise UsageError(
            "bank.cluster: prefect-dask is not installed, expected Lethe's extra `dask`; "
            'install it with pip install "lethe[dask]", or set bank.cluster to null'
        )
    if not get_current_settings().api.url:
        raise UsageError(
            "bank.cluster: got no PREFECT_API_URL, expected a Prefect server that the workers "
            "reach; start one, set its address, and try again"
        )


def spread_over_cluster(job: Job, shadows: Sequence[int], keep: Keep, *, address: str) -> None:
    """Train shadows on a Dask cluster; one whose worker is lost is trained by another worker."""
    require_cluster(address)
    for shadow, answers in _answers(job, shadows, address):
        keep(shadow, answers)


def _answers(job: Job, shadows: Sequence[int], address: str) -> Iterator[tuple[int, Answers]]:
    from distributed import as_completed
    from prefect_dask.task_runners import DaskTaskRunner

    connection = {"timeout": ANSWERS_WITHIN}
    with _explained(address), DaskTaskRunner(address=address, client_kwargs=connection) as runner:
        refuse_unfit(address, runner.client.scheduler_info(n_workers=-1)["workers"])
        there = runner.client.scatter(in_memory(job), broadcast=True, hash=False)
        sent = {}
        for shadow in shadows:
            future = runner.submit(train_one, {"job": there, "shadow": shadow})
            sent[future.wrapped_future] = shadow, future
        loop = runner.client.loop
        for done in as_completed(list(sent), loop=loop):  # type: ignore[no-untyped-call]
            shadow, future = sent.pop(done)
            yield shadow, future.result()


def refuse_unfit(address: str, workers: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a cluster without workers, and one with a worker that personal data may not go to.

    workers: by address, as Dask's scheduler describes them. Fresh weights are drawn from a
    generator of the whole process, so a worker has one thread.
    """
    if not workers:
        raise InfrastructureError(
            f"bank.cluster {address}: has no workers, expected at least one; start "
            "`dask worker` and try again"
        )
    for name, worker in workers.items():
        if worker["memory_limit"] or worker["nthreads"] != 1:
            raise UsageError(
                f"bank.cluster {address}: worker {name} may spill to its disk or has "
                f"{worker['nthreads']} threads, expected no spilling and one thread; start it "
                "with --memory-limit 0 --nthreads 1"
            )


@contextmanager
def _explained(address: str) -> Iterator[None]:
    from distributed import CancelledError, KilledWorker

    try:
        yield
    except (OSError, CancelledError, KilledWorker) as problem:
        raise InfrastructureError(
            f"bank.cluster {address}: {type(problem).__name__}, expected a scheduler that answers "
            "and workers that stay; run the same command again, which keeps what is there"
        ) from problem
