"""Hand evidence and the log's head to the witnesses, where the workspace's owner cannot reach.

Before a release its evidence lies there, and after the erasure what was attested. What a witness
has it keeps, so this may be done again at any time, and brings it up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ledger import checkpoint, durable
from ledger.checkpoint import Checkpoint
from ledger.evidence import LATER, SIGNATURE
from ledger.keyring import Keyring
from ledger.keys import load_signing_key
from ledger.replay.beside import STATEMENTS
from systems.settings.service import load_service
from systems.witness.places import Witness, witness_at
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from unlearning.digests import sha256_hex

EVIDENCE, CHECKPOINTS = "evidence", "checkpoints"
WITNESSED = "witnessed"
"""Event of the log: a witness was given what it lacked; names it by the digest of its address."""


def witness_run(run: Run) -> None:
    """Do so in a run, before its release."""
    bring_up_to_date(run.at)


def bring_up_to_date(at: Opened) -> list[dict[str, Any]]:
    """Give every witness what it lacks; say of each how much that was.

    InfrastructureError if one does not answer: nothing is released that it was to see before.
    """
    settings = load_service(at.ws.root).witness
    return [_bring(at, url, settings.days) for url in settings.at]


def _bring(at: Opened, url: str, days: int | None) -> dict[str, Any]:
    place = witness_at(url)
    until = utc_now() + timedelta(days=days) if days and place.locked() else None
    known = frozenset(place.keys(f"{EVIDENCE}/"))
    parts = [part for part in _sealed(at) if _key(at, part / SIGNATURE) not in known]
    given = sum(_give(at, place, part, until) for part in parts)
    told = {"witness": sha256_hex(url.encode())[:16], "given": given, "locked": until is not None}
    if given:
        key = at.ledger.log.next_key(f"{WITNESSED}")
        at.ledger.record(WITNESSED, told, key=key, now=utc_now())
    _give_head(at, place, until)
    return told


def _sealed(at: Opened) -> Iterator[Path]:
    """Give the folder of every sealed statement; what is not sealed yet is nobody's to see."""
    for entry in at.ledger.log.entries():
        run, _, step = entry.key.rpartition("/")
        if entry.event == "step" and step in STATEMENTS:
            yield at.ws.evidence / run / STATEMENTS[step]


def _give(at: Opened, place: Witness, part: Path, until: datetime | None) -> int:
    """Give a statement's files, its signature last: where that lies, all lie."""
    inner = {part / name for name in LATER}
    files = [p for p in sorted(part.rglob("*")) if p.is_file() and inner.isdisjoint(p.parents)]
    files.sort(key=lambda path: path.name == SIGNATURE)
    return sum(place.give(_key(at, path), durable.read(path), until) for path in files)


def _key(at: Opened, path: Path) -> str:
    return f"{EVIDENCE}/{path.relative_to(at.ws.evidence).as_posix()}"


def _give_head(at: Opened, place: Witness, until: datetime | None) -> None:
    last = at.ledger.log.entries()[-1]
    content = checkpoint.signed(checkpoint.of_entry(last), load_signing_key(at.ws.keys))
    place.give(f"{CHECKPOINTS}/{last.seq:012d}.json", content, until)


def seen(url: str, ring: Keyring) -> list[Checkpoint]:
    """Read every checkpoint that a witness has; IntegrityError for one that is not genuine."""
    place = witness_at(url)
    return [checkpoint.checked(place.read(key), ring) for key in place.keys(f"{CHECKPOINTS}/")]
