"""Letters: what each says in each language, what none says, and what a template cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from systems.report.letters import LANGUAGES, written
from unlearning.errors import UsageError

FACTS: dict[str, Any] = {
    "request": "req-1",
    "received_on": "2026-01-02",
    "due_on": "2026-02-02",
    "law": "gdpr-de",
    "acknowledge_by": None,
    "part_of": None,
    "apart": [],
}
COPY = {"what": "dvc remote: object ab", "version": None, "until": None}
KEPT = {"what": None, "version": 3, "until": "2026-03-01"}
DONE = {
    **FACTS,
    **{"erased_on": "2026-01-20", "completed_on": None, "assurance": "A2"},
    **{"remaining": [COPY, KEPT], "confirmed": []},
    **{"upgraded_on": None, "upgraded_by": None, "method": None},
}
RISEN = {**DONE, "upgraded_on": "2026-06-01", "upgraded_by": "run-2", "remaining": []}
RECORD = {
    **{"today": "2026-01-02", "model": "faces", "data_version": "ab12", "requests": 2},
    **{"states": [("held", 2)], "laws": [("gdpr", 1), ("ccpa", 1)], "grace_days": 30},
    **{"witnesses": ["s3://auditor/x"], "grounds": [("excessive", 1)]},
}
SAID = {
    "acknowledgement": FACTS,
    "identity": {**FACTS, "pauses": None},
    "extension": {**FACTS, "first_due_on": "2026-01-31", "reason": "very many"},
    "refusal": {
        **FACTS,
        **{"ended_on": "2026-01-09", "reason": "all of the data"},
        "ground": "the request is excessive",
    },
    "completion": DONE,
    "upgrade": RISEN,
    "record": RECORD,
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", SAID)
def test_every_fact_is_said_and_no_line_is_long(kind: str, language: str) -> None:
    text = written(kind, language, SAID[kind])
    said = [str(value) for key, value in SAID[kind].items() if isinstance(value, str | int)]
    no_deadline = kind in ("refusal", "completion", "upgrade")
    hidden = {"gdpr-de", "A2"} | ({"2026-02-02"} if no_deadline else set())
    assert [one for one in said if one not in text and one not in hidden] == []
    assert max(map(len, text.splitlines())) <= 200 and "{" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_remains_is_named_with_its_day(language: str) -> None:
    text = written("completion", language, DONE)
    assert "dvc remote: object ab" in text and "2026-03-01" in text
    gone = written("completion", language, {**DONE, "remaining": [], "completed_on": "2026-04-01"})
    assert "2026-04-01" in gone and "dvc" not in gone


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("level", ["A0", "A1", "A2", "A3"])
def test_no_letter_says_that_nothing_is_left_in_the_model(level: str, language: str) -> None:
    text = written("completion", language, {**DONE, "assurance": level}).lower()
    for promise in ("gone from the model", "forgotten by the model", "vergessen", "oublié"):
        assert promise not in text
    proofs = {"en": "prove this", "de": "belegen", "fr": "le prouvent"}
    assert (proofs[language] in text.replace("\n", " ")) == (level == "A3")


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_upgrade_is_said_beside_what_was_assured_before(language: str) -> None:
    before, after = (written("completion", language, facts) for facts in (DONE, RISEN))
    assert "run-2" not in before and "run-2" in after and "2026-06-01" in after
    bound = {"en": "by an approximate method", "de": "Näherungsverfahren", "fr": "approchée"}
    assert bound[language] in after, "how it was first served stays said"


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_letter_says_that_a_record_is_kept_what_why_and_how_long(language: str) -> None:
    """The log's entries, for good; after an erasure keyed digests too, while data may come back."""
    entry = {
        "en": ("entries in a signed log", "name nobody", "so that it", "kept for good"),
        "de": ("Einträge in einem signierten Protokoll", "niemanden nennen", "damit", "auf Dauer"),
        "fr": ("entrées d'un journal signé", "nomment personne", "afin", "sans limite de durée"),
    }[language]
    digests = {
        "en": ("keyed digests", "encrypted", "So that what was erased", "as long as"),
        "de": ("mit einem Schlüssel", "verschlüsselt", "Damit das Gelöschte", "solange"),
        "fr": ("empreintes à clé", "chiffré", "Pour que ce qui a été effacé", "tant que"),
    }[language]
    for kind in ("acknowledgement", "extension", "refusal", "completion"):
        text = written(kind, language, SAID[kind])
        assert [word for word in entry if word not in text] == [], kind
        assert all((word in text) == (kind == "completion") for word in digests), kind


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_person_is_told_which_exact_training_it_was_and_what_that_leaves_out(
    language: str,
) -> None:
    of = {
        "retrain": {"en": "new weights", "de": "neuen Gewichten", "fr": "poids nouveaux"},
        "warm_retrain": {
            **{"en": "stored models that were never", "de": "gespeicherten Modellen"},
            "fr": "modèles conservés",
        },
        "head_downdate": {"en": "last layer", "de": "letzte Schicht", "fr": "dernière couche"},
    }
    left = {"en": "Not covered is", "de": "Nicht erfasst ist", "fr": "N'est pas couvert"}[language]
    for method in of:
        text = written("completion", language, {**DONE, "assurance": "A3", "method": method})
        said = {other for other, words in of.items() if words[language] in text}
        assert said == {method} and left in text
    assert left not in written("completion", language, DONE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_remedies_are_those_of_the_law(language: str) -> None:
    assert "77" in written("refusal", language, SAID["refusal"])
    assert "77" not in written("refusal", language, {**SAID["refusal"], "law": "ccpa"})


def test_what_somebody_wrote_is_no_template() -> None:
    text = written("refusal", "en", {**SAID["refusal"], "reason": "{{ 7 * 7 }} <b>"})
    assert "{{ 7 * 7 }} <b>" in text


@pytest.mark.parametrize(
    "template",
    ["{{ ''.__class__.__mro__ }}", "{{ nothing_of_this_name }}", "{% include '/etc/passwd' %}"],
)
def test_a_template_of_ones_own_gets_at_nothing_else(template: str, tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "refusal.txt").write_text(template)
    with pytest.raises(
        UsageError, match=r"letters/en/refusal\.txt: .*expected a template that uses"
    ):
        written("refusal", "en", SAID["refusal"], tmp_path)


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "how we go on"), ("de", "So gehen wir vor"), ("fr", "Voici la suite")],
)
def test_where_receipt_is_confirmed_by_a_day_the_letter_says_how_it_goes_on(
    language: str, said: str
) -> None:
    """California's rules ask for it with the confirmation; no other law here does."""
    facts = {**FACTS, "law": "ccpa", "acknowledge_by": "2026-01-16"}
    assert said in written("acknowledgement", language, facts)
    assert said not in written("acknowledgement", language, FACTS)


@pytest.mark.parametrize("kind", ["completion", "refusal"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_person_is_told_what_is_apart_and_under_which_reference(
    language: str, kind: str
) -> None:
    apart = [{"request": "req-1-1", "examples": 2}]
    told = written(kind, language, {**SAID[kind], "apart": apart})
    assert "req-1-1" in told and "\n\n\n\n" not in told
    assert "req-1-1" not in written(kind, language, SAID[kind])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_refusal_of_a_part_says_of_which_request(language: str) -> None:
    whole = {"request": "req-7", "examples": 3}
    told = written("refusal", language, {**SAID["refusal"], "part_of": whole})
    assert "req-7" in told and " 3 " in told and "\n\n\n\n" not in told
