"""Where every door ends: what came in is durable, then those who settle it are told.

Nothing here looks at the data, so nobody can learn from an answer, or from how long it took,
whether a person is in them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ledger.inbox import Inbox, Incoming, Receipt
from unlearning.errors import InfrastructureError, IntegrityError, LetheError

logger = logging.getLogger(__name__)

OURS = (InfrastructureError, IntegrityError)
"""What is wrong with us and not with what came: it must stay where it is, and come again."""


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def told(problem: Exception) -> str:
    """What may be logged of an error: our own words name nobody, another's may."""
    return str(problem) if isinstance(problem, LetheError) else type(problem).__name__


Count = Callable[[str, str, float], None]
"""Notes a request: its door, what became of it, and the seconds that took."""


def uncounted(door: str, outcome: str, seconds: float) -> None:
    """Note nothing: nobody asks."""


@dataclass(frozen=True)
class Reception:
    """The inbox, and who is to be told of what is in it.

    notify: gets a reference; what it fails for is logged, since whoever looks at the inbox next
    finds the request all the same. count: for a monitor; HTTP counts its calls itself, by status.
    """

    inbox: Inbox
    notify: Callable[[str], None] = lambda ref: None
    clock: Callable[[], datetime] = utc_now
    count: Count = uncounted

    def take(self, incoming: Incoming, *, nonce: str | None = None) -> Receipt:
        """Receive a request; what `Inbox.receive` raises, this raises."""
        receipt = self.inbox.receive(incoming, now=self.clock(), nonce=nonce)
        if not receipt.repeated:
            self._tell(receipt.ref)
        return receipt

    def counted(self, door: str, read: Callable[[], Incoming]) -> Receipt:
        """Receive what a door reads: counted as received, repeated, refused, or failed by us."""
        began, outcome = time.perf_counter(), "refused"
        try:
            receipt = self.take(read())
            outcome = "repeated" if receipt.repeated else "received"
            return receipt
        except OURS:
            outcome = "failed"
            raise
        finally:
            self.count(door, outcome, time.perf_counter() - began)

    def _tell(self, ref: str) -> None:
        try:
            self.notify(ref)
        except Exception as problem:  # noqa: BLE001  # it is received, whatever became of the word
            logger.warning("%s: is received, but nobody was told: %s", ref, told(problem))
