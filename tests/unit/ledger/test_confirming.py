"""Who asks: attested at receipt, or waited for, and what the clock does meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.deadlines import profiles
from ledger.domain import DeletionRequest, Selector, State
from ledger.errors import LateExtension
from ledger.requests import Ledger, Verb
from ledger.requests.identity import METHODS, identity_in
from systems.report.letters import IDENTITY, written
from unlearning.errors import RequestDenied, UsageError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LOGIN = identity_in("login:portal/7f3a", "--identity")


@pytest.fixture
def ledger(keys: Path) -> Ledger:
    return Ledger.open(keys.parent / "records", keys)


def submit(ledger: Ledger, who: str = "jane", law: str = "gdpr", **said: Any) -> DeletionRequest:
    told = {"received_at": NOW, "examples": 3, "now": NOW, "idempotency_key": None, **said}
    return ledger.submit(Selector("subject", (who,)), jurisdiction=law, **told)


def test_what_was_attested_is_in_the_entry(ledger: Ledger) -> None:
    found = submit(ledger, identity=LOGIN, asks="runs")
    body = ledger.log.entries()[-1].body
    assert found.state is State.ACCEPTED and "identity_asked" not in body
    assert body["identity"] == {"method": "login", "by": "portal", "reference": "7f3a"}
    assert ledger.identity(found.ref) == body["identity"]


def test_nobody_is_asked_unless_it_is_demanded(ledger: Ledger) -> None:
    found = submit(ledger)
    assert found.state is State.ACCEPTED and ledger.identity(found.ref) is None


@pytest.mark.parametrize(
    "text",
    ["", "login", "login:", "word:portal", "login:Portal", "login:portal/jane@example.org"],
)
def test_what_is_no_attestation_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError, match="expected METHOD:SYSTEM") as caught:
        identity_in(text, "--identity")
    assert "jane" not in str(caught.value) and all(one in str(caught.value) for one in METHODS)


def test_what_comes_without_waits_until_it_is_confirmed(ledger: Ledger) -> None:
    """No run takes it, `resume` does not pass it by, and its deadline runs on."""
    asked = submit(ledger, asks="runs")
    assert asked.state is State.HELD and "lethe confirm" in str(asked.reason)
    assert ledger.unconfirmed(asked.ref)
    with pytest.raises(RequestDenied, match=f"lethe confirm {asked.ref}"):
        ledger.start_run([asked.ref], now=NOW)
    with pytest.raises(RequestDenied, match=f"lethe confirm {asked.ref}"):
        ledger.say(Verb.RESUME, asked.ref, reason="no doubt", now=NOW)
    found = ledger.confirm(asked.ref, LOGIN, now=NOW + 8 * DAY)
    assert (found.state, found.reason, found.due_at) == (State.ACCEPTED, None, asked.due_at)
    assert not ledger.unconfirmed(asked.ref) and ledger.check().ok
    ledger.start_run([asked.ref], now=NOW + 8 * DAY)


def test_a_clock_that_pauses_counts_from_the_confirmation(ledger: Ledger) -> None:
    """Asked on the day of receipt, 10 June, confirmed 8 days later: a month from 18 June."""
    asked = submit(ledger, asks="pauses")
    found = ledger.confirm(asked.ref, LOGIN, now=NOW + 8 * DAY)
    assert asked.due_at.date().isoformat() == "2026-07-10"
    assert found.due_at.date().isoformat() == "2026-07-20"  # the 18th is a Saturday
    assert found.received_at == NOW
    extended = ledger.say(Verb.EXTEND, asked.ref, reason="many", now=NOW + 36 * DAY)
    assert extended.due_at.date().isoformat() == "2026-09-18"
    assert ledger.log.entries()[-1].body["inform_by"].startswith("2026-07-20")
    with pytest.raises(RequestDenied, match="no second extension"):
        ledger.say(Verb.EXTEND, asked.ref, reason="more", now=NOW + 36 * DAY)


def test_an_extension_while_the_clock_pauses_is_not_late(ledger: Ledger) -> None:
    """A month and a day after receipt the first limit stands still, 31 days on."""
    asked = submit(ledger, asks="pauses")
    ledger.say(Verb.EXTEND, asked.ref, reason="many", now=NOW + 31 * DAY)
    with pytest.raises(RequestDenied, match="no second extension"):  # the limit has moved on since
        ledger.say(Verb.EXTEND, asked.ref, reason="more", now=NOW + 35 * DAY)
    found = ledger.confirm(asked.ref, LOGIN, now=NOW + 40 * DAY)
    assert found.due_at.date().isoformat() == "2026-10-20"  # three months from 20 July
    late = submit(ledger, "joe", asks="runs")
    with pytest.raises(LateExtension):
        ledger.say(Verb.EXTEND, late.ref, reason="many", now=NOW + 31 * DAY)


def test_in_california_the_clock_never_pauses(ledger: Ledger) -> None:
    assert {name for name, one in profiles().items() if not one.pauses} == {"ccpa"}
    asked = submit(ledger, law="ccpa", asks="pauses")
    assert ledger.log.entries()[-1].body["identity_asked"] == "runs"
    assert ledger.confirm(asked.ref, LOGIN, now=NOW + 8 * DAY).due_at == asked.due_at


def test_it_is_confirmed_once_and_while_it_is_open(ledger: Ledger) -> None:
    one, other = submit(ledger, asks="runs").ref, submit(ledger, "joe", asks="runs").ref
    ledger.confirm(one, LOGIN, now=NOW)
    with pytest.raises(RequestDenied, match="login by portal, 7f3a"):
        ledger.confirm(one, LOGIN, now=NOW)
    ledger.say(Verb.DENY, other, reason="no answer", ground="not_identifiable", now=NOW)
    with pytest.raises(RequestDenied, match="is denied"):
        ledger.confirm(other, LOGIN, now=NOW)


def test_of_whom_nothing_is_known_nobody_is_asked(ledger: Ledger) -> None:
    """To find out who a stranger is would be to take in data about him."""
    assert submit(ledger, examples=0, asks="runs").state is State.DENIED


def test_what_else_a_request_waits_for_it_goes_on_waiting_for(ledger: Ledger) -> None:
    asked = submit(ledger, asks="runs", hold="the data has another")
    found = ledger.confirm(asked.ref, LOGIN, now=NOW)
    assert (found.state, found.reason) == (State.HELD, "the data has another")
    assert ledger.say(Verb.RESUME, asked.ref, reason="meant", now=NOW).state is State.ACCEPTED


def test_whose_examples_are_gone_waits_too(ledger: Ledger) -> None:
    """Else whoever asks in another's name would get the answer to that one's erasure."""
    asked = submit(ledger, examples=0, erased_by="run-1", asks="runs")
    assert (asked.state, asked.run) == (State.HELD, None)
    assert ledger.confirm(asked.ref, LOGIN, now=NOW).state is State.ACCEPTED


def test_the_confirmed_one_is_canonical(ledger: Ledger) -> None:
    """Of three for the same the second is confirmed: the others go with it, received when they may.

    The deadlines are their own.
    """
    first = submit(ledger)
    second = submit(ledger, identity=LOGIN, received_at=NOW + DAY, now=NOW + DAY)
    assert second.reason is None
    assert f"the same as {second.ref}" in str(ledger.request(first.ref).reason)
    assert ledger.request(first.ref).due_at == first.due_at < second.due_at
    third = submit(ledger, received_at=NOW - DAY, now=NOW + DAY)
    assert third.reason == f"asks for the same as {second.ref}, goes with it"
    assert ledger.check().ok


def test_a_later_confirmation_makes_one_canonical(ledger: Ledger) -> None:
    first, second = submit(ledger), submit(ledger)
    assert f"the same as {first.ref}" in str(second.reason)
    assert ledger.confirm(second.ref, LOGIN, now=NOW).reason is None
    assert f"the same as {second.ref}" in str(ledger.request(first.ref).reason)
    found = ledger.confirm(first.ref, LOGIN, now=NOW)
    assert found.reason == f"asks for the same as {second.ref}, goes with it"
    assert ledger.check().ok


def test_of_several_confirmed_ones_the_first_is(ledger: Ledger) -> None:
    first = submit(ledger, identity=LOGIN)
    second = submit(ledger, identity=LOGIN, received_at=NOW - DAY, now=NOW)
    third = submit(ledger, identity=LOGIN, received_at=NOW - 2 * DAY, now=NOW)
    assert {second.reason, third.reason} == {f"asks for the same as {first.ref}, goes with it"}
    assert ledger.request(first.ref).reason is None


@pytest.mark.parametrize(
    ("language", "law", "pauses", "said"),
    [
        ("en", "gdpr", False, "Article 12(6) GDPR). We will answer by 2026-07-10"),
        ("de", "gdpr-de", True, "ruht, bis Sie es bestätigt haben"),
        ("fr", "ccpa", False, "Nous répondrons néanmoins au plus tard le 2026-07-10"),
    ],
)
def test_the_letter_asks_and_says_what_the_clock_does(
    language: str, law: str, pauses: bool, said: str
) -> None:
    facts = {"request": "req-1", "received_on": "2026-06-10", "due_on": "2026-07-10"}
    letter = written(IDENTITY, language, {**facts, "law": law, "pauses": pauses})
    assert said in letter.replace("\n", " ") and ("12(6)" in letter) is (language == "en")
