"""A body and what came beside it, as a request: plain JSON or a CloudEvent, at every door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from systems.intake import cloud_events
from systems.intake.demands import Keyed, demand_in, json_in
from unlearning.errors import UsageError

KEY = "Idempotency-Key"
_LONGEST_KEY = 200


def read(headers: Mapping[str, str], body: bytes) -> Keyed:
    """Read a body; UsageError names what is wrong with it, and no value."""
    given = _given_key(headers)
    if cloud_events.is_event(headers):
        event = cloud_events.event_in(headers, body)
        return replace(event, key=given or event.key)
    return Keyed(demand_in(json_in(body)), given)


def _given_key(headers: Mapping[str, str]) -> str | None:
    key = headers.get(KEY)
    if key is not None and not (1 <= len(key) <= _LONGEST_KEY and key.isprintable()):
        raise UsageError(f"{KEY}: expected 1 to {_LONGEST_KEY} printable characters")
    return key
