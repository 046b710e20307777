"""Hand evidence and the log's head to the witnesses, where the workspace's owner cannot reach.

Before a release its evidence lies there, and after the erasure what was attested. What a witness
has it keeps, so this may be done again at any time, and brings it up to date. A mailbox cannot be
asked what it has: it is sent what the log has had since it was sent something last.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from ledger import checkpoint, durable, suppression
from ledger.backups import newest
from ledger.chain import Entry
from ledger.checkpoint import WITNESSED, Checkpoint
from ledger.errors import OutsideWorkspace
from ledger.evidence import ERASURE, LATER, SIGNATURE, STATEMENT, signed_statement
from ledger.keyring import ROTATED, Keyring
from ledger.keys import load_public_keys, load_signing_key
from ledger.replay.beside import STATEMENTS
from systems.settings.mailing import Mailing, is_mailbox
from systems.settings.ownership import MARK, mark_place
from systems.settings.service import load_service
from systems.witness import letters
from systems.witness.mailbox import mailbox_at
from systems.witness.places import Witness, witness_at
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tasks.running.standing import suppressed
from unlearning.digests import sha256_hex
from unlearning.errors import IntegrityError, UsageError

EVIDENCE, CHECKPOINTS, SUPPRESSION = "evidence", "checkpoints", "suppression"
DRAWS = "draws/"
"""Where a witness's keeper puts what draws retrainings to be replayed."""

Read = TypeVar("Read")

OWNER = "lethe-owner"
"""Object at a witness: the random name of the one workspace that it sees."""


def witness_run(run: Run) -> None:
    """Do so in a run, before its release."""
    bring_up_to_date(run.at)


def bring_up_to_date(at: Opened) -> list[dict[str, Any]]:
    """Give every witness what it lacks; say of each how much that was.

    InfrastructureError if one does not answer: nothing is released that it was to see before.
    """
    settings = load_service(at.ws.root).witness
    return [
        _mail(at, url, settings.mail)
        if settings.mail and is_mailbox(url)
        else _bring(at, url, settings.days)
        for url in settings.at
    ]


def _bring(at: Opened, url: str, days: int | None) -> dict[str, Any]:
    place = witness_at(url)
    until = utc_now() + timedelta(days=days) if days and place.locked() else None
    _require_own(at, url, place, until)
    known = frozenset(place.keys(f"{EVIDENCE}/"))
    given = sum(
        _give(at, place, part, until, known) for part in _sealed(at, at.ledger.log.entries())
    )
    given += _give_list(at, place, until)
    told = {"witness": checkpoint.name_of(url), "given": given, "locked": until is not None}
    if given:
        _record(at, told)
    _give_head(at, place, until)
    return told


def _record(at: Opened, told: dict[str, Any]) -> None:
    at.ledger.record(WITNESSED, told, key=at.ledger.log.next_key(WITNESSED), now=utc_now())


def _mail(at: Opened, url: str, settings: Mailing) -> dict[str, Any]:
    """Send a mailbox what the log has had since; then say so, not that it is there: who knows.

    Killed in between, the same messages go again under the same numbers.
    """
    mark = mark_place(at.ws)
    if not mark.here(at.ws):
        raise OutsideWorkspace(_COPY_MAILS)
    name, entries = checkpoint.name_of(url), at.ledger.log.entries()
    told = {"witness": name, "given": 0, "locked": False, "asked": False}
    own = (e.seq for e in reversed(entries) if e.event == WITNESSED and e.body["witness"] == name)
    since = entries[next(own, 0) :]
    if all(entry.event == WITNESSED for entry in since):
        return told
    box, written = mailbox_at(url, settings), list(_letters(at, since, settings.mib))
    box.send(
        [
            letters.message(one, mark.name(at.ws), settings.sender, box.recipient, utc_now())
            for one in written
        ]
    )
    told["given"] = len(written)
    _record(at, told)
    return told


def _letters(at: Opened, since: Sequence[Entry], mib: int) -> Iterator[letters.Letter]:
    """Write what others are given as objects: statements, the newest list, the log's head."""
    for part in _sealed(at, since):
        key = f"{EVIDENCE}/{part.relative_to(at.ws.evidence).as_posix()}"
        yield letters.of_statement(key, part, _files(part), mib)
    for kept in _newest_list(at):
        if kept.entries >= since[0].seq:
            line = "the suppression list, which tells nobody anything without its key"
            own = replace(kept, entries=max(kept.entries, _key_since(since)))
            yield letters.of_object(_list_key(own), _signed(at, own), line)
    head, signed = _head(at)
    line = f"the log's head at entry {head.entries}, {head.head}"
    yield letters.of_object(_head_key(head), signed, line)


def _key_since(entries: Sequence[Entry]) -> int:
    """Give the entry that the signing key is of: a list that was sent may come again by another."""
    return max((entry.seq for entry in entries if entry.event == ROTATED), default=0)


def _sealed(at: Opened, entries: Sequence[Entry]) -> Iterator[Path]:
    """Give the folder of every sealed statement; what is not sealed yet is nobody's to see."""
    for entry in entries:
        run, _, step = entry.key.rpartition("/")
        if entry.event == "step" and step in STATEMENTS:
            yield at.ws.evidence / run / STATEMENTS[step]


def _require_own(at: Opened, url: str, place: Witness, until: datetime | None) -> None:
    """Mark the witness as this workspace's; OutsideWorkspace if it is another's, or a copy asks."""
    mark = mark_place(at.ws)
    if "://" not in url and Path(url).resolve().is_relative_to(at.ws.root):
        raise UsageError("witness: lies in the workspace itself, expected a place of somebody else")
    try:
        place.give(OWNER, mark.name(at.ws).encode(), until)
    except IntegrityError as problem:
        raise OutsideWorkspace(_ANOTHERS if mark.here(at.ws) else _COPY) from problem


_ANOTHERS = (
    "witness: is another workspace's, expected one of this workspace's own: change witness.at in "
    "service.yaml"
)
_COPY = (
    "witness: this workspace was copied or restored, and its witness has seen the original; "
    "expected one that has seen none: change witness.at in service.yaml, or, if the original is "
    f"gone and this one goes on from its end, remove records/{MARK}"
)
_COPY_MAILS = (
    "witness: this workspace was copied, and a mailbox cannot be asked whether it has seen the "
    "original, which what this one sends would be held against; expected the original: take the "
    f"mailbox out of service.yaml, or, if the original is gone, remove records/{MARK}"
)


def _give(
    at: Opened, place: Witness, part: Path, until: datetime | None, known: Container[str]
) -> int:
    """Give a statement's files, its signature last: where that lies, all lie.

    What lies there is held against ours by that signature.
    """
    last = part / SIGNATURE
    if _key(at, last) in known:
        return place.give(_key(at, last), durable.read(last), until)
    return sum(place.give(_key(at, path), durable.read(path), until) for path in _files(part))


def _files(part: Path) -> list[Path]:
    """Give a statement's files, its signature last."""
    inner = {part / name for name in LATER}
    files = [p for p in sorted(part.rglob("*")) if p.is_file() and inner.isdisjoint(p.parents)]
    return sorted(files, key=lambda path: path.name == SIGNATURE)


def _key(at: Opened, path: Path) -> str:
    return f"{EVIDENCE}/{path.relative_to(at.ws.evidence).as_posix()}"


def _give_list(at: Opened, place: Witness, until: datetime | None) -> bool:
    """Give the suppression list as the log tells of it: who restores a backup needs the newest."""
    known = frozenset(place.keys(f"{SUPPRESSION}/"))
    return any(
        _list_key(kept) not in known and place.give(_list_key(kept), _signed(at, kept), until)
        for kept in _newest_list(at)
    )


def _newest_list(at: Opened) -> Iterator[newest.Kept]:
    """Give the list with its entry; none where an erasure is yet to give its own."""
    told = suppressed(at.ledger.log.entries())
    path = at.ws.records / suppression.FILE
    if told is not None and suppression.digest(at.ws.records) == told.body["sha256"]:
        yield newest.Kept(told.seq, durable.read(path))


def _signed(at: Opened, kept: newest.Kept) -> bytes:
    return newest.signed(kept, load_signing_key(at.ws.keys))


def _list_key(kept: newest.Kept) -> str:
    return f"{SUPPRESSION}/{kept.entries:012d}.json"


def _head_key(head: Checkpoint) -> str:
    return f"{CHECKPOINTS}/{head.entries:012d}.json"


def _head(at: Opened) -> tuple[Checkpoint, bytes]:
    head = checkpoint.of_log(at.ledger.log.entries())
    return head, checkpoint.signed(head, load_signing_key(at.ws.keys))


def _give_head(at: Opened, place: Witness, until: datetime | None) -> None:
    head, content = _head(at)
    try:
        place.give(_head_key(head), content, until)
    except IntegrityError:
        if not _given_before(at, place.read(_head_key(head)), head):
            raise


def _given_before(at: Opened, content: bytes, head: Checkpoint) -> bool:
    """Say whether a witness has the same head of a time when checkpoints had no root."""
    kept = checkpoint.checked(content, load_public_keys(at.ws.public_key))
    return not kept.root and kept == replace(head, root="")


def newest_list(place: Witness, ring: Keyring) -> newest.Kept | None:
    """Give the newest suppression list that a witness has; IntegrityError as in `seen` for any.

    By what was signed, not by its name, which is whoever's who put it there. One after the other is
    read: each has everybody who was erased by then.
    """
    found = (
        _genuine(key, newest.checked, place.read(key), ring)
        for key in place.keys(f"{SUPPRESSION}/")
    )
    return max(found, key=lambda kept: kept.entries, default=None)


def erasing_runs(place: Witness, ring: Keyring, beside: Container[str]) -> frozenset[str]:
    """Name the runs of which a witness has a statement that they erased, but for those `beside`.

    IntegrityError for one that is not genuine, or is another run's: anybody writes to a mailbox.
    """
    keys = frozenset(place.keys(f"{EVIDENCE}/"))
    parts = (key.split("/") for key in keys)
    runs = {part[1] for part in parts if part[2:] == [ERASURE, SIGNATURE] and part[1] not in beside}
    for run in sorted(runs):
        folder = f"{EVIDENCE}/{run}/{ERASURE}"
        there = f"{folder}/{STATEMENT}" in keys
        content = place.read(f"{folder}/{STATEMENT}") if there else b""
        signature = place.read(f"{folder}/{SIGNATURE}")
        if signed_statement(content, signature, ring).get("run") != run:
            raise IntegrityError(
                f"witness: {folder}/{STATEMENT} is none that the given key signed of that run, "
                "expected one as the witness was given: it was altered, or is not of this workspace"
            )
    return frozenset(runs)


def _genuine(
    key: str, checked: Callable[[bytes, Keyring], Read], content: bytes, ring: Keyring
) -> Read:
    """Read one object; IntegrityError says which it is, to be looked for at the witness."""
    try:
        return checked(content, ring)
    except IntegrityError as problem:
        raise IntegrityError(f"witness: {key}: {problem}") from problem


def seen(place: Witness, ring: Keyring) -> list[Checkpoint]:
    """Read every checkpoint that a witness has; IntegrityError for one that is not genuine."""
    return [
        _genuine(key, checkpoint.checked, place.read(key), ring)
        for key in place.keys(f"{CHECKPOINTS}/")
    ]


def draws_of(place: Witness) -> dict[str, str]:
    """Give the keys of the draws that a witness's keeper has asked for, by their names."""
    return {name: sha256_hex(place.read(name)) for name in place.keys(DRAWS)}
