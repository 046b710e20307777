"""The whole sentence: deletion requests become a judged, sealed, promoted model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.commandline import Lethe, subjects
from tests.end_to_end.conftest import PEOPLE, MakeLethe, Told
from tests.end_to_end.policies import CHEAP, POLICY
from tests.end_to_end.traces import canary_of, contents, files_below, holding, naming, people_of

REFUSED, INCONCLUSIVE, DENIED = 10, 11, 12
DIGITS = 1797  # images in scikit-learn's set


class TestTenPeople:
    """What a released run leaves behind."""

    def test_the_last_rung_at_the_latest_is_released(self, told: Told) -> None:
        found = told.answer.json
        *refused, released = found["attempts"]
        methods = ["famr", "finetune", "retrain", "retrain"]
        assert [a["method"] for a in found["attempts"]] == methods[: len(found["attempts"])]
        assert all(attempt["decision"] != "released" for attempt in refused)
        assert released["decision"] == found["decision"] == "released"
        assert found["assurance"] == ("A3" if released["method"] == "retrain" else "A2")
        gates = {verdict["gate"] for verdict in released["verdicts"]}
        assert gates == {*CHEAP["gates"], "bank"}  # the bank's own comes with forgetting's

    def test_the_judged_bytes_are_served(self, told: Told) -> None:
        champion = told.lethe.champion()
        assert champion["version"] == told.answer.json["champion"]["version"] == 2
        assert champion["sha256"] == told.statement["candidate"]["sha256"]
        assert told.statement["decision"] == "released"
        assert told.statement["parent"]["version"] == 1

    def test_the_request_is_purging_until_the_old_weights_are_gone(self, told: Told) -> None:
        assert told.lethe("show", told.request).json["state"] == "purging"
        kept = [copy for copy in told.answer.json["copies"] if copy["status"] != "removed"]
        assert [copy["where"] for copy in kept] == ["model registry"]
        assert "version 1" in kept[0]["what"]
        assert kept[0]["status"] == "kept"
        assert kept[0]["until"] > told.lethe("show", told.request).json["received_at"]

    def test_no_example_of_theirs_is_left_in_the_workspace(self, told: Told) -> None:
        assert holding(told.canary, told.lethe.root, told.lethe.temporary, told.home) == []

    def test_great_expectations_found_none_of_them_before_the_old_copies_went(
        self, told: Told
    ) -> None:
        steps = {entry["key"].partition("/")[2]: entry for entry in told.lethe.entries()}
        asked = steps["expected-erased"]
        assert asked["body"]["success"]
        assert steps["erased"]["seq"] < asked["seq"] < steps["purged"]["seq"]

    def test_nobody_is_named_outside_the_sealed_store(self, told: Told) -> None:
        """I4: not in MLflow, evidence, log, tables, artifacts, Prefect's database or the output."""
        root = told.lethe.root
        assert (told.home / "prefect.db").stat().st_size > 0
        assert naming(told.canary, *visible(root), told.home, told.lethe.temporary) == []
        assert not [name for name in told.canary.ids if name in told.answer.out + told.answer.err]

    def test_the_search_finds_what_there_is_to_find(self, template: Path, told: Told) -> None:
        """The searches above are no test unless they find the same people before the erasure."""
        assert holding(told.canary, template / "data")
        assert holding(told.canary, template / "remote")
        assert naming(told.canary, template / "artifacts" / "bank")

    def test_nothing_in_mlflows_folder_is_a_pickle(self, told: Told) -> None:
        names = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".npy", ".npz"}
        files = list(files_below(told.lethe.root / "mlruns", told.lethe.root / "artifacts"))
        assert [path for path in files if path.suffix in names] == []
        assert [path for path in files if is_pickle(path.read_bytes())] == []

    def test_an_erased_person_who_asks_again_goes_with_the_run(self, told: Told) -> None:
        answer = told.lethe("submit", "--subject", told.canary.subjects[0])
        assert answer.json["state"] == told.lethe("show", told.request).json["state"] == "purging"
        assert answer.json["run"] == told.answer.json["run"]
        (served,) = told.lethe("show", answer.json["request"]).json["runs"]
        assert served["evidence"] == told.answer.json["evidence"]


def visible(root: Path) -> Iterator[Path]:
    """Give every place but the data and the sealed store."""
    apart = {"data", "remote", "keys", ".dvc"}
    yield from (path for path in root.iterdir() if path.is_dir() and path.name not in apart)
    yield root / ".dvc" / "tmp"


def is_pickle(content: bytes) -> bool:
    """Recognise pickles of protocol 2 to 5, and the archives that torch makes of them."""
    return (content[:1] == b"\x80" and content[1:2] in b"\2\3\4\5") or content[:4] == b"PK\3\4"


@pytest.mark.long
def test_one_person_more_is_released_by_exact_retraining_alone(
    told: Told, make_lethe: MakeLethe
) -> None:
    """A dozen examples and so few shadows let nobody pass: only lineage can prove it here."""
    lethe = make_lethe("second", told.lethe.root)
    person = people_of(lethe.root, "train", 1)
    canary = canary_of(lethe.root, person)
    found = lethe.forget(lethe.submit(*subjects(person)), policy=POLICY).json
    *approximate, exact = found["attempts"]
    assert {attempt["decision"] for attempt in approximate} <= {"inconclusive", "refused"}
    assert [attempt["method"] for attempt in approximate] == ["famr", "finetune"]
    assert (exact["method"], exact["decision"], found["assurance"]) == ("retrain", "released", "A3")
    outcome = {verdict["gate"]: verdict["outcome"] for verdict in exact["verdicts"]}
    assert outcome["forgetting"] == "INCONCLUSIVE"
    assert lethe.champion()["version"] == 3
    versions = lethe("list", "versions").json["versions"]
    assert [version["tainted"] for version in versions] == [True, True, False]
    assert holding(canary, lethe.root) == holding(told.canary, lethe.root) == []
    again = lethe("verify", found["evidence"], "--replay").json  # another process trains it anew
    assert (again["ok"], again["replay"]["outcome"]) == (True, "reproduced"), again["replay"]
    assert again["replay"]["replayed"] == again["candidate"] == exact_weights(lethe)


def exact_weights(lethe: Lethe) -> str:
    return str(lethe.champion()["sha256"])


def test_the_untouched_champion_is_never_released(lethe: Lethe) -> None:
    request = lethe.submit(*subjects(people_of(lethe.root, "train", PEOPLE)))
    policy = lethe.write_policy(POLICY)
    words = ["judge", "--request", request, "--version", "1", "--policy", policy]
    assert lethe(*words, code=None).code in (REFUSED, INCONCLUSIVE)


def test_a_refused_run_changes_nothing_and_can_be_tried_again(lethe: Lethe) -> None:
    """I8: the champion and the data are as they were, the request waits, another run is free."""
    people = people_of(lethe.root, "train", 2)
    first, second = (lethe.submit(*subjects([person])) for person in people)
    before = lethe.champion(), contents(lethe.root / "data"), contents(lethe.root / "remote")
    wild = {"method": "finetune", "settings": {"epochs": 1, "learning_rate": 1e20}}
    diverging = {**CHEAP, "ladder": [wild, {"method": "retrain"}]}
    for request, policy, code in (
        (first, CHEAP, INCONCLUSIVE),
        (second, diverging, REFUSED),
    ):
        words = (request, "--method", "finetune")
        found = lethe.forget(*words, policy=policy, code=code).json
        assert found["states"] == {request: "accepted"}
        assert found["assurance"] == "A0"
        assert lethe("verify", found["evidence"]).json["ok"]
        now = lethe.champion(), contents(lethe.root / "data"), contents(lethe.root / "remote")
        assert now == before
        assert list((lethe.root / "artifacts" / "candidates").iterdir()) == []
    spent = lethe.forget(first, "--method", "finetune", code=DENIED).err
    assert "5.00% spent" in spent and "exact retraining" in spent
    released = lethe.forget(first).json
    assert released["decision"] == "released"
    assert {one["method"] for one in released["not_tried"]} == {"finetune"}
    assert "5.00% of the 5%" in released["not_tried"][0]["why"]
    assert len(lethe("show", first).json["runs"]) == 2
    assert len(lethe("list", "versions").json["versions"]) == 2


def test_what_is_asked_for_twice_is_served_once(lethe: Lethe) -> None:
    """While it waits, and after it was served: completed by reference, never left waiting."""
    lethe.change("model", "grace_days", 0)
    (person,) = people_of(lethe.root, "train", 1)
    first, second = (lethe.submit("--subject", person) for _ in range(2))
    found = lethe.forget(first).json
    assert found["decision"] == "released"
    assert found["states"] == dict.fromkeys((first, second), "complete")
    again = lethe("submit", "--subject", person).json
    assert (again["state"], again["run"]) == ("complete", found["run"])
    keys = lethe.root / "keys" / "requests"
    assert list(keys.iterdir()) == []
    entries = len(lethe.entries())
    assert lethe.forget("--all", code=2).err.count("\n") == 1
    assert len(lethe.entries()) == entries


def test_requests_that_together_are_all_of_the_data(lethe: Lethe) -> None:
    people = people_of(lethe.root, "train", 1000)
    half = len(people) // 2
    requests = [lethe.submit(*subjects(part)) for part in (people[:half], people[half:])]
    assert "expected some to be left" in lethe.forget(*requests, code=DENIED).err
    states = {r["request"]: r["state"] for r in lethe("list", "requests").json["requests"]}
    assert states == dict.fromkeys(requests, "accepted")
    assert list((lethe.root / "artifacts").glob("candidates/*")) == []


def test_examples_that_were_never_trained_on_are_purged_without_unlearning(lethe: Lethe) -> None:
    person = people_of(lethe.root, "holdout", 1)
    canary = canary_of(lethe.root, person)
    found = lethe.forget(request := lethe.submit(*subjects(person))).json
    assert (found["decision"], found["assurance"], found["attempts"]) == ("purge", "A1", [])
    assert found["states"] == {request: "complete"}
    assert lethe.champion()["version"] == 1
    assert holding(canary, lethe.root) == []
    assert naming(canary, *visible(lethe.root)) == []


def test_without_days_of_grace_a_request_is_complete_and_stays_so(lethe: Lethe) -> None:
    """I5 and I7: no copy remains, the old weights included, and an import leaves them out."""
    lethe.change("model", "grace_days", 0)
    person = people_of(lethe.root, "train", 1)
    canary = canary_of(lethe.root, person)
    found = lethe.forget(request := lethe.submit(*subjects(person))).json
    assert found["states"] == {request: "complete"}
    assert [v["version"] for v in lethe("list", "versions").json["versions"]] == [2]
    weights = [p for p in files_below(lethe.root / "mlruns") if p.suffix == ".safetensors"]
    assert len(weights) == 1
    assert not (lethe.root / "keys" / "requests" / f"{request}.key").exists()
    assert lethe("purge", request).json["copies"] == []
    assert lethe("verify", "--log").json["ok"]

    again = restored(lethe)
    listed = str(lethe.root / "records" / "suppression.jsonl")
    init = ["init", "--epochs", "1", "--shadows", "8", "--suppression", listed]
    examples = sum(again(*init).json["examples"].values())
    assert examples == DIGITS - lethe("show", request).json["examples"]
    assert holding(canary, again.root) == []
    assert again("submit", *subjects(person)).json["state"] == "complete"


def restored(lethe: Lethe) -> Lethe:
    """Make an empty folder with the settings of a workspace."""
    root = lethe.root.with_name("restored")
    root.mkdir()
    shutil.copy(lethe.root / "params.yaml", root)
    return Lethe(root, lethe.temporary / "restored", lethe.context)
