"""A real Dask cluster of two workers on the loopback, and a real Prefect server: a bank from both.

The cluster is started and stopped by these tests.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import distributed
import numpy as np
import pytest
import torch
from prefect.settings import get_current_settings
from prefect.testing.utilities import prefect_test_harness

from systems.compute.cluster import spread_over_cluster
from tests.unit import toys
from unlearning.bank.files import shadow_path
from unlearning.bank.shadows import BankPlan, build_bank, load_bank
from unlearning.domain import Examples

PLAN = BankPlan(data_version="v1", recipe=toys.RECIPE, training=toys.TRAINING, shadows=6, seed=3)


def named(examples: Examples, word: str) -> Examples:
    """Give examples names that would be found wherever they went."""
    ids = np.array([f"canary-{word}-example-{i}" for i in range(len(examples))])
    subjects = np.array([f"canary-{word}-person-{i // 4}" for i in range(len(examples))])
    return dataclasses.replace(examples, ids=ids, subjects=subjects)


PARTS = named(toys.examples(48), "train"), named(toys.examples(24), "held"), toys.examples(24)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the workers may write."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def cluster(scratch: Path) -> Iterator[object]:
    settings = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": 0}
    with (
        prefect_test_harness(server_startup_timeout=200),
        distributed.LocalCluster(
            **settings, local_directory=str(scratch), dashboard_address=None
        ) as made,
    ):
        yield made


def build(root: Path, address: str, progress: Callable[[int, int], None]) -> Path:
    spread = partial(spread_over_cluster, address=address)
    return build_bank(PLAN, PARTS, root, workers=1, progress=progress, spread=spread)


def bytes_of(folder: Path) -> list[bytes]:
    return [shadow_path(folder, shadow).read_bytes() for shadow in range(PLAN.shadows)]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bank as one thread of this process builds it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("here")
    folder = build_bank(PLAN, PARTS, root, workers=1, progress=lambda *at: None)
    torch.set_num_threads(threads)
    return folder


def test_a_cluster_builds_the_same_bank_and_goes_on_where_it_stopped(
    tmp_path: Path, cluster, here: Path
) -> None:
    seen: list[tuple[int, int]] = []
    folder = build(tmp_path, cluster.scheduler_address, lambda *at: seen.append(at))
    assert seen == [(done, 6) for done in range(1, 7)]
    assert folder.name == here.name
    assert bytes_of(folder) == bytes_of(here)
    assert load_bank(folder).ids[0] == "canary-train-example-0"

    seen.clear()
    shadow_path(folder, 4).unlink()
    (folder / "bank.json").unlink()
    build(tmp_path, cluster.scheduler_address, lambda *at: seen.append(at))
    assert seen == [(6, 6)]
    assert bytes_of(folder) == bytes_of(here)


def test_a_worker_that_is_lost_costs_only_its_shadow(tmp_path: Path, cluster, here: Path) -> None:
    lost = cluster.workers[0].process.pid

    def kill_one(done: int, total: int) -> None:
        if done == 1:
            os.kill(lost, signal.SIGKILL)

    folder = build(tmp_path, cluster.scheduler_address, kill_one)
    assert bytes_of(folder) == bytes_of(here)


def test_nobody_is_named_to_prefect_and_no_worker_writes(
    tmp_path: Path, cluster, scratch: Path
) -> None:
    build(tmp_path, cluster.scheduler_address, lambda *at: None)
    database = get_current_settings().server.database.connection_url.get_secret_value()
    path = Path(database.partition("///")[2])
    assert trained(path) >= PLAN.shadows
    stored = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    assert b"train-shadow" in stored
    assert b"canary" not in stored
    written = [file for file in scratch.rglob("*") if file.is_file() and file.stat().st_size]
    assert written == []


def trained(database: Path) -> int:
    """Wait until Prefect has noted what was run, which it does behind our back, and count it."""
    for _ in range(100):
        with closing(sqlite3.connect(database)) as connection:
            query = "SELECT count(*) FROM task_run WHERE name LIKE 'train-shadow%'"
            found = int(connection.execute(query).fetchone()[0])
        if found >= PLAN.shadows:
            break
        time.sleep(0.2)
    return found
