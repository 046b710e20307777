"""The suppression list recognises what was erased, under its own key and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import suppression
from ledger.domain import Selector
from ledger.keys import create_keys, write_secret
from unlearning.errors import IntegrityError, UsageError

EXAMPLES = [("img-1", "aa" * 32), ("img-2", "bb" * 32)]
VALUES = [value for example in EXAMPLES for value in suppression.example_values(*example)]
RUN = "run-1"


def test_an_erased_example_is_recognised_by_its_id_and_by_its_bytes(keys: Path, records: Path):
    assert (
        suppression.add(records, keys, VALUES[:2], run=RUN) == 2
    )  # one line for id, one for bytes
    listed = suppression.load(records, keys)
    assert listed.contains("img-1", "cc" * 32)
    assert listed.contains("new-name", "aa" * 32)
    assert not listed.contains("img-2", "bb" * 32)
    assert not listed.contains("aa" * 32, "img-1")  # an id is no digest and the reverse


@pytest.mark.parametrize(
    ("selector", "other"),
    [
        (Selector("subject", ("jane",)), Selector("example", ("jane",))),
        (Selector("class", ("jane",)), Selector("subject", ("jane",))),
        (Selector("where", ("blue",), "style"), Selector("where", ("blue",), "colour")),
        (Selector("example", ("img-1", "img-2")), Selector("example", ("img-3",))),
    ],
)
def test_a_demand_is_recognised_with_the_run_that_served_it(
    keys: Path, records: Path, selector: Selector, other: Selector
):
    suppression.add(records, keys, suppression.selector_values(selector), run=RUN)
    listed = suppression.load(records, keys)
    assert listed.erased_by(selector) == RUN
    assert listed.erased_by(other) is None


def test_adding_again_changes_nothing_and_the_list_tells_nothing(keys: Path, records: Path):
    suppression.add(records, keys, VALUES, run=RUN)
    before, digest = (records / "suppression.jsonl").read_bytes(), suppression.digest(records)
    assert suppression.add(records, keys, reversed(VALUES), run="run-2") == 0
    assert (records / "suppression.jsonl").read_bytes() == before
    assert suppression.digest(records) == digest
    assert b"img-1" not in before and b"aa" * 32 not in before


def test_an_altered_suppression_list_raises_the_alarm(keys: Path, records: Path):
    suppression.add(records, keys, VALUES, run=RUN)
    path = records / "suppression.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"kind":"image"', b'"kind":"imege"', 1))
    with pytest.raises(IntegrityError, match="line"):
        suppression.load(records, keys)


def test_a_list_under_another_key_recognises_nobody_and_says_so(keys: Path, records: Path):
    suppression.add(records, keys, VALUES, run=RUN)
    write_secret(keys / "suppression.key")
    with pytest.raises(IntegrityError, match="another key") as caught:
        suppression.load(records, keys)
    assert caught.value.exit_code == 30


def test_a_list_of_before_is_read_and_gains_what_it_lacks(keys: Path, records: Path):
    """Lines without a run, and none that tells the key: as they were written until now."""
    suppression.add(records, keys, VALUES, run=RUN)
    path = records / "suppression.jsonl"
    lines = [line for line in path.read_text().splitlines() if '"key"' not in line]
    path.write_text("".join(line.replace(',"run":"run-1"', "") + "\n" for line in lines))
    listed = suppression.load(records, keys)
    assert listed.erased_by(Selector("example", ("img-1",))) == suppression.EARLIER
    suppression.add(records, keys, suppression.subject_values(["jane"]), run="run-2")
    assert '"kind":"key"' in path.read_text()


def test_a_list_travels_with_its_key(keys: Path, records: Path, tmp_path: Path):
    suppression.add(records, keys, VALUES, run=RUN)
    there = tmp_path / "there"
    create_keys(there / "keys", there / "records")
    (there / "keys" / "suppression.key").unlink()
    source, key = records / "suppression.jsonl", keys / "suppression.key"
    brought = suppression.bring(there / "records", there / "keys", source, key)
    assert brought == len(VALUES)
    assert suppression.bring(there / "records", there / "keys", source, key) == brought
    assert suppression.load(there / "records", there / "keys").contains("img-2", "cc" * 32)
    assert (there / "keys" / "suppression.key").stat().st_mode & 0o777 == 0o600


def test_a_list_is_not_taken_along_with_another_key_or_over_another_list(
    keys: Path, records: Path, tmp_path: Path
):
    suppression.add(records, keys, VALUES, run=RUN)
    there, source = tmp_path / "there", records / "suppression.jsonl"
    for folder in ("keys", "records"):
        (there / folder).mkdir(parents=True)
    write_secret(tmp_path / "other.key")
    with pytest.raises(IntegrityError, match="another key"):
        suppression.bring(there / "records", there / "keys", source, tmp_path / "other.key")
    with pytest.raises(UsageError, match="is no file"):
        suppression.bring(
            there / "records", there / "keys", tmp_path / "x", keys / "suppression.key"
        )
    assert list(there.rglob("*.*")) == []
    other = tmp_path / "elsewhere"
    create_keys(other / "keys", other / "records")
    suppression.add(other / "records", other / "keys", VALUES[:1], run=RUN)
    with pytest.raises(UsageError, match="erased nothing"):
        suppression.bring(other / "records", other / "keys", source, keys / "suppression.key")


def look(text: str) -> str:
    """Fold case and blanks, as a reader does; the real rule is of whoever asks."""
    return " ".join(text.casefold().split())


@pytest.mark.parametrize(
    ("erased", "asked"), [("jane", "Jane "), ("Jane  Doe", "jane doe"), ("Jane  Doe", "JANE Doe")]
)
def test_another_spelling_of_who_was_erased_is_no_match_and_is_found(
    keys: Path, records: Path, erased: str, asked: str
):
    for kind, column in (("subject", None), ("example", None), ("class", None), ("where", "style")):
        there, here = (Selector(kind, (value,), column) for value in (erased, asked))  # type: ignore[arg-type]
        values = suppression.selector_values(there)
        suppression.add(records, keys, [*values, *suppression.looks(values, look)], run=RUN)
        listed = suppression.load(records, keys)
        assert listed.erased_by(here) is None
        assert listed.alike(suppression.selector_values(here), look) == (
            suppression.selector_values(here)
        )
        assert listed.alike(values, look) == []
    stranger = Selector("subject", ("joe",))
    assert listed.alike(suppression.selector_values(stranger), look) == []
    other = Selector("where", (asked,), "colour")
    assert listed.alike(suppression.selector_values(other), look) == []


def test_what_is_its_own_look_needs_no_second_line(keys: Path, records: Path):
    """So a list of before there were looks tells of the erased that are written plainly."""
    values = [*suppression.subject_values(["jane"]), ("image", "AA" * 32)]
    assert suppression.looks(values, look) == []
