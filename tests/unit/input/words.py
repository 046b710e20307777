"""Labels and ids: text that people typed."""

from __future__ import annotations

from typing import Any

from systems.data.gathering import Gathered
from tests.unit.input.forms import (
    REFUSED,
    TAKEN,
    Form,
    N,
    classes,
    meant,
    row,
    table,
    with_test,
)

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
UNSEEN = "cat\u200b"  # a space of no width


def labels(*values: Any) -> list[Any]:
    """Label the plain examples with these in turn."""
    return [values[i % len(values)] for i in range(N)]


def label(*values: Any) -> Any:
    """Give a maker of a data set with these labels in turn."""
    return table(label=labels(*values))


def tested(train: list[Any], test: list[Any]) -> Any:
    """Give a maker of two files with these labels."""
    return with_test({"label": labels(*train)}, {"label": labels(*test)})


def subjects(found: Gathered) -> set[str]:
    return set(found.table["subject_id"].to_pylist())


def has(subject: str) -> Any:
    """Assert that this is a person, to the letter."""

    def check(found: Gathered) -> None:
        assert subject in subjects(found)

    return check


def nobody_named(found: Gathered) -> None:
    assert subjects(found) == set(found.table["example_id"].to_pylist())


def other_person(subject: str) -> Any:
    """Give a maker of a test set whose one person is this one."""
    return with_test({}, {"subject_id": [subject] * N})


LABELS = [
    Form(
        "whole numbers from 0 on",
        TAKEN,
        "class indices",
        label(0, 1, 2),
        classes("0", "1", "2"),
    ),
    Form("such numbers as text", TAKEN, "the same", label("0", "1", "10", *"23456789"),
         classes(*map(str, range(11)))),
    Form("numbers with a gap", REFUSED, "is out of range", label(0, 1, 17)),
    Form("-1, for no label", REFUSED, "label -1 is out of range", label(0, 1, -1)),
    Form("words", TAKEN, "classes in alphabetical order", label("cat", "ape"),
         classes("ape", "cat")),
    Form("`01`, `02`", TAKEN, "words, as written", label("01", "02"), classes("01", "02")),
    Form("`1` and `01`, or `1.0`", REFUSED, "differ only by the writing of a number",
         label("1", "0", "01")),
    Form("`cat` and `cat `", REFUSED, "differ only by blanks", label("cat", "ape", "cat ")),
    Form("`cat` and `Cat`", REFUSED, "differ only by case", label("cat", "ape", "Cat")),
    Form("composed and decomposed letters", REFUSED, "differ only by Unicode form",
         label(COMPOSED, "ape", DECOMPOSED)),
    Form("characters that nobody sees", REFUSED, "differ only by Unicode form",
         label("cat", "ape", UNSEEN)),
    Form("look-alikes, with --as-written", TAKEN, "different classes",
         meant(label("cat", "Cat")), classes("Cat", "cat")),
    Form("`nan`, `NA`, `null`... among numbers", REFUSED, "as tables write a missing value",
         label("0", "1", "nan")),
    Form("`none` among words", TAKEN, "a class", label("none", "cat"), classes("cat", "none")),
    Form("numbers with a fraction", REFUSED, "the label column is double", label(0.0, 1.0)),
    Form("empty, or blanks", REFUSED, "label is empty", row("label", None)),
    Form("a tab or a line break in it", REFUSED, "another control character", label("a", "b\t")),
    Form("of one class", REFUSED, "expected at least 2", label("cat")),
    Form("words to train, numbers to test", REFUSED, "one is a number, the other are words",
         tested(["ape", "cat"], [0, 1])),
    Form("numbers to train, words to test", REFUSED, "the training data has numbers",
         tested([0, 1], ["ape", "cat"])),
    Form("numbers to train, the same as text to test", TAKEN, "the same classes",
         tested([0, 1], ["0", "1"]), classes("0", "1")),
    Form("a look-alike to test", REFUSED, "it differs from 'cat' only by blanks",
         tested(["ape", "cat"], ["ape", " cat"])),
    Form("a class to test that is not trained on", REFUSED, "is no class of the training data",
         tested(["ape", "cat"], ["ape", "dog"])),
]  # fmt: skip

IDS = [
    Form("text", TAKEN, "as written", row("subject_id", " A 1"), has(" A 1")),
    Form("whole numbers", TAKEN, "their digits", table(subject_id=labels(*range(10))), has("7")),
    Form("numbers with a fraction, dates", REFUSED, "the subject column is double",
         table(subject_id=labels(*map(float, range(10))))),
    Form("people with a blank behind the id", REFUSED, "only by blanks",
         row("subject_id", "person/1 ")),
    Form("people in another case", REFUSED, "only by case", row("subject_id", "Person/1")),
    Form("people in another Unicode form", REFUSED, "only by Unicode form",
         table(subject_id=labels(COMPOSED, DECOMPOSED, *"abcdef"))),
    Form("`1` and `01`, or `1.0`", REFUSED, "only by the writing of a number",
         table(subject_id=labels("1", "01", *"2345678"))),
    Form("look-alikes in different files", REFUSED, "only by case", other_person("PERSON/1")),
    Form("look-alikes among example ids", REFUSED, "only by case", row("example_id", "E003")),
    Form("look-alikes, with --as-written", TAKEN, "different people",
         meant(row("subject_id", "Person/1")), has("Person/1")),
    Form("`nan`, `NA`, `null`...", REFUSED, "as tables write a missing value",
         row("subject_id", "nan")),
    Form("such a name, with --as-written", TAKEN, "a person", meant(row("subject_id", "Null")),
         has("Null")),
    Form("empty, or blanks", REFUSED, "subject is empty", row("subject_id", "  ")),
    Form("a tab, a line break or a NUL in it", REFUSED, "another control character",
         row("subject_id", "person/1\0")),
    Form("an example id twice", REFUSED, "its example id is that of row",
         row("example_id", "e003")),
    Form("a person in two files", REFUSED, "its subject is also in", other_person("person/1")),
    Form("no column of people", TAKEN, "every picture is a person, and told",
         table(subject_id=None), nobody_named, "names no people"),
]  # fmt: skip
