"""Which released retrainings are drawn to be done again, by a key that nobody chose before them.

A run is drawn if the digest of the key and of its sealed statement, as a fraction, is below the
share. So a draw can be reckoned again by anybody who has the log. The key is of what a witness has
put down, whom the operator cannot make draw again; or, for want of one, of the log's own end.

Whoever knows a key before he makes a run can make one that it does not draw. So a witness names
what he puts down by the newest checkpoint that he has then, and it draws as the log stood there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ledger.chain import Entry
from ledger.replay.statements import SEALED
from unlearning.digests import sha256_hex

DRAWN, REPLAYED = "replay_drawn", "replayed"
"""Events of the log: runs were drawn; what came of doing one again."""

BY_LOG = "log"
"""In place of a witness's name: the key is the hash of the entry before the draw's own."""

REPRODUCED, DISTANCE, MISMATCH, IMPOSSIBLE = ("reproduced", "distance", "mismatch", "impossible")
"""What may come of it: the same bits, on another profile only a distance, others, nothing."""

PROVED = "A3"

_CHECKPOINT = re.compile(r"draws/(\d{12})(?!\d)")
"""How the name of a draw at a witness begins that names a checkpoint, as that is named there."""


_FIELDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    DRAWN: {
        **{"key": (str,), "from": (str,), "name": (str, type(None))},
        **{"share": (int, float), "runs": (list,)},
    },
    REPLAYED: {"run": (str,), "outcome": (str,)},
}
"""What an entry of each kind says, and of which types; whatever is of others says nothing."""


def is_draw(entry: Entry) -> bool:
    """Say whether an entry tells of a draw, by fields of the types that draws have."""
    return entry.event == DRAWN and _formed(entry)


def _formed(entry: Entry) -> bool:
    fields = _FIELDS[entry.event]
    return all(isinstance(entry.body.get(name, ...), kinds) for name, kinds in fields.items())


def waiting(entries: Sequence[Entry], source: str) -> dict[str, str]:
    """Give the released exact runs that a draw after these entries may draw, with statements.

    None that was reproduced: any other outcome is easy to bring about. By the log only those since
    the draw before, so that none has two chances.
    """
    done = {run for run, outcome in _settled(entries).items() if outcome == REPRODUCED}
    last = max((e.seq for e in entries if is_draw(e)), default=0)
    exact = {e.key.removesuffix("/decided") for e in entries if _exact(e)}
    found = {}
    for entry in entries:
        run, _, step = entry.key.rpartition("/")
        new = source != BY_LOG or entry.seq > last
        if entry.event == "step" and step == SEALED and run in exact - done and new:
            found[run] = str(entry.body["statement"])
    return found


def checkpoint_of(name: object) -> int | None:
    """Give the number of the entry whose checkpoint a draw's name tells; None if it tells none."""
    found = _CHECKPOINT.match(str(name))
    return int(found[1]) if found else None


def known_to(name: object, entries: Sequence[Entry]) -> Sequence[Entry]:
    """Give the entries that a draw by this name is over: all of them, if it names no checkpoint."""
    return entries[: checkpoint_of(name)]


def drawn(key: str, share: float, runs: dict[str, str]) -> list[str]:
    """Draw runs, given with the digests of their statements; key: 64 hexadecimal characters."""
    return sorted(run for run, statement in runs.items() if _fraction(key, statement) < share)


def owed(entries: Sequence[Entry]) -> dict[str, int]:
    """Give the drawn runs that are to be replayed, with the number of their last draw's entry.

    Those that were neither reproduced since nor found to be others: what was impossible, or gave
    only a distance, is still owed.
    """
    found: dict[str, int] = {}
    for draw in (e for e in entries if is_draw(e)):
        since = _settled(entries[draw.seq :])
        found |= {str(run): draw.seq for run in draw.body["runs"] if run not in since}
    return found


def last(entries: Sequence[Entry], run: str) -> Mapping[str, Any]:
    """Give what came of a run's last replay, empty where there was none."""
    found = (e.body for e in reversed(entries) if e.event == REPLAYED and e.body.get("run") == run)
    return next(found, {})


def witnessed(entries: Sequence[Entry]) -> bool:
    """Say whether a witness has ever drawn: from then on the log alone draws nobody."""
    return any(is_draw(e) and e.body["from"] != BY_LOG for e in entries)


def objections(entries: Sequence[Entry]) -> Iterator[str]:
    """Draws that the log itself gives the lie to, one line each; entries: the whole log."""
    for entry in entries:
        if is_draw(entry):
            yield from _false(entry, entries[: entry.seq - 1])
        elif entry.event in _FIELDS and not _formed(entry):
            named = ", ".join(_FIELDS[entry.event])
            yield f"log: entry {entry.seq}, {entry.event}: expected {named}, each of its type"


def unlike(entries: Sequence[Entry], witness: str, keys: Mapping[str, str]) -> Iterator[str]:
    """Draws that the log says a witness asked for, and it did not; keys: by name, as it has them.

    witness: its name in the log.
    """
    for entry in entries:
        named = is_draw(entry) and entry.body["from"] == witness
        if named and keys.get(str(entry.body["name"])) != entry.body["key"]:
            yield f"witness: has no {entry.body['name']} of the key by which entry {entry.seq} drew"


def counted(
    entries: Sequence[Entry], witness: str, keys: Mapping[str, str], given: Collection[int]
) -> str:
    """Say in words how many draws a witness asked for, and how far they were carried out.

    given: the numbers of the entries whose checkpoints it has.
    """
    mine = [e for e in entries if is_draw(e) and e.body["from"] == witness]
    since = ((e.body["runs"], _settled(entries[e.seq :])) for e in mine)
    without = sum(settled.get(run) != REPRODUCED for runs, settled in since for run in runs)
    told = f"{len(keys)} draws asked for, {len(mine)} drawn, {without} runs of them not reproduced"
    loose = sum(checkpoint_of(name) not in given for name in keys)
    return f"{told}, {loose} of the draws without a checkpoint: {_LOOSE}" if loose else told


def failed(entries: Sequence[Entry]) -> list[str]:
    """Give the runs of which a replay gave other weights, and none since the same."""
    return sorted(run for run, outcome in _settled(entries).items() if outcome == MISMATCH)


def _settled(entries: Iterable[Entry]) -> dict[str, str]:
    """Give the runs of which a replay told whether they are true, with the last that did."""
    told = (e.body for e in entries if e.event == REPLAYED and _formed(e))
    return {str(b["run"]): b["outcome"] for b in told if b["outcome"] in (REPRODUCED, MISMATCH)}


_LOOSE = "whoever made a run after that may have known the key"


def _false(draw: Entry, before: Sequence[Entry]) -> Iterator[str]:
    body = draw.body
    same = (body["from"], body["name"])
    again = any((e.body["from"], e.body["name"]) == same for e in before if is_draw(e))
    if body["from"] != BY_LOG and again:
        yield f"log: entry {draw.seq} drew by {body['name']} again, expected it to draw once"
    if body["from"] == BY_LOG and body["key"] != draw.previous:
        yield f"log: entry {draw.seq} drew by a key of its own, expected the hash before it"
    if body["from"] == BY_LOG and witnessed(before):
        yield f"log: entry {draw.seq} drew by the log's key, expected a witness's, as one before it"
    over = waiting(known_to(body["name"], before), str(body["from"]))
    runs = drawn(str(body["key"]), float(body["share"]), over)
    if runs != body["runs"]:
        yield f"log: entry {draw.seq} drew {len(body['runs'])} runs, its key draws {len(runs)}"


def _exact(entry: Entry) -> bool:
    released = entry.body.get("decision") == "released" and entry.body.get("assurance") == PROVED
    return entry.event == "step" and entry.key.endswith("/decided") and released


def _fraction(key: str, statement: str) -> float:
    return int(sha256_hex(f"{key}/{statement}".encode()), 16) / 2**256
