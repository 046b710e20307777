"""New examples come in, without those who were erased; model, params and bank stay as they are.

Who is listed is left out and counted: by the id of an example, its bytes, its person, its class or
an attribute. Who only looks like a listed one, by an id or a picture, may be another: that is for a
person to say (`tasks.data.alike`).
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pyarrow as pa

from ledger import suppression
from ledger.keys import shard_key
from systems.data import growing, loading
from systems.data.adding import Offered, offered, values_of, without
from systems.data.columns import IMAGE, SPLIT
from systems.data.sources import Columns
from tasks.data.alike import NOBODY, Decided, Listed, asked, listed, notes
from tasks.running.growth import IMPORTED
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.domain import SPLITS
from unlearning.errors import UsageError


def take_in(
    at: Opened, path: Path, columns: Columns, *, as_written: bool, decided: Decided = NOBODY
) -> dict[str, Any]:
    """Add a source's examples to the data, all or none of them; say who was left out.

    decided: what becomes of rows that look like erased ones. UsageError for such rows without it,
    and for a source that does not fit.
    """
    key, settings = shard_key(at.ws.keys), at.params.data
    fraction = settings.holdout_fraction
    found = offered(at.ws, path, columns, key=key, holdout=fraction, as_written=as_written)
    known = suppression.load(at.ws.records, at.ws.keys)
    rows = [*values_of(found.table, found.dataset)]
    seen = listed(known, rows, found.table[IMAGE].to_pylist(), settings.alike_bits)
    if seen.alike and not decided.said:
        raise UsageError(f"{found.name}: {asked(seen, len(rows))}")
    table = _staying(found, seen, decided)
    plan = growing.prepare(at.ws, table, key)
    splits = table[SPLIT].to_pylist()
    body = {
        "before": plan.before,
        "data_version": plan.after,
        "added": {split: splits.count(split) for split in SPLITS if split in splits},
        "left_out": len(seen.out),
        **seen.noted(decided),
    }
    at.ledger.record(IMPORTED, body, key=f"import-{secrets.token_hex(6)}/{IMPORTED}", now=utc_now())
    growing.carry(at.ws)
    said = [*found.notes, *_notes(at), *notes(known, seen, decided)]
    return {**body, "examples": loading.counts(at.ws), "notes": said}


def _staying(found: Offered, seen: Listed, decided: Decided) -> pa.Table:
    """Leave out who is listed, and who is decided; UsageError where nobody is left."""
    table = without(found.table, seen.leaving(decided))
    if not table.num_rows:
        raise UsageError(
            f"{found.name}: all {found.table.num_rows} rows are on the suppression list, or left "
            "out since they look like erased ones, expected some that are not: nothing was taken in"
        )
    return table


def _notes(at: Opened) -> list[str]:
    notes = ["the champion has not learned from what came in, and params stay as they are"]
    if at.ws.bank.is_dir() and any(at.ws.bank.iterdir()):
        notes.append(
            "the shadow bank has no columns of what came in: the next run builds it anew, or "
            "`lethe train --shadows K` does so now"
        )
    return notes
