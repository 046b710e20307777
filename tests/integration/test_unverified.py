"""Copies that nobody can look for: never called removed, confirmed by a person, told apart."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.cli.work import queries, requesting, serving
from flows.cli.work.serving import Word
from ledger.domain import Selector, State
from ledger.evidence import COMPLETION, ERASURE, read_sealed
from ledger.keys import load_public_keys
from ledger.replay.lineage import Release
from ledger.replay.purged import standing
from ledger.replay.statements import completion_contradictions, erasure_contradictions
from systems.data.stores import DvcStore
from tasks.attest import erased_assurance
from tasks.pages.known import known_of
from tasks.pages.letters import letters
from tasks.pages.requests import page_of
from tasks.running.grace import kept_until
from tasks.running.opened import Opened, opened
from tasks.running.records import as_record, utc_now
from tasks.running.run import Run
from tests.integration.small_runs import (
    STEPS,
    again,
    begun,
    closed,
    copied,
    extracted,
    noted,
    person,
    small,
)
from unlearning.errors import UsageError

REMOTE = "dvc remote"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("original") / "workspace")


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    return copied(original, tmp_path / "workspace")


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the remote be one that cannot be asked for older versions."""
    why = property(lambda store: "look there" if store.where == REMOTE else None)
    monkeypatch.setattr(DvcStore, "unverified", why)


def ended(at: Opened, who: str) -> Run:
    """Take somebody's request through a run that only purges, to its end."""
    run = extracted(at, who)
    run.once("decided", lambda: {"decision": "purge", "assurance": "A0", "records": []})
    run.once("sealed", lambda: {"statement": "0" * 64})
    return closed(run)


def stated(run: Run, name: str) -> dict[str, Any]:
    """What a later statement says; it is genuine, and what its log says."""
    found = read_sealed(run.bundle / name, load_public_keys(run.at.ws.public_key))
    assert found.verification.problems == ()
    against = {ERASURE: erasure_contradictions, COMPLETION: completion_contradictions}
    assert [*against[name](found.statement, found.entries, run.ref)] == []
    return found.statement


def test_what_was_looked_for_and_is_gone_is_verified(at: Opened) -> None:
    run = ended(at, person(at))
    for name in (ERASURE, COMPLETION):
        said = stated(run, name)
        assert said["assurance"] == "A1"
        assert said["purged"]["verified"] > 0
        assert not any(said["purged"][word] for word in ("confirmed", "unverified", "remaining"))
    assert run.at.ledger.request(run.requests[0]).state is State.COMPLETE


@pytest.mark.usefixtures("forgetful")
def test_an_unverified_copy_is_no_proof_until_an_operator_confirms_it(at: Opened) -> None:
    """And then the log and the statement say that it was confirmed, not that it was verified."""
    who = person(at)
    run = ended(at, who)
    (ref,) = run.requests
    said = stated(run, ERASURE)
    objects = said["purged"]["unverified"]
    assert said["assurance"] == "A0" and objects
    assert all(name.startswith(f"{REMOTE}: object ") for name in objects)
    assert run.at.ledger.request(ref).state is State.PURGING
    assert erased_assurance(run.at, run.ref) == "A0"
    root = run.at.ws.root
    for word in (Word("dvc cache", "looked"), Word("object 12", "looked"), Word(REMOTE, " ")):
        with pytest.raises(UsageError, match=r"--confirm|--reason"):
            serving.purge(root, ref, word)
    one = serving.purge(root, ref, Word(objects[0].removeprefix(f"{REMOTE}: "), "looked at it"))
    assert one["state"] == "purging"
    found = serving.purge(root, ref, Word(REMOTE, "versions removed by the provider"))
    assert found["state"] == "complete"
    assert {c["status"] for c in found["copies"] if c["where"] == REMOTE} == {"confirmed"}
    last = stated(again(run), COMPLETION)
    assert last["assurance"] == "A1"
    assert sorted(last["purged"]["confirmed"]) == sorted(objects)
    assert not last["purged"]["unverified"]
    reasons = [word["reason"] for word in last["confirmed"]]
    assert reasons == ["looked at it", "versions removed by the provider"]
    (shown,) = queries.show(root, ref)["runs"]
    assert shown["purged"] == last["purged"]
    with pytest.raises(UsageError, match="no unverified copy"):
        serving.purge(root, ref, Word(REMOTE, "again"))


@pytest.mark.usefixtures("forgetful")
def test_what_several_runs_erased_waits_for_the_copies_of_each(at: Opened) -> None:
    """The log has it go with the last; a copy of the first's people is as open as one of its."""
    one, other = person(at), person(at, 1)
    first = ended(at, one)
    second = ended(opened(at.root), other)
    root = at.ws.root
    both = Selector("subject", (one, other))
    ref = str(requesting.submit(root, both, None, "gdpr", None)["request"])

    def states() -> list[str]:
        known = opened(at.root).ledger
        return [str(known.request(r).state) for r in (*first.requests, *second.requests, ref)]

    assert opened(at.root).ledger.request(ref).run == second.ref
    serving.purge(root, second.requests[0], Word(REMOTE, "removed by the provider"))
    assert states() == ["purging", "complete", "purging"]
    found = serving.purge(root, ref)
    left = [copy["what"] for copy in found["copies"] if copy["status"] == "unverified"]
    assert left, "those of the first run are told of, whichever request is asked about"
    found = serving.purge(root, ref, Word(REMOTE, "these too"))
    assert found["state"] == "complete"
    assert states() == ["complete"] * 3
    said = [e for e in opened(at.root).ledger.log.entries() if e.event == "confirmed"]
    assert [e.body["run"] for e in said] == [second.ref, first.ref]


@pytest.mark.usefixtures("forgetful")
def test_who_is_served_by_a_run_waits_for_what_an_earlier_one_erased_of_the_same(
    at: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request names somebody whom an earlier run erased, and somebody whom nobody has yet."""
    one, other = person(at), person(at, 1)
    first = ended(at, one)
    both = Selector("subject", (one, other))
    ref = str(requesting.submit(at.ws.root, both, None, "gdpr", None)["request"])
    run = begun(opened(at.root), ref, noted)
    run.once("decided", lambda: {"decision": "purge", "assurance": "A0", "records": []})
    run.once("sealed", lambda: {"statement": "0" * 64})
    own = stated(closed(run), ERASURE)["purged"]["unverified"]
    for name in own:
        word = Word(name.removeprefix(f"{REMOTE}: "), "seen")
        assert serving.purge(at.ws.root, ref, word)["state"] == "purging"
    # What it waits for is told of it: where it is shown, on its page, in the letter on it.
    shown = queries.show(at.ws.root, ref)
    assert {row["run"] for row in shown["runs"]} == {first.ref, run.ref}
    left = {n for row in shown["runs"] for n in row["purged"]["unverified"]}
    now = opened(at.root)
    known, row = known_of(now, utc_now()), as_record(now.ledger.request(ref))
    page = page_of(known, row, {})["copies"]
    assert left == {name for status, name, _ in page if status == "unverified"}
    letters_ = {kind: text for kind, language, text in letters(known, row) if language == "en"}
    assert left and all(name in letters_["completion"] for name in left)
    # And a version that learned from them goes by its deadline, which may be the first.
    made = [
        Release(1, "1" * 64, None, None, utc_now()),
        Release(2, "2" * 64, 1, first.ref, utc_now(), exact=True),
    ]
    soon = replace(now.ledger.request(ref), due_at=utc_now() + timedelta(days=1))
    with monkeypatch.context() as patch:
        patch.setattr("tasks.running.grace.purging_requests", lambda _: [soon])
        assert kept_until(now, 1, made) == soon.due_at
    found = serving.purge(at.ws.root, first.requests[0], Word(REMOTE, "seen"))
    assert found["state"] == "complete"
    assert opened(at.root).ledger.request(ref).state is State.COMPLETE


@pytest.mark.usefixtures("forgetful")
def test_a_statement_that_hides_what_is_unverified_is_found(at: Opened) -> None:
    run = ended(at, person(at))
    found = read_sealed(run.bundle / ERASURE, load_public_keys(run.at.ws.public_key))
    for change in ({"assurance": "A1"}, {"purged": standing(())}):
        forged = {**found.statement, **change}
        problems = [*erasure_contradictions(forged, found.entries, run.ref)]
        assert problems == [f"{next(iter(change))}: is not what the log says"]
    older = {k: v for k, v in found.statement.items() if k != "purged"}
    assert [*erasure_contradictions(older, found.entries, run.ref)] == ["purged: is missing"]


@pytest.mark.usefixtures("forgetful")
def test_the_next_run_does_not_owe_what_another_one_could_not_verify(at: Opened) -> None:
    first = ended(at, person(at))
    second = ended(at, person(at, 1))
    names = [set(stated(run, ERASURE)["purged"]["unverified"]) for run in (first, second)]
    assert names[0] and names[1] and not names[0] & names[1]


def test_a_file_with_another_name_is_not_called_removed(at: Opened, tmp_path: Path) -> None:
    """As after `cp -al` of data/, cache and bank: the bytes stay, and nothing of them changes."""
    who = person(at)
    bank = at.ws.bank / "old"
    bank.mkdir(parents=True)
    (bank / "shadow-000.safetensors").write_bytes(b"answers")
    twins = linked_copies(at.ws.root, tmp_path / "twins")
    before = {path: path.read_bytes() for path in twins}
    run = extracted(at, who)
    run.once("decided", lambda: {"decision": "purge", "assurance": "A0", "records": []})
    run.once("sealed", lambda: {"statement": "0" * 64})
    for name in ("suppressed", "erased"):
        STEPS[name](run)
    found = (again(run).done("hard_linked") or {})["copies"]
    kinds = {(row["where"], row["what"].split()[0]) for row in found}
    assert kinds == {
        ("workspace", "shard"),
        ("dvc cache", "object"),
        (REMOTE, "object"),
        ("shadow bank", "the"),
    }
    assert {path: path.read_bytes() for path in twins} == before


def linked_copies(root: Path, target: Path) -> list[Path]:
    """Link what `cp -al` would, but for what is written in place."""
    made = []
    for name in ("data", ".dvc/cache/files", "remote", "artifacts/bank"):
        for path in (p for p in (root / name).rglob("*") if p.is_file()):
            twin = target / path.relative_to(root)
            twin.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, twin)
            made.append(twin)
    return made


def test_a_linked_copy_of_the_data_keeps_a_request_from_being_complete(
    at: Opened, tmp_path: Path
) -> None:
    who = person(at)
    linked_copies(at.ws.root, tmp_path / "twins")
    run = ended(at, who)
    (ref,) = run.requests
    said = stated(run, ERASURE)
    places = {name.split(":")[0] for name in said["purged"]["unverified"]}
    assert places == {"workspace", "dvc cache", REMOTE} and said["assurance"] == "A0"
    assert run.at.ledger.request(ref).state is State.PURGING
    for place in sorted(places):
        found = serving.purge(run.at.ws.root, ref, Word(place, "the twins were removed"))
    assert found["state"] == "complete"
    assert stated(again(run), COMPLETION)["assurance"] == "A1"
    asked = requesting.submit(run.at.ws.root, Selector("subject", (who,)), None, "gdpr", None)
    assert asked["run"] == run.ref
