"""What comes in, and what is said of it before anybody has looked at the data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ledger.domain import COMMAND_LINE, Selector, selector_of


@dataclass(frozen=True)
class Incoming:
    """A request as it was received: personal data.

    source: who sent it, COMMAND_LINE or a source's name; key: its idempotency key, unique per
    source. as_written: what looks like a value of the data and is none is not meant.
    identity: METHOD:SYSTEM[/REFERENCE], what was attested of who asks.
    """

    selector: Selector
    received_at: datetime
    jurisdiction: str
    source: str
    key: str | None
    as_written: bool = False
    identity: str | None = None

    @property
    def ledger_key(self) -> str | None:
        """The key by which the ledger knows it: two sources may use the same one."""
        if self.key is None or self.source == COMMAND_LINE:
            return self.key
        return f"{self.source}\0{self.key}"

    def as_value(self) -> dict[str, Any]:
        """All of it as canonical JSON takes it."""
        selector, received_at = self.selector.as_value(), self.received_at.isoformat()
        return {**asdict(self), "selector": selector, "received_at": received_at}


def incoming_of(value: dict[str, Any]) -> Incoming:
    """What `as_value` gave."""
    selector = selector_of(value["selector"])
    received_at = datetime.fromisoformat(value["received_at"])
    return Incoming(**{**value, "selector": selector, "received_at": received_at})


@dataclass(frozen=True)
class Receipt:
    """The answer to a sender.

    ref: what the request is called from now on, here and in the ledger. repeated: the same key
    with the same content was received before.
    """

    ref: str
    due_at: datetime
    repeated: bool


@dataclass(frozen=True)
class Waiting:
    """A request that was received and not settled; nothing in it identifies a person."""

    ref: str
    received_at: datetime
    due_at: datetime
    jurisdiction: str
    source: str


@dataclass(frozen=True)
class Sent:
    """Who sent a request, by which reference the ledger knows it, and its first deadline."""

    source: str
    known_as: str
    due_at: datetime
