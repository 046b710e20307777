"""Four processes promote at once, stopped, killed and robbed of the lock: one register, one log."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration import postgresql
from tests.integration.warmed import Racing, racing
from tests.registers import DONE, READ, Operation, Raced, broken_chain, explained
from tests.tampering import LONG, Report

HISTORIES = LONG // 50 or 1
"""200 where `make proof` asks for 10,000 alterations."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory where there is one: what is raced with are processes, not power cuts."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def raced() -> Iterator[Racing]:
    with racing() as found:
        yield found


@pytest.fixture(scope="module", params=["a file", "PostgreSQL"])
def server(request: pytest.FixtureRequest) -> Iterator[str | None]:
    if request.param == "a file":
        yield None
        return
    with postgresql.server() as url:
        yield url


def test_no_promotion_is_lost_or_doubled(
    raced: Racing, place: Path, server: str | None, record_property: Report
) -> None:
    fenced = 0
    for seed in range(HISTORIES):
        root = place / f"history-{seed}"
        found = raced(root, None if server is None else postgresql.database(server), seed)
        check(found, seed)
        fenced += found.fenced
        shutil.rmtree(root)
    record_property("n", HISTORIES)
    record_property("fenced", fenced)
    assert fenced or not LONG, "nobody who had lost the lock was kept out"


def check(found: Raced, seed: int) -> None:
    assert explained(found.operations, 1), (seed, found)
    assert broken_chain(found.released, found.done, found.serving) is None, (seed, found)
    assert found.released, (seed, found)
    for wrong in planted(found):
        assert not explained(wrong, 1), seed


def planted(found: Raced) -> Iterator[list[Operation]]:
    """The same history with a lost promotion, and with a second one on a parent."""
    end = max(one.answered for one in found.operations if one.came_to in (DONE, READ))
    last = next(one for one in found.operations if one.version == found.serving and one.parent)
    yield [*found.operations, Operation(end + 1, end + 2, READ, last.parent)]
    twice = replace(last, called=end + 1, answered=end + 2, came_to=DONE, version=999)
    yield [*found.operations, twice]
