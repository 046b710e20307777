"""What is known from after a backup was taken: whoever was erased since must not come back.

It is given by what survived (a workspace, its records/, a list or an exported log), and by the
witnesses. Each is held against the backup first: its log goes on from the backup's, its list lacks
no line of the backup's. Nobody is believed who shows another history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger import checkpoint, durable, keys, suppression
from ledger.backups import newest
from ledger.chain import Chain, Entry, read_chain
from ledger.domain import State
from ledger.errors import LogAltered
from ledger.keyring import Keyring
from ledger.lines import LOG
from ledger.replay.beside import STATING
from ledger.replay.lineage import TAINTED, origin, releases
from ledger.requests.splitting import PART_OF
from ledger.requests.verbs import Verb
from ledger.suppression import Suppression
from systems.archive.packing import Description
from systems.data import versions
from systems.settings.mailing import shown
from systems.settings.workspace import Workspace
from systems.witness.places import witness_at
from tasks import witness
from tasks.running.growth import IMPORTED
from unlearning.counting import numbered
from unlearning.digests import sha256_hex
from unlearning.errors import InfrastructureError, IntegrityError, UsageError


@dataclass(frozen=True)
class Backup:
    """What a backup itself has: its log, the keys that signed it, its suppression list."""

    chain: Chain
    ring: Keyring
    listed: Suppression

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Its log's entries."""
        return self.chain.entries


@dataclass(frozen=True)
class Known:
    """What was found out. listed: the backup's list and every newer one together.

    log: the newest log, the backup's own where no newer one was given. seen: how many entries the
    log had by whoever saw most of it. erased_by: runs known to have erased since. told: somebody
    who would know of later erasures was asked.
    """

    listed: Suppression
    log: tuple[Entry, ...]
    seen: int
    erased_by: frozenset[str] = frozenset()
    sources: tuple[str, ...] = ()
    told: bool = False


def backup_of(ws: Workspace) -> Backup:
    """Read what a backup has, where it lies open; LogAltered for a log that is not genuine."""
    ring = keys.load_public_keys(ws.public_key)
    chain = read_chain(durable.read(ws.log), ring)
    if chain.problem or not chain.entries:
        raise LogAltered(f"backup: {chain.problem or 'its log is empty'}: restore an earlier one")
    return Backup(chain, ring.with_keys(chain.keys), suppression.load(ws.records, ws.keys))


def require_described(described: Description, name: str, backup: Backup, ws: Workspace) -> None:
    """IntegrityError unless a backup is what is written beside it, in clear and unsigned.

    name: of its file. ws: where it lies open.
    """
    last = backup.entries[-1]
    inside = {
        "head": last.hash,
        "taken_at": last.at,
        "entries": len(backup.entries),
        "data_version": versions.data_version(ws) if ws.data_file.is_file() else "",
    }
    for field, got in inside.items():
        if (told := getattr(described, field)) != got:
            raise IntegrityError(
                f"{name}: {field} of its log is {str(got)[:12]}, expected {str(told)[:12]}, as is "
                "written beside it: take another copy of both"
            )


def known_since(backup: Backup, places: Sequence[Path], witnesses: Sequence[str]) -> Known:
    """Ask what survived and the witnesses; IntegrityError for another history, or an older list.

    IntegrityError too if somebody was erased since, as a log or a witness tells, and no list that
    was given has the lines of it.
    """
    found = Known(backup.listed, backup.entries, len(backup.entries))
    for place in places:
        found = _with_place(backup, found, place)
    for url in witnesses:
        found = _with_witness(backup, found, url)
    lacking = found.erased_by - frozenset(found.listed.tokens.values())
    if lacking:
        runs = numbered(len(lacking), "run", "runs")
        raise IntegrityError(
            f"restore: {runs} erased people since this backup was taken (first "
            f"{min(lacking)}), and no suppression list that was given has them: give the newest "
            "one with --newest, a surviving workspace, its records/ or its suppression.jsonl"
        )
    return found


def _with_place(backup: Backup, found: Known, place: Path) -> Known:
    log, listed = _files(place)
    if log:
        found = _with_log(backup, found, durable.read(log), log.name)
    if listed:
        content = durable.read(listed)
        _refuse_older(found.log, content, listed.name)
        found = _with_list(backup, found, content, listed.name)
    return found


def _files(place: Path) -> tuple[Path | None, Path | None]:
    """Give the log and the list at a place: a workspace, its records/, or one of the two files."""
    if place.is_file():
        is_log = durable.read(place).startswith(b'{"at":')
        return (place, None) if is_log else (None, place)
    for folder in (place / "records", place):
        log, listed = folder / LOG, folder / suppression.FILE
        if log.is_file() or listed.is_file():
            return (log if log.is_file() else None), (listed if listed.is_file() else None)
    raise UsageError(
        f"--newest: {place.name} holds neither {suppression.FILE} nor {LOG}, expected a surviving "
        "workspace, its records/, or one of these files"
    )


def _with_log(backup: Backup, found: Known, content: bytes, name: str) -> Known:
    chain, count = read_chain(content, backup.ring), len(backup.entries)
    if chain.problem:
        raise LogAltered(f"--newest: {name}: {chain.problem}: give another copy of it")
    if len(chain.entries) < count:
        return found  # an older one tells nothing new
    if chain.entries[count - 1].hash != backup.chain.head:
        raise IntegrityError(
            f"--newest: {name}: entry {count} is not the backup's last, expected the log of the "
            "same workspace: give its own, or restore another backup"
        )
    since = frozenset(_suppressing(chain.entries[count:]))
    return replace(
        found,
        log=max(found.log, chain.entries, key=len),
        seen=max(found.seen, len(chain.entries)),
        erased_by=found.erased_by | since,
        sources=(*found.sources, name),
        told=True,
    )


def _suppressing(entries: Iterable[Entry]) -> Iterator[str]:
    steps = (entry.key.rpartition("/") for entry in entries)
    return (run for run, _, step in steps if step == "suppressed")


def _refuse_older(log: Sequence[Entry], content: bytes, name: str) -> None:
    """IntegrityError for a list that the newest log tells of, but not last."""
    digests = [str(entry.body["sha256"]) for entry in log if entry.key.endswith("/suppressed")]
    got = sha256_hex(content)
    if got in digests[:-1] and got != digests[-1]:
        raise IntegrityError(
            f"--newest: {name}: is older than the log beside it, expected the list with SHA-256 "
            f"{digests[-1][:12]}: give the newest copy"
        )


def _with_list(backup: Backup, found: Known, content: bytes, name: str) -> Known:
    listed = newest.require_newer(backup.listed, content, name)
    both = suppression.joined(found.listed, listed)
    return replace(found, listed=both, sources=(*found.sources, name), told=True)


def _with_witness(backup: Backup, found: Known, url: str) -> Known:
    """Ask a witness how long the log was, which runs erased, and for its newest list."""
    name, ring = f"witness {checkpoint.name_of(url)}", backup.ring
    if len(found.log) > len(backup.entries):
        ring = ring.with_keys(read_chain(_bytes(found.log), ring).keys)
    lost = f"if it is gone for good, --witness-gone {shown(url)} --reason TEXT"
    try:
        place = witness_at(url)
        checkpoints = witness.seen(place, ring)
    except InfrastructureError as away:
        raise InfrastructureError(f"{away}; {lost}") from away
    if not checkpoints:
        raise IntegrityError(
            f"{name}: has no checkpoint, expected those of this workspace: look for what became of "
            f"{shown(url)}; {lost}"
        )
    known = [one for one in checkpoints if one.entries <= len(found.log)]
    for problem in checkpoint.objections(known, found.log):
        raise IntegrityError(f"{name}: {problem}")
    logged = set(_suppressing(backup.entries))
    found = replace(
        found,
        seen=max(found.seen, *(one.entries for one in checkpoints)),
        erased_by=found.erased_by | (witness.erasing_runs(place, ring, logged)),
        sources=(*found.sources, name),
        told=True,
    )
    kept = witness.newest_list(place, ring)
    if kept is not None and kept.entries > len(backup.entries):
        return _with_list(backup, found, kept.content, name)
    return found


def _bytes(entries: Iterable[Entry]) -> bytes:
    return b"".join(entry.line() for entry in entries)


OVER = frozenset({State.PURGING, State.COMPLETE, State.DENIED})
"""States of a request of which nothing is to be served any more."""


def open_requests(backup: Backup, log: Sequence[Entry]) -> int | None:
    """Count the requests that a newer log has, that nobody served, and that the backup lacks.

    None without such a log. What they named is not in the backup: they are to be submitted again,
    also one of which only a part is open. A part of a request that the backup has is not counted.
    """
    since = log[len(backup.entries) :]
    if not since:
        return None
    wholes = _wholes(since)
    begun = {str(e.body["request"]) for e in since if e.event == "submitted"}
    ended = {str(e.body.get("request")) for e in since if e.body.get("state") in OVER}
    return len({_root(ref, wholes) for ref in begun - ended} & begun)


def said_since(backup: Backup, log: Sequence[Entry]) -> tuple[dict[str, Any], ...]:
    """Give what persons said since that keeps the backup's open requests from being served.

    That is a hold or a denial, with its reason. Of a request that parts were taken from since,
    nobody here can tell which examples stay: all of it is held, as long as some do and some not.
    """
    known, since = dict(_stated(backup.entries)), log[len(backup.entries) :]
    last, wholes = dict(_stated(since)), _wholes(since)
    parts: dict[str, dict[str, State]] = {}
    for ref in wholes:
        parts.setdefault(_root(ref, wholes), {})[ref] = State(last[ref]["state"])
    still = (ref for ref, body in known.items() if not State(body["state"]).terminal)
    found = (_said_of(ref, last.get(ref, {}), parts.get(ref, {})) for ref in still)
    return tuple(one for one in found if one is not None)


def _said_of(
    ref: str, said: Mapping[str, Any], parts: Mapping[str, State]
) -> dict[str, Any] | None:
    """Say what keeps a request from being served. parts: taken from it or from its parts."""
    verbs = {State.DENIED: Verb.DENY, State.HELD: Verb.HOLD}
    verb = verbs.get(State(said["state"])) if said else None
    kept = [part for part, state in parts.items() if state in verbs]
    waits = [part for part, state in parts.items() if state not in OVER]
    if apart := waits if verb is Verb.DENY else kept:
        why = f"{apart[-1]} was taken from it since the backup, and some of it held or denied"
        return {"request": ref, "verb": str(Verb.HOLD), "reason": f"{why}: hold that again"}
    if verb is None:
        return None
    reason, ground = said.get("reason"), said.get("ground")
    return {"request": ref, "verb": str(verb), "reason": reason, "ground": ground}


def _wholes(entries: Iterable[Entry]) -> dict[str, str]:
    """Give the request that each part was taken from, by the part, in their order."""
    return {str(e.body["request"]): str(e.body[PART_OF]) for e in entries if PART_OF in e.body}


def _root(ref: str, wholes: Mapping[str, str]) -> str:
    """Follow a part to what it was taken from, as far as these parts tell."""
    while ref in wholes:
        ref = wholes[ref]
    return ref


def _stated(entries: Iterable[Entry]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give each entry that says a request's state, by the request."""
    for entry in entries:
        if entry.event in STATING and "state" in entry.body:
            yield str(entry.body["request"]), entry.body


def imports_since(backup: Backup, log: Sequence[Entry]) -> int:
    """Count how often examples came in since: they are not in the backup."""
    return sum(entry.event == IMPORTED for entry in log[len(backup.entries) :])


def marks_since(backup: Backup, log: Sequence[Entry]) -> tuple[dict[str, Any], ...]:
    """Give the versions of the backup that a person marked as tainted since, with their bytes."""
    made = releases(backup.entries)
    told = (entry.body for entry in log[len(backup.entries) :] if entry.event == TAINTED)
    return tuple(
        {"version": own.version, "sha256": own.sha256, "reason": body.get("reason")}
        for body in told
        if (own := origin(int(body["version"]), made))
    )
