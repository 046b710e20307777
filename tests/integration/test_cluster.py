"""A real Dask cluster of two workers on the loopback, and a real Prefect server.

The cluster is started and stopped by these tests.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import distributed
import pytest
import torch
from prefect.settings import get_current_settings
from prefect.testing.utilities import prefect_test_harness

from systems.compute.away import asked, spread
from systems.compute.cluster import over_cluster
from systems.compute.producing import make_method, unlearn
from tests.unit import toys
from tests.unit.border import named, split
from unlearning import networks
from unlearning.bank.files import shadow_path
from unlearning.bank.shadows import BankPlan, build_bank, load_bank
from unlearning.errors import AttemptFailed, IntegrityError
from unlearning.judging.doors import answers

PLAN = BankPlan(data_version="v1", recipe=toys.RECIPE, training=toys.TRAINING, shadows=6, seed=3)


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
    over = partial(spread, send=partial(over_cluster, address=address))
    return build_bank(PLAN, PARTS, root, workers=1, progress=progress, spread=over)


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
    assert load_bank(folder).ids[0] == "canary-train-0"

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


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "original.safetensors"
    networks.save(toys.trained(), path)
    return path


def test_workers_unlearn_and_answer_as_this_process_does(
    tmp_path: Path, cluster, original: Path
) -> None:
    """The first is done twice over: while it works, all who had its tensors are lost."""
    send = partial(over_cluster, address=cluster.scheduler_address)
    training = replace(toys.TRAINING, epochs=60)
    method = make_method("retrain", {}, training)
    files = tmp_path / "here.safetensors", tmp_path / "away.safetensors"
    losing = threading.Thread(target=lose_all_at_work, args=(cluster,))
    losing.start()
    away = unlearn(original, split(), method, 3, files[1], away=send)
    losing.join()
    here = unlearn(original, split(), method, 3, files[0])
    assert away.sha256 == here.sha256 and away.losses == here.losses

    network = networks.load(files[0])
    mine, theirs = answers(network, split(), 2.0), asked(network, split(), 2.0, send=send)
    for name, outputs in mine.items():
        assert (theirs[name].logits == outputs.logits).all(), name
    with pytest.raises(AttemptFailed, match="diverged"):
        worse = make_method("retrain", {}, replace(training, learning_rate=1e20))
        unlearn(original, split(), worse, 3, tmp_path / "x.safetensors", away=send)


def lose_all_at_work(cluster) -> None:
    """Kill the workers as soon as one of them has an errand to do; others come in their place."""
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        for _ in range(600):
            if any(client.processing().values()):
                for pid in client.run(os.getpid).values():
                    os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.02)
    raise AssertionError("no worker was busy")


LYING = """
from systems.compute import errands

def other(tensors):
    from systems.compute import parcels
    told = parcels.packed(tensors)
    return parcels.Parcel(told.sha256, told.content[:-1] + bytes([told.content[-1] ^ 1]))

errands.packed = other
"""
HONEST = "from systems.compute import errands, parcels; errands.packed = parcels.packed"


def test_a_worker_whose_bytes_are_not_those_of_their_digest_is_refused(
    tmp_path: Path, cluster, original: Path
) -> None:
    send = partial(over_cluster, address=cluster.scheduler_address)
    method = make_method("retrain", {}, toys.TRAINING)
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(2)
        client.run(exec, LYING)
        try:
            with pytest.raises(IntegrityError, match="a worker, unlearn: the bytes that came"):
                unlearn(original, split(), method, 3, tmp_path / "x.safetensors", away=send)
        finally:
            client.run(exec, HONEST)
    assert not (tmp_path / "x.safetensors").exists()
    assert unlearn(original, split(), method, 3, tmp_path / "x.safetensors", away=send).sha256


def test_nobody_is_named_to_prefect_and_no_worker_writes(
    tmp_path: Path, cluster, scratch: Path, original: Path
) -> None:
    send = partial(over_cluster, address=cluster.scheduler_address)
    build(tmp_path, cluster.scheduler_address, lambda *at: None)
    method = make_method("retrain", {}, toys.TRAINING)
    unlearn(original, split(), method, 3, tmp_path / "x.safetensors", away=send)
    asked(networks.load(original), split(), None, send=send)
    database = get_current_settings().server.database.connection_url.get_secret_value()
    path = Path(database.partition("///")[2])
    assert noted(path, {"train-shadow", "unlearn", "ask"}) == {"train-shadow", "unlearn", "ask"}
    stored = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    assert b"train-shadow" in stored
    assert b"canary" not in stored
    written = [file for file in scratch.rglob("*") if file.is_file() and file.stat().st_size]
    assert written == []


def noted(database: Path, wanted: set[str]) -> set[str]:
    """Wait until Prefect has noted what was run, which it does behind our back, and name it."""
    for _ in range(100):
        with closing(sqlite3.connect(database)) as connection:
            names = [str(row[0]) for row in connection.execute("SELECT name FROM task_run")]
        found = {kind for kind in wanted if any(name.startswith(kind) for name in names)}
        if found == wanted:
            break
        time.sleep(0.2)
    return found
