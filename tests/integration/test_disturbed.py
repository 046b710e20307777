"""Commands killed, on a full disk and on a broken one, at each change that they make to it.

After each, the same command is given again, and everything is as it should be: one release, one
log that verifies, nobody who was to go, nothing half done.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disturbing import FAULTS, KILL, Disturbed, disturbing
from tests.tampering import LONG, Report

COMMANDS = ("FORGET", "PURGE", "IMPORT", "RESTORE", "INIT")
EVERY = -(-1000 // LONG) if LONG else 200
"""Every so-manyth change is tried: each where `make proof` asks for a thousand alterations."""


@pytest.fixture(scope="module", params=COMMANDS if LONG else COMMANDS[:1], ids=str.lower)
def disturbed(request: pytest.FixtureRequest) -> Iterator[Disturbed]:
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        disturbing(f"tests.integration.whole_commands:{request.param}", Path(folder)) as found,
    ):
        yield found


@pytest.mark.parametrize("fault", FAULTS)
def test_at_each_change(disturbed: Disturbed, fault: str, record_property: Report) -> None:
    changes, tried = disturbed(fault, EVERY)
    record_property("n", len(tried))
    record_property("of", changes)
    told = {one.code for one in tried}
    assert told <= ({-9, 0} if fault == KILL else {0, 20})
