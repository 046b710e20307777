"""The examples leave the data version: its shards are rewritten without them."""

from __future__ import annotations

from typing import Any

from ledger.replay.purged import HARD_LINKED
from systems.copies import Copy, as_records
from systems.data import erasing, index
from systems.data.columns import EXAMPLE
from systems.data.linked import linked
from tasks.connectors.owing import owe
from tasks.erasing.derived import foresee, other_names
from tasks.replaying.retained import foretell, keep, strike
from tasks.running.run import Run
from unlearning.digests import sha256_file


def erase_examples(run: Run) -> dict[str, Any]:
    """Rewrite the shards without the examples and push the new data version.

    Before the first file goes it is noted what connectors are to be asked for, which files have
    other names on the disk, what was made of the data and goes with them, and what will be left of
    the lists of what earlier runs learned from.
    """
    owe(run)
    if run.done("erased") is None and run.done(HARD_LINKED) is None and (found := _linked(run)):
        run.once(HARD_LINKED, lambda: {"copies": as_records(found)})
    foresee(run)
    foretell(run)
    return run.once("erased", lambda: _erase(run))


def _linked(run: Run) -> list[Copy]:
    shards = index.load(run.at.ws).shards(EXAMPLE, run.all_ids())
    return [*linked(run.at.ws, shards), *other_names(run)]


def _erase(run: Run) -> dict[str, Any]:
    ids = run.all_ids()
    keep(run)
    erasure = erasing.erase(run.at.ws, ids)
    strike(run.at, ids)
    return {
        "old_version": erasure.old_version,
        "new_version": erasure.new_version,
        "manifest": sha256_file(run.at.ws.manifest),
        "replaced": list(erasure.replaced),
        "shards": None if erasure.shards is None else list(erasure.shards),
    }
