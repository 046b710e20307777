"""Dask: errands done by the workers of a cluster, one Prefect task an errand.

Their tensors go to the workers once, in a parcel, and are gone from them when all errands are done.
Workers need no disk of ours, and one that may spill what it holds to its own is refused.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.settings import get_current_settings

from systems.compute.errands import Back, Done, Errand, carry_out, taken
from systems.compute.parcels import Parcel, Tensors, packed
from unlearning.errors import InfrastructureError, UsageError

ANSWERS_WITHIN = 30
"""Seconds in which a scheduler must answer, and have a worker."""

GOES = 3
"""How often a parcel is sent at most, where all workers that had it are lost."""

PAUSE = 3
"""Seconds between two goes, in which the scheduler notices who is lost and others come."""


@task(cache_policy=NO_CACHE, persist_result=False)
def on_worker(errand: Errand, sha256: str, parcel: Parcel) -> Back:
    """Do an errand on a worker."""
    return carry_out(errand, sha256, parcel)


def require_cluster(address: str) -> None:
    """Refuse a cluster that cannot be used from here, before anything is computed."""
    if not address.startswith(("tcp://", "tls://")):
        raise UsageError(
            f"compute.cluster: got {address!r}, expected tcp://HOST:PORT or tls://HOST:PORT of a "
            "Dask scheduler, or null"
        )
    if find_spec("prefect_dask") is None:
        raise UsageError(
            "compute.cluster: prefect-dask is not installed, expected Lethe's extra `dask`; "
            'install it with pip install "lethe[dask]", or set compute.cluster to null'
        )
    if not get_current_settings().api.url:
        raise UsageError(
            "compute.cluster: got no PREFECT_API_URL, expected a Prefect server that the workers "
            "reach; start one, set its address, and try again"
        )


def over_cluster(
    errands: Sequence[Errand], tensors: Tensors, *, address: str
) -> Iterator[tuple[int, Done]]:
    """Have errands done; one whose worker is lost is done by another worker.

    Gives each one's number and what came of it, as soon as it is there. Raises what an errand
    raised, and IntegrityError for bytes that are not those of their digest.
    """
    require_cluster(address)
    from distributed.comm.core import CommClosedError

    left, parcel = dict(enumerate(errands)), packed(tensors)
    with _explained(address):
        for go in range(GOES if left else 0):
            try:
                for number, back in _given_back(left, parcel, address):
                    yield number, taken(back, left.pop(number).name)
                return
            except (CancelledError, CommClosedError):  # whoever had the parcel is lost
                if go + 1 == GOES:
                    raise
                time.sleep(PAUSE)


def _given_back(
    errands: Mapping[int, Errand], parcel: Parcel, address: str
) -> Iterator[tuple[int, Back]]:
    from distributed import as_completed
    from prefect_dask.task_runners import DaskTaskRunner

    connection = {"timeout": ANSWERS_WITHIN}
    with DaskTaskRunner(address=address, client_kwargs=connection) as runner:
        with suppress(TimeoutError):
            runner.client.wait_for_workers(1, timeout=ANSWERS_WITHIN)
        refuse_unfit(address, runner.client.scheduler_info(n_workers=-1)["workers"])
        there = runner.client.scatter(parcel, broadcast=True, hash=False)
        sent = {}
        for number, errand in errands.items():
            named = on_worker.with_options(name=errand.name)
            told = {"errand": errand, "sha256": parcel.sha256, "parcel": there}
            future = runner.submit(named, told)
            sent[future.wrapped_future] = number, future
        loop = runner.client.loop
        for done in as_completed(list(sent), loop=loop):  # type: ignore[no-untyped-call]
            number, future = sent.pop(done)
            yield number, future.result()


def refuse_unfit(address: str, workers: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a cluster without workers, and one with a worker that personal data may not go to.

    workers: by address, as Dask's scheduler describes them. Fresh weights are drawn from a
    generator of the whole process, so a worker does one errand at a time.
    """
    if not workers:
        raise InfrastructureError(
            f"compute.cluster {address}: has no workers, expected at least one; start "
            "`dask worker` and try again"
        )
    for name, worker in workers.items():
        if worker["memory_limit"] or worker["nthreads"] != 1:
            raise UsageError(
                f"compute.cluster {address}: worker {name} may spill to its disk or has "
                f"{worker['nthreads']} threads, expected no spilling and one thread; start it "
                "with --memory-limit 0 --nthreads 1"
            )


@contextmanager
def _explained(address: str) -> Iterator[None]:
    from distributed import KilledWorker

    try:
        yield
    except (OSError, CancelledError, KilledWorker) as problem:
        raise InfrastructureError(
            f"compute.cluster {address}: {type(problem).__name__}, expected a scheduler that "
            "answers and workers that stay; run the same command again, which keeps what is there"
        ) from problem
