"""Before a request is complete everything is looked at again: what was purged may have come back.

A mirror, another clone's `dvc push` or a provider's undelete puts objects where they were, and the
days of grace are long. What is back goes again, and the log tells of it; what cannot go withholds
the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ledger.errors import OutsideWorkspace
from ledger.replay.purged import CHANGED, LOOKED_AGAIN, name_of, open_rows, rows_of
from systems.copies import Copy, Status, as_records
from systems.data import purging
from systems.data.remote.elsewhere import WHAT, Looked, purge_elsewhere
from tasks.connectors.asking import ask_gone
from tasks.erasing.derived import remove_again
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run

WHERE = "dvc remote"


def look_again(at: Opened, ref: str) -> list[Copy]:
    """Look into every place of a run once more, remove what is back, and log what was found.

    Gives what was back or cannot be asked: what is not `removed` withholds the end. Where nothing
    was, or all of it went again, the log says that all was looked into. InfrastructureError where
    the look itself fails: the same command looks again.
    """
    run = Run(at, ref)
    if run.done("erased") is None:
        return []
    at.ledger.log.require_alone()
    found = _told_back([*_in_data(run), *remove_again(run)])
    _log(run, found)
    found += elsewhere_again(at, [ref])
    if all(copy.gone for copy in found):
        found += ask_gone(run)
    if all(copy.gone for copy in found):
        lines = sum(1 for _ in rows_of(at.ledger.log.entries(), ref))
        body = {"run": ref, "objects": len(replaced(at)), "lines": lines}
        key = at.ledger.log.next_key(f"{ref}/looked-again")
        at.ledger.record(LOOKED_AGAIN, body, key=key, now=utc_now())
    return found


def _in_data(run: Run) -> list[Copy]:
    """What is back in data/, cache and remote; from a copied workspace nothing can be seen gone."""
    erased = run.done("erased") or {}
    try:
        keys, ours = frozenset(erased["replaced"]), run.has_erased()
        return purging.look_again(
            run.at.ws, keys, lambda ids: any(map(ours, ids)), erased.get("shards")
        )
    except OutsideWorkspace as problem:
        return [Copy(WHERE, "what was replaced", Status.REMAINS, f"not looked into: {problem}")]


def elsewhere_again(at: Opened, refs: Sequence[str]) -> list[Copy]:
    """Look into the remotes that are not ours, for some runs, and log what is other than told.

    Gives that, and those that hold an object still, as `remains`.
    """
    looked = purge_elsewhere(at.ws, replaced(at)) if refs else []
    still = [replace(one.copy, status=Status.REMAINS) for one in looked if one.left]
    return [row for ref in refs for row in _changed(Run(at, ref), looked)] + still


def _changed(run: Run, looked: Sequence[Looked]) -> list[Copy]:
    told = {name_of(row): row["status"] for row in rows_of(run.at.ledger.log.entries(), run.ref)}
    seen = [one for one in looked if not one.left]
    rows = [c for c in (one.copy for one in seen) if told.get(name_of(c.as_record())) != c.status]
    rows += _told_back([one.copy for one in seen if one.held])
    _log(run, rows)
    return rows


def unasked(at: Opened, ref: str) -> bool:
    """Whether a remote that is not ours could not be asked for a run, and nobody has looked."""
    return any(row["what"] == WHAT for row in open_rows(at.ledger.log.entries(), ref))


def replaced(at: Opened) -> frozenset[str]:
    """Give DVC's keys of all that erasures have ever replaced: they tell nothing of a person."""
    erased = (e for e in at.ledger.log.entries() if e.key.endswith("/erased"))
    return frozenset(key for entry in erased for key in entry.body["replaced"])


def _told_back(copies: Sequence[Copy]) -> list[Copy]:
    """Name what was back by when: an operator's word on what went before is none on this."""
    now = f"{utc_now():%Y-%m-%dT%H:%M:%S}"
    return [
        copy if copy.status is Status.REMAINS else replace(copy, what=f"{copy.what}, back on {now}")
        for copy in copies
    ]


def _log(run: Run, found: Sequence[Copy]) -> None:
    rows = [copy for copy in found if copy.status is not Status.REMAINS]
    if rows:
        key = run.at.ledger.log.next_key(f"{run.ref}/copies")
        body = {"run": run.ref, "copies": as_records(rows)}
        run.at.ledger.record(CHANGED, body, key=key, now=utc_now())
