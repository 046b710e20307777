"""kill -9 anywhere in `lethe forget`, and again: one decision, one promotion, one log (I1-I8)."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from tests.canary import PIXELS, SUBJECT, found_below
from tests.canary import Canary as Deep
from tests.end_to_end.commandline import Answer, Lethe
from tests.end_to_end.conftest import MakeLethe
from tests.end_to_end.driver import AtEntry, AtWrite, mark
from tests.end_to_end.traces import Canary, canary_of, files_below, holding, naming, people_of
from tests.tampering import LONG, Report

KILLED, INCONCLUSIVE, DENIED = -9, 11, 12


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody disturbed. marks: of its log entries, in order; steps: the journal's."""

    answer: Answer
    marks: tuple[str, ...]
    steps: frozenset[str]


def person_in(lethe: Lethe) -> tuple[str, Canary]:
    """Submit the request of one person."""
    (person,) = people_of(lethe.root, "train", 1)
    canary = canary_of(lethe.root, [person])
    return lethe.submit("--subject", person), canary


@pytest.fixture(scope="module")
def undisturbed(make_lethe: MakeLethe) -> Undisturbed:
    lethe = make_lethe("undisturbed")
    request, canary = person_in(lethe)
    answer = lethe.forget(request)
    entries = lethe.entries()
    started = [mark(entry["key"]) for entry in entries].index("started")
    found = Undisturbed(
        answer,
        tuple(mark(entry["key"]) for entry in entries[started:]),
        frozenset(mark(entry["key"]) for entry in entries if entry["event"] == "step"),
    )
    assert_done(lethe, request, canary, answer, found)
    return found


def assert_done(
    lethe: Lethe, request: str, canary: Canary, answer: Answer, expected: Undisturbed
) -> None:
    """Assert that a run ended as one that nobody disturbed, and that nothing was done twice."""
    found, wanted = answer.json, expected.answer.json
    for key in ("decision", "assurance"):
        assert found[key] == wanted[key]
    assert list(found["states"].values()) == list(wanted["states"].values()) == ["purging"]
    assert copies_in(found) == copies_in(wanted)
    tried = [(attempt["method"], attempt["decision"]) for attempt in found["attempts"]]
    assert tried == [(attempt["method"], attempt["decision"]) for attempt in wanted["attempts"]]
    assert_one_log(lethe, expected)
    assert runs_in_mlflow(lethe) == 1 + len(tried)
    champion = assert_one_release(lethe)
    assert champion["version"] == found["champion"]["version"]
    assert champion["sha256"] == found["champion"]["sha256"]
    assert_erased(lethe, canary)


def copies_in(found: dict[str, Any]) -> Counter[tuple[str, str]]:
    """Count copies by place and status."""
    return Counter((copy["where"], copy["status"]) for copy in found["copies"])


def runs_in_mlflow(lethe: Lethe) -> int:
    """Count the runs that MLflow shows."""
    with contextlib.closing(sqlite3.connect(lethe.root / "mlruns" / "mlflow.db")) as database:
        (count,) = database.execute("SELECT count(*) FROM runs").fetchone()
    return int(count)


def assert_one_log(lethe: Lethe, expected: Undisturbed) -> None:
    """Assert that the log verifies and tells of the same steps, in the same order, once each."""
    assert lethe("verify", "--log").json["ok"]
    marks = [mark(entry["key"]) for entry in lethe.entries()]
    assert tuple(marks[marks.index("started") :]) == expected.marks


def assert_one_release(lethe: Lethe) -> dict[str, Any]:
    """Assert I1, and that no version, bundle or copy of weights was made twice."""
    (promoted,) = (e["body"] for e in lethe.entries() if mark(e["key"]) == "promoted")
    versions = lethe("list", "versions").json["versions"]
    assert [version["version"] for version in versions] == [1, 2]
    (champion,) = (v for v in versions if "champion" in v["aliases"])
    (bundle,) = (lethe.root / "evidence").iterdir()
    statement = json.loads((bundle / "statement.json").read_text())
    assert statement["decision"] == "released"
    assert statement["candidate"]["sha256"] == champion["sha256"] == promoted["sha256"]
    assert champion["version"] == promoted["version"]
    assert [v["aliases"] for v in versions] == [[], ["champion"]]
    assert lethe("verify", str(bundle)).json["ok"]
    weights = [p for p in files_below(lethe.root / "mlruns") if p.suffix == ".safetensors"]
    assert len(weights) == 2
    return dict(champion)


def assert_erased(lethe: Lethe, canary: Canary) -> None:
    """Assert that nothing of the person, and nothing half done, lies about."""
    assert holding(canary, lethe.root, lethe.temporary) == []
    places = ("artifacts", "mlruns", "evidence", ".dvc", "remote")
    assert naming(canary, *(lethe.root / place for place in places), lethe.temporary) == []
    assert list((lethe.root / "artifacts" / "candidates").iterdir()) == []
    left = ("artifacts/erasing", "artifacts/owed.json", "artifacts/trained", "mlruns/staging")
    assert [place for place in left if (lethe.root / place).exists()] == []
    halfway = [p for p in files_below(lethe.root) if p.suffix == ".part"]
    assert halfway == []


def test_one_run_killed_at_every_entry_of_its_log(lethe: Lethe, undisturbed: Undisturbed) -> None:
    """Killed after each step's work and after each entry, the run still ends as if it never was.

    Each kill meets the state that all the kills before it have left. Every fifth entry, and every
    one where `make proof` asks.
    """
    request, canary = person_in(lethe)
    *before, last = undisturbed.marks
    assert last == "finished"
    for step in before[:: 1 if LONG else 5]:
        if step in undisturbed.steps:
            lethe.forget(request, code=KILLED, killer=AtEntry(step, logged=False))
        lethe.forget(request, code=KILLED, killer=AtEntry(step, logged=True))
    lethe.forget(request, code=KILLED, killer=AtEntry(last, logged=False))
    assert_done(lethe, request, canary, lethe.forget(request), undisturbed)


STEPS = ["expected-data", "sealed", "promoted", "erased", "purged"] if LONG else ["purged"]
"""Each change of a release is tried without its training in integration/test_disturbed.py."""


@pytest.mark.parametrize("step", STEPS)
def test_killed_in_the_middle_of_a_step(
    lethe: Lethe, undisturbed: Undisturbed, step: str, record_property: Report
) -> None:
    """Killed before its 1st, 4th, 16th... change to a file, a step is still done once and whole.

    Before each one where `make proof` asks. Temporary files count, so that what they hold of
    people is looked for too.
    """
    request, canary = person_in(lethe)
    kills = 0
    while (answer := lethe.forget(request, code=None, killer=_at(lethe, step, kills))).code:
        assert answer.code == KILLED, answer.err
        kills += 1
    assert kills
    record_property("n", kills)
    assert_done(lethe, request, canary, answer, undisturbed)


def _at(lethe: Lethe, step: str, kills: int) -> AtWrite:
    return AtWrite(step, 1 + kills if LONG else 4**kills, lethe.root.parent)


@pytest.mark.parametrize(("step", "logged"), [("sealed", True), ("promoted", False)])
@pytest.mark.long
def test_killed_once(lethe: Lethe, undisturbed: Undisturbed, step: str, logged: bool) -> None:
    """Evidence without a release is released; a release that nobody noted is not made twice."""
    request, canary = person_in(lethe)
    lethe.forget(request, code=KILLED, killer=AtEntry(step, logged))
    (bundle,) = (lethe.root / "evidence").iterdir()
    assert lethe("verify", str(bundle)).json["ok"]
    assert lethe.champion()["version"] == (1 if step == "sealed" else 2)
    assert_done(lethe, request, canary, lethe.forget(request), undisturbed)


@pytest.mark.long
def test_killed_when_all_is_said(lethe: Lethe, undisturbed: Undisturbed) -> None:
    """After its last entry a run is over: it is on record, and not done again."""
    request, canary = person_in(lethe)
    lethe.forget(request, code=KILLED, killer=AtEntry("finished", logged=True))
    again = lethe.forget(request, code=DENIED)
    assert f"{request}: is purging" in again.err
    (run,) = lethe("show", request).json["runs"]
    assert run["decision"] == "released"
    assert_one_log(lethe, undisturbed)
    assert_one_release(lethe)
    assert_erased(lethe, canary)


@pytest.mark.long
def test_killed_on_completion(lethe: Lethe) -> None:
    """Without days of grace: the request is complete, and its key is shredded all the same."""
    lethe.change("model", "grace_days", 0)
    request, canary = person_in(lethe)
    deep = Deep.of(canary.subjects[0], [*canary.images.values()])
    assert {what for _, what in found_below(lethe.root, deep)} == {SUBJECT, PIXELS}
    lethe.forget(request, code=KILLED, killer=AtEntry("complete", logged=False))
    lethe.forget(request, code=KILLED, killer=AtEntry("complete", logged=True))
    assert lethe.forget(request).json["states"] == {request: "complete"}
    assert list((lethe.root / "keys" / "requests").iterdir()) == []
    assert [v["version"] for v in lethe("list", "versions").json["versions"]] == [2]
    assert lethe("verify", "--log").json["ok"]
    assert_erased(lethe, canary)
    assert found_below(lethe.root.parent, deep) == set()


def test_killed_when_nothing_is_released(lethe: Lethe) -> None:
    """I8: the champion stays, and the request waits again, once."""
    request, _ = person_in(lethe)
    words = (request, "--method", "finetune")
    for step in ("sealed", "accepted-again"):
        lethe.forget(*words, code=KILLED, killer=AtEntry(step, logged=True))
    found = lethe.forget(*words, code=INCONCLUSIVE).json
    assert found["states"] == {request: "accepted"}
    assert [mark(entry["key"]) for entry in lethe.entries()].count("accepted-again") == 1
    assert [v["version"] for v in lethe("list", "versions").json["versions"]] == [1]
    assert lethe.champion()["version"] == found["champion"]["version"] == 1


@pytest.mark.long
def test_a_release_that_nobody_noted_is_finished_before_another_request(lethe: Lethe) -> None:
    """Killed between the alias and its entry: no alarm, and nobody learns from the forgotten."""
    first, second = people_of(lethe.root, "train", 2)
    canary = canary_of(lethe.root, [first])
    one, other = (lethe.submit("--subject", person) for person in (first, second))
    lethe.forget(one, code=KILLED, killer=AtEntry("promoted", logged=False))
    assert lethe("doctor").json["ok"]
    assert lethe.forget(other).json["decision"] == "released"
    assert lethe("show", one).json["state"] == "purging"
    assert_erased(lethe, canary)
    marks = [mark(entry["key"]) for entry in lethe.entries()]
    finished, _ = (n for n, name in enumerate(marks) if name == "finished")
    assert finished < len(marks) - 1 - marks[::-1].index("begun")
