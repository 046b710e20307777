"""A denial stands on a ground of a list, which the law of the request knows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.domain import DeletionRequest, Selector, State
from ledger.requests import Ledger, Verb
from ledger.requests.grounds import grounds, provision
from systems.report.grounds import ground_in_words
from systems.report.letters import LANGUAGES, REFUSAL, written
from unlearning.errors import UsageError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def ledger(keys: Path) -> Ledger:
    return Ledger.open(keys.parent / "records", keys)


def submit(ledger: Ledger, law: str = "gdpr", examples: int = 3) -> DeletionRequest:
    return ledger.submit(
        Selector("subject", ("jane",)),
        received_at=NOW,
        jurisdiction=law,
        idempotency_key=None,
        examples=examples,
        now=NOW,
    )


def deny(ledger: Ledger, ref: str, ground: str | None) -> DeletionRequest:
    return ledger.say(Verb.DENY, ref, reason="a court asks for them", now=NOW, ground=ground)


@pytest.mark.parametrize("law", ["gdpr", "gdpr-de"])
def test_the_ground_is_in_the_entry(ledger: Ledger, law: str) -> None:
    ref = submit(ledger, law).ref
    assert deny(ledger, ref, "legal_claims").state is State.DENIED
    last = ledger.log.entries()[-1]
    assert (last.event, last.body["ground"]) == ("denied", "legal_claims")
    assert last.body["reason"] == "a court asks for them"


def test_without_a_ground_it_is_another_one(ledger: Ledger) -> None:
    ref = submit(ledger).ref
    deny(ledger, ref, None)
    assert ledger.log.entries()[-1].body["ground"] == "other"


@pytest.mark.parametrize(
    ("law", "ground", "listed"),
    [
        ("gdpr", "because", "public_task"),
        ("gdpr", "transaction", "public_health"),  # an exception of California's alone
        ("ccpa", "public_task", "internal_use"),
    ],
)
def test_what_is_no_ground_of_the_law_is_named_with_those_that_are(
    ledger: Ledger, law: str, ground: str, listed: str
) -> None:
    ref, entries = submit(ledger, law).ref, len(ledger.log.entries())
    with pytest.raises(UsageError, match=f"--ground: got '{ground}'.*{law}: .*{listed}") as caught:
        deny(ledger, ref, ground)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    assert f"{law}: " in str(caught.value) and f" {ground}," not in str(caught.value)
    assert len(ledger.log.entries()) == entries
    assert ledger.request(ref).state is State.ACCEPTED


def test_nothing_found_is_a_ground_of_its_own(ledger: Ledger) -> None:
    submit(ledger, examples=0)
    assert ledger.log.entries()[-1].body["ground"] == "not_found"


def test_another_verb_has_no_ground(ledger: Ledger) -> None:
    ref = submit(ledger).ref
    ledger.say(Verb.HOLD, ref, reason="a lawsuit", now=NOW)
    assert "ground" not in ledger.log.entries()[-1].body


def test_every_ground_has_words_in_every_language() -> None:
    for language in LANGUAGES:
        said = {name: ground_in_words(name, "", language) for name in grounds()}
        assert said.pop("other") is None
        assert all(said.values()) and len({*said.values()}) == len(said)


@pytest.mark.parametrize(
    ("ground", "law", "language", "place"),
    [
        ("legal_claims", "gdpr-de", "de", "Artikel 17 Absatz 3 Buchstabe e DSGVO"),
        ("unfounded", "gdpr", "en", "Article 12(5) GDPR"),
        ("research", "gdpr-fr", "fr", "article 17, paragraphe 3, point d), du RGPD"),
        ("security", "ccpa", "en", "California Civil Code, section 1798.105(d)(2)"),
        ("identity_unconfirmed", "ccpa", "de", "title 11, section 7022(a)"),
    ],
)
def test_the_letter_says_the_ground_and_where_the_law_has_it(
    ground: str, law: str, language: str, place: str
) -> None:
    words = ground_in_words(ground, provision(ground, law), language)
    facts = {
        **{"request": "req-1", "received_on": "2026-06-10", "ended_on": "2026-06-12"},
        **{"law": law, "reason": "see file 7", "ground": words, "part_of": None, "apart": []},
    }
    letter = written(REFUSAL, language, facts)
    assert words and words.endswith(f"{place})") and words in letter and "see file 7" in letter
    right = {"gdpr": "77", "ccpa": {"en": "complain", "de": "beschweren"}.get(language, "")}
    assert right[law[:4]] in letter


def test_a_denial_of_before_there_were_grounds_says_its_reason() -> None:
    assert ground_in_words(None, None, "en") is None
    assert provision("None", "gdpr") is None
