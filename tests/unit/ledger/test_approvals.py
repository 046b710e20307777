"""A question to persons, and what their answers in the log make of it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.chain import Entry
from ledger.domain import require_reason, require_staff
from ledger.replay.approvals import Standing, awaiting, standing, unapproved
from unlearning.errors import UsageError

RUN, ASKED, CANDIDATE = "run-1", "the question's hash", "ab" * 32

Told = tuple[str, str, dict[str, Any]]


def log(*said: Told, persons: int = 1, override: bool = False) -> tuple[Entry, ...]:
    """A run that was started by jane, and about which persons were asked."""
    question = {
        "reasons": ["a class goes"],
        "persons": persons,
        "override": override,
        "candidate": CANDIDATE,
        "records": ["cd"],
    }
    told: list[Told] = [
        ("run_started", f"{RUN}/started", {"run": RUN, "requests": ["req-1"]}),
        ("step", f"{RUN}/begun", {"operator": "jane"}),
        ("step", f"{RUN}/proposed", question),
        *said,
    ]
    hashes = {f"{RUN}/proposed": ASKED}
    return tuple(
        Entry(n, "", f"2026-06-10T12:00:{n:02}Z", *one, hashes.get(one[1], f"h{n}"), "")
        for n, one in enumerate(told, 1)
    )


def word(who: str, answer: str = "approved", **other: Any) -> Told:
    said = {"reviewer": who, "answer": answer, "override": False, "reason": "read it"}
    return "approval", f"{RUN}/approval/{who}/{answer}", {**said, "question": ASKED, **other}


def stands(entries: tuple[Entry, ...]) -> Standing:
    found = standing(entries, RUN)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ((), "pending"),
        ((word("dpo"),), "granted"),
        ((word("Jane "),), "pending"),  # who started it, however written
        ((word("dpo", "refused"),), "refused"),
        ((word("dpo"), word("legal", "refused")), "refused"),
        ((word("dpo", question="another"),), "pending"),
        ((word("dpo", override=True),), "granted"),
    ],
)
def test_one_person_who_did_not_start_it_decides(said: tuple[Told, ...], state: str) -> None:
    found = stands(log(*said))
    assert {name: getattr(found, name) for name in ("pending", "granted", "refused")} == {
        name: name == state for name in ("pending", "granted", "refused")
    }


@pytest.mark.parametrize(
    ("said", "granted"),
    [
        ((word("dpo", override=True),), False),
        ((word("dpo", override=True), word("DPO", override=True)), False),
        ((word("dpo", override=True), word("legal")), False),  # does not say override
        ((word("dpo", override=True), word("jane", override=True)), False),
        ((word("dpo", override=True), word("legal", override=True)), True),
    ],
)
def test_an_override_takes_two(said: tuple[Told, ...], granted: bool) -> None:
    found = stands(log(*said, persons=2, override=True))
    assert (found.granted, found.pending) == (granted, not granted)


def test_an_unknown_operator_might_be_anybody() -> None:
    entries = tuple(e for e in log(word("dpo")) if not e.key.endswith("begun"))
    assert not stands(entries).granted


def test_a_run_waits_until_it_is_answered_decided_or_given_up() -> None:
    assert awaiting(log(), RUN) is not None
    assert awaiting(log(word("dpo")), RUN) is None
    assert awaiting(log(("step", f"{RUN}/aborted", {"reason": "x"})), RUN) is None
    assert awaiting(log(), "run-2") is None


def decided(entries: tuple[Entry, ...], **changes: Any) -> Told:
    body = {
        "decision": "released",
        "candidate": CANDIDATE,
        "records": ["cd"],
        "approval": stands(entries).as_stated(),
    }
    return "step", f"{RUN}/decided", {**body, **changes}


@pytest.mark.parametrize(
    ("said", "changes", "problem"),
    [
        ((word("dpo"),), {}, None),
        ((), {"decision": "refused", "candidate": None}, None),
        ((), {}, "released with 0 of 1 approvals in the log before it"),
        ((word("jane"),), {}, "released with 0 of 1 approvals"),
        ((word("dpo"), word("legal", "refused")), {}, "1 of 1 approvals and a refusal"),
        ((word("dpo"),), {"candidate": "ef" * 32}, "is not what was approved"),
        ((word("dpo"),), {"records": ["ef"]}, "on other records"),
        ((word("dpo"),), {"approval": None}, "does not state the answers"),
    ],
)
def test_a_release_without_the_word_of_whom_was_asked_is_found(
    said: tuple[Told, ...], changes: dict[str, Any], problem: str | None
) -> None:
    entries = log(*said, decided(log(*said), **changes))
    found = list(unapproved(entries))
    assert found == [] if problem is None else any(problem in line for line in found)


def test_a_word_that_came_after_the_decision_does_not_count() -> None:
    found = list(unapproved(log(decided(log()), word("dpo"))))
    assert any("released with 0 of 1 approvals" in line for line in found)


@pytest.mark.parametrize("name", ["jane@example.org", "", " ", "x", "a\nb", "-x", "y" * 65])
def test_a_reviewer_is_a_role_or_a_reference(name: str) -> None:
    with pytest.raises(UsageError, match="--reviewer"):
        require_staff(name, "--reviewer")
    assert require_staff(" staff-0417 ", "--reviewer") == "staff-0417"


def test_a_reason_names_nobody_by_address() -> None:
    require_reason("art. 17(3)(e), 2 @ 5", "why")
    with pytest.raises(UsageError, match="e-mail address"):
        require_reason("as told by jane@example.org", "why")
