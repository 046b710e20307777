"""Prefect is told of a run, and that it cannot be told ends nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flows import shown
from tasks.running import progress
from tasks.unlearn import Attempt


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """What is told, in a flow run."""
    said: list[tuple[str, float]] = []
    monkeypatch.setattr(shown, "flow_run", SimpleNamespace(id="one"))
    monkeypatch.setattr(
        shown, "create_progress_artifact", lambda percent, **_: said.append(("made", percent)) or 7
    )
    monkeypatch.setattr(
        shown, "update_progress_artifact", lambda _, percent: said.append(("moved", percent))
    )
    return said


def run_of() -> Any:
    return SimpleNamespace(ref="run-1")


def test_a_training_is_shown_beside_what_the_caller_shows(told: list[tuple[str, float]]) -> None:
    own: list[int] = []
    with progress.shown(lambda done, *_: own.append(done), lambda *_: None):
        with shown.training(run_of(), Attempt(0, "retrain", {})):
            for done in (1, 2, 3, 4):
                progress.epochs(done, 4, 0.5)
        progress.epochs(5, 5, 0.5)
    assert own == [1, 2, 3, 4, 5]
    assert told == [("made", 25.0), ("moved", 100.0)]  # the others came too soon after the first


def test_a_server_that_fails_ends_no_training(
    told: list[tuple[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(shown, "create_progress_artifact", broken)
    with shown.training(run_of(), Attempt(0, "retrain", {})):
        progress.epochs(1, 1, 0.5)
    assert told == []


def test_outside_of_a_flow_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "flow_run", SimpleNamespace(id=None))
    shown.name_run(run_of())
    shown.show_question(run_of(), {"approval": {"question": "may it?"}})
