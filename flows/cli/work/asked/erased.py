"""Whoever is on a suppression list that `init` takes along, among what is offered to it."""

from __future__ import annotations

from dataclasses import replace

from ledger import suppression
from ledger.suppression import Suppression
from systems.data import loading
from systems.data.adding import without
from systems.data.columns import SUBJECT
from systems.data.gathering import Gathered
from systems.data.texts import KINDS, look
from unlearning.errors import UsageError


def without_erased(listed: Suppression, offered: Gathered) -> tuple[Gathered, int]:
    """Leave out who is listed, by example, bytes or person, and count them."""
    out = [number for number, row in enumerate(_rows(offered)) if _lists(listed, row)]
    return replace(offered, table=without(offered.table, frozenset(out))), len(out)


def refuse_alike(listed: Suppression, offered: Gathered) -> None:
    """Refuse data whose ids look like erased ones: these may be the same, written another way."""
    others = [row for row in _rows(offered) if not _lists(listed, row)]
    alike = sum(bool(listed.alike(suppression.ids_of(row), look)) for row in others)
    if alike:
        raise UsageError(
            f"init: for {alike} of {offered.table.num_rows} examples the suppression list has an "
            f"erased id that differs only by {KINDS}, expected erased ids written as they were, so "
            "that they are left out; nothing was kept: write them so, or say --as-written if "
            "others are meant"
        )


def _lists(listed: Suppression, row: dict[str, str]) -> bool:
    return any(listed.lists(value) for value in suppression.tokens_of(row))


def _rows(offered: Gathered) -> list[dict[str, str]]:
    subjects = offered.table[SUBJECT].to_pylist()
    pairs = zip(loading.image_digests(offered.table), subjects, strict=True)
    return [{"example": one, "image": image, "subject": who} for (one, image), who in pairs]
