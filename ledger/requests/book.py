"""The requests as they stand, and what they named: what every change of them begins from."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import RLock

from ledger.domain import DeletionRequest, Selector
from ledger.errors import KeyMissing, KeyUnusable, SelectorMissing, UnknownReference
from ledger.log import Log
from ledger.selectors import SelectorStore
from ledger.store import Store
from unlearning.errors import RequestDenied

LOST = (KeyMissing, KeyUnusable, SelectorMissing)
"""What says that nobody can tell any more what a request named."""


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
        return self.selectors.get(ref, self.commitment(ref))

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

    def next_key(self, ref: str) -> str:
        """A key of the log that only this entry can have."""
        return self.log.next_key(ref)
