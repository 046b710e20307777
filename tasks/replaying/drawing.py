"""Drawing released retrainings to be done again, and doing it: each outcome is logged.

A key comes from a witness, where whoever keeps it has put objects below draws/, each of which draws
once; where no witness ever did, from the log.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from ledger.checkpoint import name_of
from ledger.errors import UnknownReference
from ledger.keys import load_public_keys
from ledger.replay.bundles import read_bundle
from ledger.replay.draws import BY_LOG, DRAWN, REPLAYED, drawn, owed, waiting
from systems.settings.service import load_service
from tasks.replaying.again import Replay, replayed
from tasks.replaying.shares import share_in_force
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.witness import bring_up_to_date, draws_of
from unlearning.errors import IntegrityError


def replay_drawn(at: Opened) -> dict[str, Any]:
    """Draw, and replay what is owed; IntegrityError names the first that went wrong.

    Every outcome is in the log by then.
    """
    for key, source, name in list(_keys(at)):
        _draw(at, key, source, name)
    entries = at.ledger.log.entries()
    made = [_replay(at, run, seq) for seq, run in owed(entries)]
    bring_up_to_date(at)
    return _told(made)


def replay_one(at: Opened, run: str) -> dict[str, Any]:
    """Replay a run that somebody names; errors as in `replay_drawn`."""
    if at.ledger.log.find(f"{run}/sealed") is None:
        raise UnknownReference(
            f"run {run}: has no sealed evidence, expected one that has: `lethe list requests`, "
            "then `lethe show REQUEST`"
        )
    return _told([_replay(at, run, None)])


def _told(made: Sequence[Replay]) -> dict[str, Any]:
    for one in made:
        if one.problem:
            raise IntegrityError(one.problem)
    return {"replayed": [one.as_record() for one in made]}


def _keys(at: Opened) -> Iterator[tuple[str, str, str | None]]:
    """Give what is to be drawn by: a key, from whom, and its name there."""
    entries = at.ledger.log.entries()
    known = {(e.body["from"], e.body["name"]) for e in entries if e.event == DRAWN}
    given = False
    for url in load_service(at.ws.root).witness.at:
        source = name_of(url)
        for name, key in draws_of(url).items():
            given = True
            if (source, name) not in known:
                yield key, source, name
    if not given and waiting(entries, BY_LOG):
        yield at.ledger.log.head, BY_LOG, None


def _draw(at: Opened, key: str, source: str, name: str | None) -> None:
    log = at.ledger.log
    share, runs = share_in_force(at.ws, log.entries()), waiting(log.entries(), source)
    if share is None:
        raise IntegrityError(
            "policy: the one in force is not in records/policies, expected it there for the share "
            "that it draws: restore it from your backup"
        )
    body = {
        **{"key": key, "from": source, "name": name, "share": share},
        **{"of": len(runs), "runs": drawn(key, share, runs)},
    }
    at.ledger.record(DRAWN, body, key=log.next_key("replay-draw"), now=utc_now())


def _replay(at: Opened, run: str, draw: int | None) -> Replay:
    began = time.monotonic()
    bundle = read_bundle(at.ws.evidence / run, load_public_keys(at.ws.public_key))
    if not bundle.verification.ok:
        raise IntegrityError(
            f"replay of {run}: {bundle.verification.problems[0]}: restore evidence/ from a backup"
        )
    found = replayed(at, bundle.first.statement)
    seconds = round(time.monotonic() - began, 1)
    body = {**found.as_record(), "draw": draw, "seconds": seconds}
    at.ledger.record(REPLAYED, body, key=at.ledger.log.next_key(f"{run}/replayed"), now=utc_now())
    return found
