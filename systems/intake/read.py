"""A body and what came beside it, as a request: plain JSON or a CloudEvent, at every door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ledger.inbox import Incoming
from systems.intake import cloud_events
from systems.intake.demands import Demand, demand_in, json_in
from unlearning.errors import UsageError

KEY = "Idempotency-Key"
_LONGEST_KEY = 200


@dataclass(frozen=True)
class Read:
    """A request, and the key that its sender gave it, if one did."""

    demand: Demand
    key: str | None

    def incoming(self, source: str, fallback: str, now: datetime) -> Incoming:
        """The request as the inbox takes it; a key keeps who sent it, so it always has one."""
        demand = self.demand
        at, key = demand.received_at or now, self.key or fallback
        return Incoming(demand.selector, at, demand.jurisdiction, source, key, demand.as_written)


def read(headers: Mapping[str, str], body: bytes) -> Read:
    """Read a body; UsageError names what is wrong with it, and no value."""
    given = _given_key(headers)
    if cloud_events.is_event(headers):
        event = cloud_events.event_in(headers, body)
        return Read(event.demand, given or event.key)
    return Read(demand_in(json_in(body)), given)


def _given_key(headers: Mapping[str, str]) -> str | None:
    key = headers.get(KEY)
    if key is not None and not (1 <= len(key) <= _LONGEST_KEY and key.isprintable()):
        raise UsageError(f"{KEY}: expected 1 to {_LONGEST_KEY} printable characters")
    return key
