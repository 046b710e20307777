"""What the benchmarks compute from what they measured, on numbers that can be worked by hand."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import record
from benchmarks.cost import commands, throughput, watched
from benchmarks.kept_memory import study
from unlearning.attacks.lira import LiraOffline
from unlearning.judging.measuring import measure

FOLDER = Path(record.__file__).parent


def span(kind: str, name: str, began: float, ended: float) -> dict[str, Any]:
    return {"kind": kind, "name": name, "began": began, "ended": ended}


REPORT = {
    "ready": 102.0,
    "spans": [
        span("computing", "unlearn", 106.0, 108.0),
        span("step", "produce", 105.0, 109.0),
        span("computing", "unlearn", 110.0, 111.0),
        span("step", "produce", 110.0, 111.0),
        span("body", "forget", 105.0, 112.0),
        span("flow", "forget", 103.0, 113.0),
    ],
}


def test_a_command_is_cut_into_parts_that_add_up() -> None:
    """100 to 114: 2 s of imports, a flow of 10 s, 5 s of it in steps, 3 s of these computing."""
    found = commands.parts(REPORT, 100.0, 114.0)
    seconds = found["seconds"]
    flow = [took for name, took in seconds.items() if name.count(":") == 1]
    assert sum(flow) == seconds["flow"] == 10.0
    assert seconds["imports"] == 2.0 and seconds["exit"] == 1.0 and seconds["command"] == 14.0
    assert found["shares"] == {
        "orchestration, of the flow": 0.7,
        "orchestration, of the command": round(1 - 3 / 14, 4),
        "Prefect and between steps, of the flow": 0.5,
    }


def test_a_step_that_is_done_twice_is_added_up() -> None:
    assert commands.parts(REPORT, 100.0, 114.0)["steps"] == {"produce": 5.0}


def entry(second: int, event: str, key: str) -> dict[str, str]:
    return {"at": f"2026-01-01T00:00:{second:02d}+00:00", "event": event, "key": key}


def test_the_journal_gives_the_steps_of_the_last_run() -> None:
    entries = [
        entry(1, "run_started", "run-a/started"),
        entry(2, "step", "run-a/begun"),
        entry(10, "run_started", "run-b/started"),
        entry(12, "step", "run-b/begun"),
        entry(13, "state", "run-b/req/extracting"),
        entry(17, "step", "run-b/extracted"),
    ]
    assert commands.journal(entries) == {"begun": 2.0, "extracted": 5.0}


def test_a_spread_has_its_median_and_its_range() -> None:
    assert commands.spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0, "n": 3}


def test_the_ratio_is_taken_within_each_pair() -> None:
    """The second pair met a slow machine: both rates halve, the ratio stays."""
    found = throughput.compared([(90.0, 100.0), (45.0, 50.0), (120.0, 100.0)])
    assert found["ratio"] == {"median": 0.9, "min": 0.9, "max": 1.2, "n": 3}


def test_kept_memory_is_compared_within_each_turn() -> None:
    slow, fast = ({"processor_seconds": s, "page_faults": 100.0} for s in (4.0, 2.0))
    turns = [{True: fast, False: slow}, {True: slow, False: slow}, {True: slow, False: slow}]
    found = study.rows(turns)
    assert found["ratio"] == {"median": 1.0, "min": 0.5, "max": 1.0, "n": 3}
    assert found["memory kept"]["processor_seconds"]["median"] == 4.0


def test_only_who_keeps_memory_is_told_the_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(study.KEPT[0], "1")
    assert not set(study.KEPT) & study.environment(False).keys()
    assert study.environment(True)[study.KEPT[0]] == "2000000000"


def test_turns_are_taken_and_the_first_pair_does_not_count() -> None:
    turns: list[str] = []
    found = throughput.turn_by_turn(lambda: turns.append("a"), lambda: turns.append("b"), 1, 2)
    assert turns == ["a", "b"] * 3
    assert found["ratio"]["n"] == 2


def test_the_bare_augmentation_shifts_each_image_by_itself() -> None:
    """One bright pixel in the middle of 16 stays one pixel, at most 2 away, flipped or not."""
    images = torch.zeros(64, 2, 16, 16, dtype=torch.uint8)
    images[:, :, 8, 8] = 255
    moved = throughput.bare_crop_flip(images)
    places = (moved[:, 0] == 255).nonzero()
    assert len(places) == 64 and len(set(map(tuple, places[:, 1:].tolist()))) > 5
    assert int((places[:, 1:] - 8).abs().max()) <= 3
    assert torch.equal(moved[:, 0], moved[:, 1])


def test_random_outputs_can_be_measured() -> None:
    """Nobody remembers anything: the AUC of 200 against 200 is within 4 errors (.03) of a half."""
    trial = throughput.random_trial(400, 8, np.random.default_rng(0), classes=3)
    auc = measure(trial, LiraOffline())["forget_auc"]
    assert auc.n == 200
    assert abs(auc.value - 0.5) < 0.12


def test_a_watched_function_keeps_its_signature_and_is_timed_when_it_fails() -> None:
    def work(value: int, *, times: int = 1) -> float:
        return times / value

    watch = watched.Watch()
    timed = watch.timed("step", "work", work)
    assert inspect.signature(timed) == inspect.signature(work)
    assert timed(2, times=4) == 2.0
    with pytest.raises(ZeroDivisionError):
        timed(0)
    assert [(seen.kind, seen.name, seen.seconds >= 0) for seen in watch.spans] == [
        ("step", "work", True)
    ] * 2


@pytest.mark.parametrize(("module", "name"), watched.COMPUTING + watched.STORING)
def test_what_is_watched_is_there(module: str, name: str) -> None:
    assert callable(getattr(importlib.import_module(module), name))


def test_a_result_says_what_it_was_measured_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    path = record.write("toy", {"pairs": 3}, {"ratio": 0.95})
    content = json.loads(path.read_text())
    assert path.name == "toy.json"
    assert content["settings"] == {"pairs": 3} and content["rows"] == {"ratio": 0.95}
    assert {"torch", "python"} <= content["versions"].keys()
    assert content["hardware"]["cores"] >= 1


def test_the_page_names_every_benchmark() -> None:
    """A study is a package that can be run by itself."""
    page = (FOLDER / "README.md").read_text()
    runnable = [main.parent.name for main in FOLDER.glob("*/__main__.py")]
    assert {"gates", "cost"} <= set(runnable)
    assert [name for name in runnable if f"benchmarks.{name}" not in page] == []
