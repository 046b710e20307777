"""Whoever lost the workspace to another writer promotes nothing any more."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger import keys
from ledger.lock import workspace_lock
from systems.registry import models
from systems.settings.workspace import Workspace, write_templates
from tasks import promote
from tasks.running.holding import WorkspaceBusy
from tasks.running.opened import Opened
from tasks.running.run import Run
from tests.unit.submitted import accepted

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The versions that the alias was moved to."""
    found: list[int] = []

    class Registered:
        version, sha256 = 2, "0" * 64

    def move(_: Path, __: str, number: int, **___: Any) -> None:
        found.append(number)

    monkeypatch.setattr(promote, "candidate_of", lambda _: (Path("w"), {}))
    monkeypatch.setattr(models, "register", lambda *_: Registered)
    monkeypatch.setattr(models, "nominate", lambda *_: None)
    monkeypatch.setattr(models, "promote", move)
    return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    ws = Workspace.at(tmp_path)
    write_templates(ws)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    at = Opened(str(ws.root))
    made = Run(at, at.ledger.start_run([accepted(at.ledger, NOW).ref], now=NOW))
    for step, body in (
        ("begun", {"parent": 1, "policy": "p"}),
        ("extracted", {"data_version": "d"}),
        ("decided", {"assurance": "A2"}),
        ("sealed", {"statement": "s"}),
    ):
        made.once(step, lambda body=body: dict(body))  # type: ignore[misc]
    return made


def test_alone_it_promotes(run: Run, moved: list[int]) -> None:
    assert promote._promote(run)["version"] == 2
    assert moved == [2]


def test_without_its_lock_file_it_does_not(run: Run, moved: list[int]) -> None:
    """Before the other one has written anything."""
    lock = run.at.ws.lock
    with workspace_lock(lock):
        run.at.ledger.log.require_alone()
        lock.unlink()
        with pytest.raises(WorkspaceBusy, match="lock file lock: was lost"):
            promote._promote(run)
        lock.touch()  # the other one's
        with pytest.raises(WorkspaceBusy, match="was lost"):
            promote._promote(run)
    assert moved == []
    run.at.ledger.log.require_alone()


def test_after_another_writer_it_does_not(run: Run, moved: list[int]) -> None:
    """As if the lock's file had been removed, so that two processes each hold one."""
    accepted(Opened(run.at.root).ledger, NOW)
    with pytest.raises(WorkspaceBusy, match="another process writes"):
        promote._promote(run)
    assert moved == []
