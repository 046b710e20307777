"""Rows that look like erased ones, by an id or a picture: a person says what becomes of them.

Nothing of them is dropped in silence, and nothing comes in: either others are meant, for a reason
that the log keeps, or they are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import suppression
from ledger.domain import require_reason
from ledger.suppression import Suppression
from systems.data.alike.hashing import hashes
from systems.data.alike.nearness import alike
from systems.data.texts import KINDS, look
from unlearning.counting import numbered

ALIKE = "alike_decided"
"""The log's entry on what was decided, where none of the command's own has it."""

SHOWN = 8
"""Rows and runs that a line names; the rest are counted."""

OPTIONS = (
    "--leave-out-alike to leave them out, or --accept-alike with a --reason if others are meant"
)


@dataclass(frozen=True)
class Decided:
    """What somebody says of rows that look like erased ones; neither, and he is asked.

    accepted: why they are others; logged, so it names nobody. leave_out: they stay out.
    """

    accepted: str | None = None
    leave_out: bool = False

    def __post_init__(self) -> None:
        """Refuse a reason that says nothing."""
        if self.accepted is not None:
            require_reason(self.accepted, "why what looks like erased ones are others'")

    @property
    def said(self) -> bool:
        """Whether anything was decided."""
        return self.leave_out or self.accepted is not None


NOBODY = Decided()
"""Nobody has said anything."""


@dataclass(frozen=True)
class Listed:
    """What the suppression list says of rows, by their numbers.

    out: erased. ids, pictures: those of the others that look like erased ones. runs: which erased
    what these look like. plain: how many of the others show a picture that has no likeness.
    """

    out: frozenset[int]
    ids: tuple[int, ...]
    pictures: tuple[int, ...]
    runs: tuple[str, ...]
    plain: int = 0

    @property
    def alike(self) -> frozenset[int]:
        """All that look like erased ones."""
        return frozenset((*self.ids, *self.pictures))

    def leaving(self, decided: Decided) -> frozenset[int]:
        """The rows that are left out."""
        return self.out | self.alike if decided.leave_out else self.out

    def noted(self, decided: Decided) -> dict[str, Any]:
        """What the log keeps of it."""
        return {
            "alike": len(self.alike),
            "pictures_alike": len(self.pictures),
            "pictures_plain": self.plain,
            "alike_left_out": len(self.alike) if decided.leave_out else 0,
            "reason": decided.accepted if self.alike else None,
        }


def listed(
    known: Suppression, rows: Sequence[Mapping[str, str]], images: Sequence[bytes], most: int
) -> Listed:
    """Look rows up, each by what `suppression.tokens_of` knows it by, and by its picture.

    most: bits of the likeness by which a picture may differ, at most.
    """
    out, ids, runs = set(), [], set()
    for number, values in enumerate(rows if known.tokens else ()):
        if any(known.lists(value) for value in suppression.tokens_of(values)):
            out.add(number)
        elif like := known.alike(suppression.ids_of(values), look):
            ids.append(number)
            runs |= {run for value in like if (run := known.looks_like(value, look))}
    others = [number for number in range(len(rows)) if number not in out]
    near, plain = pictures_alike(known, [images[number] for number in others], most)
    pictures = tuple(sorted({others[number] for number in near}))
    found = runs.union(*near.values())
    return Listed(frozenset(out), tuple(ids), pictures, tuple(sorted(found)), plain)


def pictures_alike(
    known: Suppression, images: Sequence[bytes], most: int
) -> tuple[dict[int, frozenset[str]], int]:
    """Give the numbers of pictures that look like erased ones, and the runs that erased those.

    Then how many are too plain to be compared.
    """
    likenesses = known.likenesses()
    if not likenesses:
        return {}, 0
    seen, there = hashes(images)
    runs, rows = [*likenesses.values()], there.nonzero()[0]
    found: dict[int, frozenset[str]] = {}
    for row, one in alike(seen[rows], [*likenesses], most):
        number = int(rows[row])
        found[number] = found.get(number, frozenset()) | {runs[one]}
    return found, len(images) - len(rows)


def asked(found: Listed, of: int, names: Sequence[str] | None = None) -> str:
    """Say in one line which rows look like erased ones, and what can be done.

    of: all rows. names: what to call each row; else its number.
    """
    parts = (
        (found.ids, f"have an id that differs only by {KINDS} from one that was erased"),
        (found.pictures, "show a picture that looks like one that was erased"),
    )
    told = " and ".join(f"{_counted(rows, of, names)} {what}" for rows, what in parts if rows)
    runs = ", ".join(found.runs[:SHOWN])
    more = f" and {len(found.runs) - SHOWN} more" if len(found.runs) > SHOWN else ""
    return (
        f"{told} (by {runs}{more}), expected rows of others, or erased ids written as they were: "
        f"look at them, then say {OPTIONS}; until then nothing is taken in"
    )


def _counted(rows: Sequence[int], of: int, names: Sequence[str] | None) -> str:
    shown = [str(row) if names is None else names[row] for row in rows[:SHOWN]]
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"{len(rows)} of {of} rows (rows {', '.join(shown)}{more})"


def notes(known: Suppression, found: Listed, decided: Decided) -> list[str]:
    """Say what was left out, and of whom the list could not say what he looks like."""
    said = []
    if found.out:
        one, many = (
            "row is on the suppression list and was",
            "rows are on the suppression list and were",
        )
        said.append(f"{numbered(len(found.out), one, many)} left out")
    if found.alike and decided.leave_out:
        one, many = "row looks like an erased one and was", "rows look like erased ones and were"
        said.append(f"{numbered(len(found.alike), one, many)} left out")
    if found.plain:
        said.append(
            f"of {found.plain} of the pictures it was not asked whether they look like erased "
            "ones: they are too plain to have a likeness"
        )
    return [*said, *unlike(known)]


def unlike(known: Suppression) -> list[str]:
    """Say of how many erased pictures the list knows no likeness, if of any."""
    erased, likenesses = known.pictures()
    if likenesses >= erased:
        return []
    return [
        f"the suppression list has a likeness of {likenesses} of {erased} erased pictures (others "
        "are too plain, look the same, or were erased before likenesses were kept): one without is "
        "not recognised once it is encoded anew"
    ]
