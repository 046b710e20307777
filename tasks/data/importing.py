"""New examples come in, without those who were erased; model, params and bank stay as they are.

Who is listed is left out and counted: by the id of an example, its bytes, its person, its class or
an attribute. Whose id only looks like a listed one may be another: that is for a person to say.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger import suppression
from ledger.domain import require_reason
from ledger.keys import shard_key
from ledger.suppression import Suppression
from systems.data import growing, loading
from systems.data.adding import Offered, offered, values_of, without
from systems.data.columns import SPLIT
from systems.data.sources import Columns
from systems.data.texts import KINDS, look
from tasks.running.growth import IMPORTED
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.domain import SPLITS
from unlearning.errors import UsageError

_SHOWN = 8
"""Rows and runs that a line names; the rest are counted."""


@dataclass(frozen=True)
class Listed:
    """What the suppression list says of a table: rows left out, and rows whose ids look erased.

    runs: those that erased what the latter look like.
    """

    out: frozenset[int]
    alike: tuple[int, ...]
    runs: tuple[str, ...]


def take_in(
    at: Opened, path: Path, columns: Columns, *, as_written: bool, accepted: str | None
) -> dict[str, Any]:
    """Add a source's examples to the data, all or none of them; say who was left out.

    accepted: why rows whose ids look like erased ones are others; logged, so it names nobody.
    UsageError for such rows without it, and for a source that does not fit.
    """
    if accepted is not None:
        require_reason(accepted, "why ids that look like erased ones are others'")
    key, holdout = shard_key(at.ws.keys), at.params.data.holdout_fraction
    found = offered(at.ws, path, columns, key=key, holdout=holdout, as_written=as_written)
    listed = _listed(suppression.load(at.ws.records, at.ws.keys), found)
    if listed.alike and accepted is None:
        raise UsageError(_asked(listed, found))
    table = without(found.table, listed.out)
    if not table.num_rows:
        raise UsageError(
            f"{found.name}: all {found.table.num_rows} rows are on the suppression list, expected "
            "some that are not: nothing was taken in"
        )
    plan = growing.prepare(at.ws, table, key)
    splits = table[SPLIT].to_pylist()
    body = {
        "before": plan.before,
        "data_version": plan.after,
        "added": {split: splits.count(split) for split in SPLITS if split in splits},
        "left_out": len(listed.out),
        "alike": len(listed.alike),
        "reason": accepted if listed.alike else None,
    }
    at.ledger.record(IMPORTED, body, key=f"import-{secrets.token_hex(6)}/{IMPORTED}", now=utc_now())
    growing.carry(at.ws)
    return {**body, "examples": loading.counts(at.ws), "notes": [*found.notes, *_notes(at, listed)]}


def _listed(known: Suppression, found: Offered) -> Listed:
    out, alike, runs = set(), [], set()
    for row, values in enumerate(values_of(found.table, found.dataset)):
        tokens = [*suppression.tokens_of(values)]
        if any(known.lists(value) for value in tokens):
            out.add(row)
        elif like := known.alike(suppression.ids_of(values), look):
            alike.append(row)
            runs |= {run for value in like if (run := known.looks_like(value, look))}
    return Listed(frozenset(out), tuple(alike), tuple(sorted(runs)))


def _asked(listed: Listed, found: Offered) -> str:
    more = f" and {len(listed.alike) - _SHOWN} more" if len(listed.alike) > _SHOWN else ""
    rows = ", ".join(map(str, listed.alike[:_SHOWN]))
    return (
        f"{found.name}: {len(listed.alike)} of {found.table.num_rows} rows (rows {rows}{more}) "
        f"have an id that differs only by {KINDS} from one that was erased (by "
        f"{', '.join(listed.runs[:_SHOWN])}), expected erased ids written as they were, so that "
        "they are left out: write them so, or say --accept-alike with a --reason if others are "
        "meant; nothing was taken in"
    )


def _notes(at: Opened, listed: Listed) -> list[str]:
    notes = ["the champion has not learned from what came in, and params stay as they are"]
    if listed.out:
        notes.append(f"{len(listed.out)} rows are on the suppression list and were left out")
    if at.ws.bank.is_dir() and any(at.ws.bank.iterdir()):
        notes.append(
            "the shadow bank has no columns of what came in: the next run builds it anew, or "
            "`lethe train --shadows K` does so now"
        )
    return notes
