"""Text that people typed, above all ids and labels: one rule for all of it, wherever it comes from.

Text is taken exactly as written. Two texts that differ and yet look alike may be one person, or
one class, typed twice: that is for the user to say, so it is shown and never guessed at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import reduce

KINDS = "blanks, case, Unicode form or the writing of a number"
_NUMBER = re.compile(r"([+-]?)0*([0-9]+?)(?:\.0*)?")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NUMERIC = re.compile(r"[+-]?[0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?")
_MISSING = frozenset({"", "nan", "na", "n/a", "<na>", "none", "null", "nil", "nat"})


def _without_blanks(text: str) -> str:
    return " ".join(text.split())


def _composed(text: str) -> str:
    """One Unicode form, without characters that nobody sees."""
    if text.isascii():
        return text
    seen = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", "".join(seen))


def _plain_number(text: str) -> str:
    number = _NUMBER.fullmatch(text)
    return "".join(number.groups()).removeprefix("+") if number else text


_STEPS: dict[str, Callable[[str], str]] = {
    "Unicode form": _composed,
    "blanks": _without_blanks,
    "case": lambda text: _composed(text.casefold()),
    "the writing of a number": _plain_number,
}


def look(text: str) -> str:
    """Fold a text to what a reader takes it for; texts with one look are look-alikes.

    Blanks around and repeated ones, case, Unicode form, characters that nobody sees and the
    writing of a whole number (`01`, `+1`, `1.0`) make no difference.
    """
    return reduce(lambda folded, step: step(folded), _STEPS.values(), text)


def difference(one: str, other: str) -> str:
    """Name in what two look-alikes differ."""
    alone = (name for name, step in _STEPS.items() if step(one) == step(other))
    return next(alone, KINDS)


def first_alike(texts: Sequence[str]) -> tuple[int, int] | None:
    """Find the first text that differs from an earlier one and looks like it.

    Gives the positions (earlier, later), both of the first time that the text occurs.
    """
    first: dict[str, int] = {}
    for at, text in enumerate(texts):
        first.setdefault(text, at)
    by_look: dict[str, int] = {}
    for text, at in first.items():
        if (earlier := by_look.setdefault(look(text), at)) != at:
            return earlier, at
    return None


def whole_numbers(texts: Iterable[str]) -> bool:
    """Whether all are whole numbers in the one way that they are usually written: 7, not 07."""
    return all(_WHOLE.fullmatch(text) for text in texts)


def missing_among_numbers(texts: Iterable[str]) -> str | None:
    """Give the text that stands for a missing value if all others are numbers."""
    distinct = dict.fromkeys(texts)
    missing = next(filter(means_missing, distinct), None)
    others = (look(text) for text in distinct if not means_missing(text))
    return missing if all(_NUMERIC.fullmatch(text) for text in others) else None


def means_missing(text: str) -> bool:
    """Whether a text is what tables write where there is no value: nan, NA, None, null..."""
    return look(text) in _MISSING
