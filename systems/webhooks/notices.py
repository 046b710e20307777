"""What there is to tell: each entry of the log that gives a request a state or a deadline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.chain import Entry
from ledger.keys import load_public_keys
from ledger.replay.following import Place, read_on
from systems.settings.recording import lines_of
from systems.settings.workspace import Workspace
from unlearning.digests import canonical_json


@dataclass(frozen=True)
class Notice:
    """One thing to tell. seq: of its entry; id: the entry's hash. at, due_at: ISO 8601."""

    seq: int
    id: str
    request: str
    state: str
    due_at: str
    at: str

    def body(self) -> bytes:
        """What is sent: it names nobody and says nothing of the data."""
        return canonical_json(
            {"request": self.request, "state": self.state, "due_at": self.due_at, "at": self.at}
        )


class Outbox:
    """Reads notices off a workspace's log as it grows; for one reader."""

    def __init__(self, ws: Workspace) -> None:
        """Begin with the first entry, since a deadline may stand far back."""
        self._lines = lines_of(ws)
        self._ring = load_public_keys(ws.public_key)
        self._known: dict[str, tuple[str, str]] = {}  # request -> its state and deadline
        self.place = Place()

    def gained(self) -> list[Notice]:
        """The notices that the log has gained since it was read last."""
        gain = read_on(self._lines, self._ring, self.place)
        self.place = gain.place
        return list(self._notices(gain.entries))

    def _notices(self, entries: Iterable[Entry]) -> Iterator[Notice]:
        for entry in entries:
            ref, told = entry.body.get("request"), entry.body
            if isinstance(ref, str) and ("state" in told or "due_at" in told):
                state, due_at = self._known.get(ref, ("", ""))
                known = str(told.get("state", state)), str(told.get("due_at", due_at))
                self._known[ref] = known
                yield Notice(entry.seq, entry.hash, ref, *known, entry.at)
