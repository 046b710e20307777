"""What there is to tell: each entry of the log that gives a request a state or a deadline."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from threading import Lock

from ledger.chain import Entry
from ledger.keys import load_public_keys
from ledger.replay.following import Place, read_on
from ledger.replay.upgrades import UPGRADED
from systems.settings.recording import lines_of
from systems.settings.workspace import Workspace
from unlearning.digests import canonical_json


@dataclass(frozen=True)
class Notice:
    """One thing to tell. seq: of its entry; id: the entry's hash. at, due_at: ISO 8601.

    assurance: what is assured from now on, where that has risen after the request was complete.
    """

    seq: int
    id: str
    request: str
    state: str
    due_at: str
    at: str
    assurance: str | None = None

    def body(self) -> bytes:
        """What is sent: it names nobody and says nothing of the data."""
        told = {"request": self.request, "state": self.state, "due_at": self.due_at, "at": self.at}
        risen = {} if self.assurance is None else {"assurance": self.assurance}
        return canonical_json(told | risen)


class Outbox:
    """Reads notices off a workspace's log as it grows, once for all who are told of them."""

    def __init__(self, ws: Workspace) -> None:
        """Begin with the first entry, since a deadline may stand far back."""
        self._lines = lines_of(ws)
        self._ring = load_public_keys(ws.public_key)
        self._known: dict[str, tuple[str, str]] = {}  # request -> its state and deadline
        self._all: list[Notice] = []
        self._place = Place()
        self._lock = Lock()

    def after(self, seq: int) -> tuple[list[Notice], Place]:
        """The notices of entries above `seq`, and where the log ends now."""
        with self._lock:
            gain = read_on(self._lines, self._ring, self._place)
            self._all += self._notices(gain.entries)
            self._place = gain.place
            return self._all[bisect_right(self._all, seq, key=attrgetter("seq")) :], self._place

    def _notices(self, entries: Iterable[Entry]) -> Iterator[Notice]:
        for entry in entries:
            ref, told = entry.body.get("request"), entry.body
            risen = str(told["assurance"]) if entry.event == UPGRADED else None
            if isinstance(ref, str) and ("state" in told or "due_at" in told or risen):
                state, due_at = self._known.get(ref, ("", ""))
                known = str(told.get("state", state)), str(told.get("due_at", due_at))
                self._known[ref] = known
                yield Notice(entry.seq, entry.hash, ref, *known, entry.at, risen)
