"""What is listed of an example, a person or a selector, as (kind, value) pairs: personal data.

Beside a text its look is listed, so that another spelling of it is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ledger.domain import Selector
from ledger.suppression.likeness import PICTURE

ID, IMAGE, KEY = "id", "image", "key"
KIND_OF = {"subject": "subject", "example": ID, "class": "class", "where": "where"}
LOOK = " look"
"""Ends the kind of a line about what a text looks like, beside the one about the text itself."""

KINDS = frozenset(
    {*KIND_OF.values(), *(kind + LOOK for kind in KIND_OF.values()), IMAGE, KEY, PICTURE}
)

Look = Callable[[str], str]
"""Folds a text to what a reader takes it for."""


def example_values(example_id: str, image_sha256: str) -> list[tuple[str, str]]:
    """What is listed of an example, as (kind, value): personal data."""
    return [(ID, example_id), (IMAGE, image_sha256)]


def selector_values(selector: Selector) -> list[tuple[str, str]]:
    """What is listed of a selector, as (kind, value): personal data.

    Of some examples alone that are their ids: more may be left of who or what they belong to. An
    example that is apart from others that were named with it is none of them.
    """
    if selector.only or selector.kind == "example":
        ids = selector.only or selector.values
        return [(ID, example) for example in ids if example not in selector.without]
    return named_values(selector)


def named_values(selector: Selector) -> list[tuple[str, str]]:
    """What a selector names, as (kind, value), whichever of its examples it is about."""
    before = "" if selector.column is None else f"{selector.column}\0"
    return [(KIND_OF[selector.kind], before + value) for value in selector.values]


def tokens_of(row: Mapping[str, str]) -> list[tuple[str, str]]:
    """What is listed of a row, as (kind, value), by what it is known by: personal data.

    row: `example`, `image` (its SHA-256), `subject`, `class`, and `where` with a column behind it.
    """
    return [_of_row(name, value) for name, value in row.items()]


def ids_of(row: Mapping[str, str]) -> list[tuple[str, str]]:
    """The ids among these, which may be written another way."""
    return [_of_row(name, row[name]) for name in ("example", "subject")]


def _of_row(name: str, value: str) -> tuple[str, str]:
    kind, separator, column = name.partition("\0")
    before = f"{column}\0" if separator else ""
    return IMAGE if kind == IMAGE else KIND_OF[kind], before + value


def subject_values(subjects: Iterable[str]) -> list[tuple[str, str]]:
    """What is listed of people of whom nothing is left, as (kind, value): personal data."""
    return [(KIND_OF["subject"], subject) for subject in subjects]


def looks(values: Iterable[tuple[str, str]], look: Look) -> list[tuple[str, str]]:
    """What is listed beside (kind, value) pairs, so that another spelling is found: their looks.

    A text that is its own look needs no such line, and bytes have none.
    """
    texts = [(kind, text, folded(text, look)) for kind, text in values if kind != IMAGE]
    return [(kind + LOOK, plain) for kind, text, plain in texts if plain != text]


def folded(text: str, look: Look) -> str:
    """Fold a value; of an attribute the column stays as it is."""
    column, separator, value = text.rpartition("\0")
    return column + separator + look(value)
