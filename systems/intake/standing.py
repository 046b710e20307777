"""What a source may learn of its own requests, and anybody of the log.

A request that names nobody whom the data know is denied at once, one that does takes days. To
sources that may not fetch certificates, both are in progress until their deadline.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from threading import Lock

from ledger import checkpoint
from ledger.chain import Entry
from ledger.checkpoint.merkle import Tree
from ledger.domain import DeletionRequest, State
from ledger.errors import UnknownReference
from ledger.evidence import ERASURE, SIGNATURE
from ledger.inbox import Inbox, Sent
from ledger.keys import load_public_keys, load_signing_key
from ledger.projection import Projection
from ledger.replay.beside import STATEMENTS
from ledger.replay.following import Place, read_on
from ledger.requests.book import part_of
from systems.settings.recording import lines_of
from systems.settings.workspace import Workspace
from unlearning.errors import InfrastructureError, RequestDenied

RECEIVED, IN_PROGRESS, CLOSED = "received", "in_progress", "closed"
"""The words for a request's state."""


@dataclass(frozen=True)
class Standing:
    """How a request stands, in words for outside."""

    request: str
    state: str
    due_at: str


class Records:
    """What a workspace's records tell to those outside; read on as the log grows."""

    def __init__(
        self,
        ws: Workspace,
        inbox: Inbox,
        trusted: Collection[str],
        witnesses: Collection[str] = (),
    ) -> None:
        """trusted: the sources that may learn how their requests ended. witnesses: addresses."""
        self._ws, self._inbox, self._trusted = ws, inbox, frozenset(trusted)
        self._lines, self._key = lines_of(ws), load_public_keys(ws.public_key)
        self._place, self._tables = Place(), Projection.in_memory()
        self._last: Entry | None = None
        self._tree = Tree()
        self._unseen = {checkpoint.name_of(one): 0 for one in witnesses}
        self._signed = ("", b"")  # the head, and its checkpoint
        self._lock = Lock()

    def standing(self, ref: str, source: str, now: datetime) -> Standing:
        """How a source's own request stands; UnknownReference for any other."""
        sent = self._own(ref, source)
        found = self._request(sent.known_as)
        due = found.due_at if found else sent.due_at
        return Standing(ref, self._word(found, source, now), due.isoformat())

    def certificate(self, ref: str, source: str) -> bytes:
        """The sealed bundle of a source's completed request, as a ZIP file.

        RequestDenied for a source that may not, whatever the request; UnknownReference before it
        is complete, or where no run served it.
        """
        if source not in self._trusted:
            raise RequestDenied(
                f"source {source}: may not fetch certificates: an operator may let it, by "
                "`certificates` in service.yaml"
            )
        found = self._request(self._own(ref, source).known_as)
        folder = self._ws.evidence / str(found.run) if found and found.run else None
        complete = found is not None and found.state is State.COMPLETE
        if folder is None or not complete or not (folder / ERASURE / SIGNATURE).is_file():
            raise UnknownReference(f"request {ref}: has no certificate yet")
        return _zipped(folder)

    def checkpoint(self) -> bytes:
        """Where the log ends now, signed, for whoever wants to find out later if it was cut."""
        with self._lock:
            self._read_on()
            last = self._last
            if last is None:
                raise InfrastructureError("log: holds no entry yet")
            if self._signed[0] != last.hash:  # anybody may ask: once for each head
                key = load_signing_key(self._ws.keys)
                self._signed = (
                    last.hash,
                    checkpoint.signed(checkpoint.of_entry(last, self._tree), key),
                )
            return self._signed[1]

    def numbers(self, now: datetime) -> dict[str, float]:
        """How much waits and is open, and how near the nearest deadline is; for a monitor."""
        with self._lock:
            self._read_on()
            still, first = self._tables.still_open()
            length, unseen = self._place.seq, max(self._unseen.values(), default=None)
        waiting, due = self._inbox.counted()
        dues = [at for at in (first, due) if at is not None]
        found = {"inbox_waiting": waiting, "requests_open": still, "log_entries": length}
        nearest = {"deadline_seconds": (min(dues) - now).total_seconds()} if dues else {}
        behind = {} if unseen is None else {"witness_behind": unseen}
        return found | nearest | behind

    def _own(self, ref: str, source: str) -> Sent:
        sent = self._inbox.sent(ref)
        if sent is None or sent.source != source:
            raise UnknownReference("request: is none of this source")
        return sent

    def _word(self, found: DeletionRequest | None, source: str, now: datetime) -> str:
        if found is None:
            return RECEIVED
        tells = source in self._trusted or now > found.due_at
        return CLOSED if tells and self._ended(found) else IN_PROGRESS

    def _ended(self, found: DeletionRequest) -> bool:
        """Whether a request has ended, with all parts that were taken from it."""
        return found.state.terminal and all(map(self._ended, self._parts(found.ref)))

    def _parts(self, ref: str) -> Iterator[DeletionRequest]:
        for number in count(1):
            if (part := self._request(part_of(ref, number))) is None:
                return
            yield part

    def _request(self, ref: str) -> DeletionRequest | None:
        with self._lock:
            self._read_on()
            return next(iter(self._tables.requests(ref=ref)), None)

    def _read_on(self) -> None:
        gain = read_on(self._lines, self._key, self._place)
        self._tables.apply(gain.entries)
        self._place = gain.place
        for entry in gain.entries:
            self._note_witness(entry)
            self._tree = self._tree.grown(entry.line())
        self._last = gain.entries[-1] if gain.entries else self._last

    def _note_witness(self, entry: Entry) -> None:
        """Count the statements that were sealed since each witness was given what it lacked."""
        if entry.event == "step" and entry.key.rpartition("/")[2] in STATEMENTS:
            self._unseen = {name: unseen + 1 for name, unseen in self._unseen.items()}
        elif entry.event == checkpoint.WITNESSED and entry.body.get("witness") in self._unseen:
            self._unseen[str(entry.body["witness"])] = 0


def _zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                archive.write(path, Path(folder.name) / path.relative_to(folder))
    return content.getvalue()
