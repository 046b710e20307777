"""A run whose parent serves no more is left: it could release nothing, and keeps weights."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger import keys
from ledger.domain import State
from ledger.replay.lineage import PROMOTED
from systems.registry import models
from systems.registry.models import ModelVersion
from systems.settings.workspace import Workspace, write_templates
from tasks import abort, promote
from tasks.abort import leave_outdated
from tasks.running.opened import Opened
from tasks.running.run import Run
from tests.unit.submitted import accepted

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
OLD, NEW = 1, 2


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A workspace where version 2, which run-other made, serves since."""
    ws = Workspace.at(tmp_path)
    write_templates(ws)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    serve(monkeypatch, "run-other")
    monkeypatch.setattr(promote, "_discard", lambda _: [])
    return Opened(str(ws.root))


def serve(monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    new = ModelVersion("lethe", NEW, "0" * 64, Path("w"), "m", None, {models.RUN: run})
    monkeypatch.setattr(abort, "sealed_champion", lambda _: new)
    monkeypatch.setattr(models, "champion", lambda *_: new)


def begun(at: Opened, parent: int) -> Run:
    """A run that was cut off with a candidate in its folder."""
    request = accepted(at.ledger, NOW)
    run = Run(at, at.ledger.start_run([request.ref], now=NOW))
    run.once("begun", lambda: {"parent": parent})
    run.move(State.EXTRACTING)
    run.move(State.UNLEARNING)
    run.folder.mkdir(parents=True)
    (run.folder / "attempt-0.safetensors").write_bytes(b"weights")
    return run


def states(run: Run) -> set[State]:
    return {run.at.ledger.request(ref).state for ref in run.requests}


def test_a_run_from_an_earlier_champion_is_left_with_its_candidates(at: Opened) -> None:
    run = begun(at, OLD)
    leave_outdated(at)
    assert states(run) == {State.ACCEPTED}
    assert not run.folder.exists()
    assert not at.ledger.unfinished_runs()
    assert "version 2" in str(at.ledger.request(run.requests[0]).reason)
    leave_outdated(at)  # again: nothing


def test_one_from_the_present_champion_goes_on(at: Opened) -> None:
    run = begun(at, NEW)
    leave_outdated(at)
    assert states(run) == {State.UNLEARNING} and run.folder.exists()


def test_so_does_the_run_whose_candidate_serves_before_the_log_tells(
    at: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(at, OLD)
    serve(monkeypatch, run.ref)
    leave_outdated(at)
    assert states(run) == {State.UNLEARNING}


@pytest.mark.parametrize("step", [PROMOTED, "purging"])
def test_and_one_that_has_released_or_erased(at: Opened, step: str) -> None:
    run = begun(at, OLD)
    if step == PROMOTED:
        run.once(PROMOTED, lambda: {"version": NEW})
    else:
        for state in (State.JUDGING, State.PROMOTING, State.PURGING):
            run.move(state)
    leave_outdated(at)
    assert at.ledger.unfinished_runs()
