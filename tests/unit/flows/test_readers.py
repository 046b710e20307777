"""Commands that only look read the log once, however many questions they ask of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.cli.work import queries
from ledger.log import Log
from ledger.requests import Ledger
from tasks.keeping.verified import verify_records
from tests.unit.submitted import accepted, workspace


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One item for each time that the log was opened."""
    opened: list[None] = []
    open_ = Log.open.__func__  # type: ignore[attr-defined]  # of a class method

    def counted(cls: type[Log], *args: Any, **kwargs: Any) -> Log:
        opened.append(None)
        found: Log = open_(cls, *args, **kwargs)
        return found

    monkeypatch.setattr(Log, "open", classmethod(counted))
    return opened


def test_show_reads_the_log_once(tmp_path: Path, read: list[None]) -> None:
    ws = workspace(tmp_path)
    request = accepted(Ledger.open(ws.records, ws.keys), datetime.now(UTC))
    read.clear()
    assert queries.show(ws.root, request.ref)["request"] == request.ref
    assert len(read) == 1


def test_doctor_reads_it_once_besides_verifying_it(tmp_path: Path, read: list[None]) -> None:
    ws = workspace(tmp_path)
    accepted(Ledger.open(ws.records, ws.keys), datetime.now(UTC))
    read.clear()
    verify_records(ws, None)
    verifying = len(read)
    read.clear()
    checks = {check["name"]: check["hint"] for check in queries.doctor(ws.root)["checks"]}
    assert not checks["log"] and not checks["sources"]
    assert len(read) == verifying + 1
