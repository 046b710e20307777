"""Whoever waits is shown what is done: bars and a line on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from io import StringIO
from pathlib import Path

import pytest

from flows.cli import progress
from flows.cli.work.opening import held
from systems.settings.workspace import Workspace
from tasks.running import progress as running
from unlearning.counting import counted


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def begun(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Be at a terminal from here on; a fixture would come before pytest's own capture."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "SOON", 0.05)
    return made


def until(terminal: Terminal, words: str) -> None:
    """Wait for what a thread of its own writes."""
    while words not in terminal.getvalue():
        time.sleep(0.02)


def test_in_a_log_a_bar_is_a_line_now_and_then_with_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Begun at 0 s with 1 of 100; at 31 s with 32: one a second, so 68 s are left."""
    moments = iter((0.0, 0.0, 10.0, 31.0, 32.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    show = progress.counter("shadow bank")
    for done in (1, 11, 32, 33):
        show(done, 100)
    assert capsys.readouterr().err == (
        "lethe: shadow bank: 32 of 100 models, 1/s, about 68 s left\n"
    )


def test_on_a_terminal_a_command_that_takes_long_says_what_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = begun(monkeypatch)
    with progress.at_work("forget") as step, running.steps_shown(step):
        running.step("extracted")
        until(terminal, "forget: extracted")
        show = progress.counter("training", "epochs")
        show(1, 2)
        until(terminal, "1/2")
        show(2, 2)
        running.step("expected-data")
        until(terminal, "forget: expected data")
    assert progress._screen._display is None


def test_a_held_workspace_shows_how_far_drawing_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    terminal, ws = begun(monkeypatch), Workspace.at(tmp_path)
    ws.records.mkdir(parents=True)
    with held(ws):
        running.drawing(3, 8)
        until(terminal, "drawing")
        until(terminal, "3/8")
        running.drawing(8, 8)
    assert progress._screen._display is None


def test_quick_work_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = begun(monkeypatch)
    monkeypatch.setattr(progress, "SOON", 60.0)
    with progress.at_work("show"):
        pass
    assert terminal.getvalue() == ""


def test_in_a_log_no_line_tells_of_waiting(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.at_work("forget") as step:
        step("extracted")
    assert capsys.readouterr().err == ""


def test_what_is_counted_has_a_bar_once_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = begun(monkeypatch)
    with progress.at_work("verify"), progress.counts_shown():
        for number in counted(range(4), 4, "log", "entries"):
            time.sleep(0.06)
            if number == 1:
                until(terminal, "log")
                until(terminal, "1/4")
    assert progress._screen._display is None


def test_a_count_that_is_cut_off_leaves_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    begun(monkeypatch)
    with progress.counts_shown(), pytest.raises(ValueError, match="altered"):
        for _ in counted(range(9), 9, "log", "entries"):
            time.sleep(0.06)
            if progress._screen._display is not None:
                raise ValueError("altered")
    assert progress._screen._display is None


def test_what_is_counted_quickly_or_in_a_log_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.counts_shown():
        assert [*counted(range(3), 3, "log", "entries")] == [0, 1, 2]
    assert capsys.readouterr().err == ""
    terminal = begun(monkeypatch)
    monkeypatch.setattr(progress, "SOON", 60.0)
    with progress.counts_shown():
        assert [*counted(range(3), 3, "log", "entries")] == [0, 1, 2]
    assert terminal.getvalue() == ""
