"""The requests as they stand, and what they named: what every change of them begins from."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count, takewhile
from threading import RLock

from ledger.chain import Entry
from ledger.domain import DeletionRequest, Selector
from ledger.errors import KeyMissing, KeyUnusable, SelectorMissing, UnknownReference
from ledger.log import Log
from ledger.selectors import SelectorStore
from ledger.store import Store
from unlearning.errors import RequestDenied

LOST = (KeyMissing, KeyUnusable, SelectorMissing)
"""What says that nobody can tell any more what a request named."""


PART_OF = "part_of"
"""What a part's entry calls the request that it is taken from."""


def part_of(ref: str, number: int) -> str:
    """What the parts of a request are called, so that the log is asked for them by name."""
    return f"{ref}-{number}"


@dataclass(frozen=True)
class Book:
    """One workspace's log and tables, and the sealed selectors beside them.

    lock: what a check found must still hold when the entry is written. asked: the requests that
    were accepted, by a digest of what they ask for: in memory alone, and filled when first needed.
    """

    store: Store
    selectors: SelectorStore
    lock: RLock = field(default_factory=RLock)
    asked: dict[str, set[str]] = field(default_factory=dict, repr=False)

    @property
    def log(self) -> Log:
        """The log underneath."""
        return self.store.log

    def request(self, ref: str) -> DeletionRequest:
        """One request; UnknownReference if it was never recorded."""
        found = self.store.tables.requests(ref=ref)
        if not found:
            raise UnknownReference(f"request {ref}: not recorded here: see `lethe list requests`")
        return found[0]

    def selector(self, ref: str) -> Selector:
        """Open what a request named; personal data, so not for logs or messages."""
        found = self.request(ref)
        if found.state.terminal:
            why = f" ({found.reason})" if found.reason else ""
            raise RequestDenied(
                f"request {ref}: is {found.state}{why}, expected an open one: what it named was "
                f"destroyed when it ended: see `lethe show {ref}`"
            )
        part = self.newest_part(ref)
        if part is None:
            return self.selectors.get(ref, self.commitment(ref))
        return self.selectors.get(ref, str(part.body["rest"]["commitment"]), part.body["request"])

    def lost(self, ref: str) -> str | None:
        """Say why nobody can tell what an open request named; None if it can be read."""
        try:
            self.selector(ref)
        except LOST as problem:
            return str(problem)
        return None

    def commitment(self, ref: str) -> str:
        """What the log keeps in place of a request's selector."""
        entry = self.log.find(f"{ref}/submitted")
        return str(entry.body["commitment"]) if entry else ""

    def newest_part(self, ref: str) -> Entry | None:
        """The entry of the last part that was taken from a request; None if none was."""
        return next(reversed(self.parts(ref)), None)

    def parts(self, ref: str) -> list[Entry]:
        """The entries of the parts that were taken from a request, in their order."""
        found = (self.log.find(f"{part_of(ref, n)}/submitted") for n in count(1))
        return [entry for entry in takewhile(lambda entry: entry is not None, found) if entry]

    def begun_with(self, ref: str) -> int:
        """The number of the entry that a request, or that of which it is a part, began with."""
        if (whole := self.whole(ref)) is not None:
            return self.begun_with(whole)
        entry = self.log.find(f"{ref}/submitted")
        return entry.seq if entry else 0

    def whole(self, ref: str) -> str | None:
        """The request that this one was taken from as a part; None if it is none."""
        entry = self.log.find(f"{ref}/submitted")
        return entry.body.get(PART_OF) if entry else None

    def next_key(self, ref: str) -> str:
        """A key of the log that only this entry can have."""
        return self.log.next_key(ref)
