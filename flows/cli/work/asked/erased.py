"""Whoever is on a suppression list that `init` takes along, among what is offered to it."""

from __future__ import annotations

from dataclasses import replace

from ledger.suppression import Suppression
from systems.data import loading
from systems.data.adding import without
from systems.data.columns import IMAGE, SUBJECT
from systems.data.gathering import Gathered
from tasks.data.alike import Decided, Listed, asked, listed
from unlearning.errors import UsageError


def without_erased(
    known: Suppression, offered: Gathered, decided: Decided, most: int, *, as_written: bool
) -> tuple[Gathered, Listed]:
    """Leave out who is listed, by example, bytes or person, and who is decided.

    UsageError where others look like erased ones and nobody has decided. as_written: their ids are
    meant. most: bits by which pictures that look alike may differ.
    """
    found = listed(known, _rows(offered), offered.table[IMAGE].to_pylist(), most)
    if as_written:
        found = replace(found, ids=())
    if found.alike and not decided.said:
        names = [f"{number} of {name}" for name, number in offered.places]
        raise UsageError(f"init: {asked(found, offered.table.num_rows, names)}")
    return replace(offered, table=without(offered.table, found.leaving(decided))), found


def _rows(offered: Gathered) -> list[dict[str, str]]:
    subjects = offered.table[SUBJECT].to_pylist()
    pairs = zip(loading.image_digests(offered.table), subjects, strict=True)
    return [{"example": one, "image": image, "subject": who} for (one, image), who in pairs]
