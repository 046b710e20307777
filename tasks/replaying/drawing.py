"""Drawing released retrainings to be done again, and doing it: each outcome is logged.

A key comes from a witness, where whoever keeps it has put objects below draws/, each of which draws
once; where no witness ever did, from the log.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger.checkpoint import name_of
from ledger.errors import UnknownReference
from ledger.keys import load_public_keys
from ledger.replay.bundles import read_bundle
from ledger.replay.draws import (
    BY_LOG,
    DISTANCE,
    DRAWN,
    IMPOSSIBLE,
    REPLAYED,
    drawn,
    is_draw,
    known_to,
    last,
    owed,
    waiting,
    witnessed,
)
from systems.settings.mailing import is_mailbox
from systems.settings.service import load_service
from systems.witness.places import witness_at
from tasks.replaying.again import Replay, elsewhere, replayed
from tasks.replaying.shares import share_in_force
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.witness import bring_up_to_date, draws_of
from unlearning.errors import InfrastructureError, IntegrityError


def replay_drawn(at: Opened) -> dict[str, Any]:
    """Draw, and replay what is owed; IntegrityError names the first that went wrong.

    Every outcome is in the log by then.
    """
    for key, source, name in list(_keys(at)):
        _draw(at, key, source, name)
    entries = at.ledger.log.entries()
    made = [_tried(at, run, seq, last(entries, run)) for run, seq in owed(entries).items()]
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
    known = {(e.body["from"], e.body["name"]) for e in entries if is_draw(e)}
    given = False
    # Nobody can put anything into a mailbox where Lethe would read it.
    for url in (url for url in load_service(at.ws.root).witness.at if not is_mailbox(url)):
        source = name_of(url)
        for name, key in draws_of(witness_at(url)).items():
            given = True
            if (source, name) not in known:
                yield key, source, name
    if not given and witnessed(entries):
        raise InfrastructureError(
            "replay: the witness that drew before has no draw now, expected those that the log "
            "tells of: mount it, or name it in service.yaml, then try again"
        )
    if not given and waiting(entries, BY_LOG):
        yield at.ledger.log.head, BY_LOG, None


def _draw(at: Opened, key: str, source: str, name: str | None) -> None:
    log = at.ledger.log
    entries = known_to(name, log.entries())
    share, runs = share_in_force(at.ws, entries), waiting(entries, source)
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


def _tried(at: Opened, run: str, draw: int, before: Mapping[str, Any]) -> Replay:
    """Replay a run that is owed, but train nothing where again only a distance could be told."""
    if before.get("outcome") == DISTANCE and not elsewhere(before.get("differs", {})):
        return Replay(run, DISTANCE, before["why"], differs=before.get("differs"))
    return _replay(at, run, draw)


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
    if not _said(body, last(at.ledger.log.entries(), run)):
        key = at.ledger.log.next_key(f"{run}/replayed")
        at.ledger.record(REPLAYED, body, key=key, now=utc_now())
    return found


def _said(body: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Say whether the log has it that this is impossible, for this reason and draw."""
    same = all(body.get(name) == before.get(name) for name in ("outcome", "why", "draw"))
    return body["outcome"] == IMPOSSIBLE and same
