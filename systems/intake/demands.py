"""What a request says: one JSON form for every door.

Nothing of what was sent is ever repeated in a message: it may be a person's id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledger.domain import Selector, SelectorKind
from ledger.inbox import Incoming
from ledger.requests.identity import PATTERN, identity_in
from unlearning.errors import UsageError

MOST, LONGEST = 10_000, 1_000
"""Values in one request, and characters in each."""

EARLIEST = 2000
"""Year before which nobody can have asked for this."""

KINDS: Mapping[str, SelectorKind] = {
    "subjects": "subject",
    "examples": "example",
    "class": "class",
    "where": "where",
}
"""The four ways to say what is to be forgotten; a request has one of them."""

_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MOST}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "ErasureRequest",
    "description": "One of subjects, examples, class and where says what is to be forgotten.",
    "additionalProperties": False,
    "properties": {
        "subjects": {**_TEXTS, "description": "Ids of persons."},
        "examples": {**_TEXTS, "description": "Ids of examples."},
        "class": {"anyOf": [_TEXT, _TEXTS], "description": "A class, or several."},
        "where": {
            "type": "object",
            "description": "All examples with this value of an attribute.",
            "additionalProperties": False,
            "required": ["column", "value"],
            "properties": {"column": _TEXT, "value": _TEXT},
        },
        "jurisdiction": {
            "type": "string",
            "default": "gdpr",
            "description": "The law that sets the deadline: gdpr, gdpr-de and so on, or ccpa.",
        },
        "received_at": {
            "type": "string",
            "format": "date-time",
            "description": "When the person asked, with a zone, if it was earlier than now.",
        },
        "as_written": {
            "type": "boolean",
            "default": False,
            "description": "Values that look like a missing one are meant as they are.",
        },
        "identity": {
            "type": "string",
            "pattern": f"^{PATTERN}$",
            "description": "How and by which system it was confirmed who asks, and its reference.",
        },
    },
    "oneOf": [{"required": [kind]} for kind in KINDS],
}


@dataclass(frozen=True)
class Demand:
    """What a request says: personal data. received_at: None for now."""

    selector: Selector
    jurisdiction: str
    received_at: datetime | None
    as_written: bool
    identity: str | None = None


@dataclass(frozen=True)
class Keyed:
    """A request, and the key that its sender gave it, if one did."""

    demand: Demand
    key: str | None

    def incoming(self, source: str, fallback: str, now: datetime) -> Incoming:
        """The request as the inbox takes it; a key keeps who sent it, so it always has one."""
        demand = self.demand
        at, key = demand.received_at or now, self.key or fallback
        said = (demand.as_written, demand.identity)
        return Incoming(demand.selector, at, demand.jurisdiction, source, key, *said)


def json_in(content: bytes) -> Any:
    """The JSON value that bytes hold; UsageError for no JSON, or an object with a name twice."""
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:
        raise UsageError("body: is no JSON in UTF-8, expected a JSON object") from error


def demand_in(value: Any) -> Demand:
    """Read a request's JSON object; UsageError names what is wrong with it, and no value."""
    told = _fields(value, "body", frozenset(SCHEMA["properties"]))
    kinds = [name for name in KINDS if name in told]
    if len(kinds) != 1:
        raise UsageError(
            f"body: got {len(kinds)} of {', '.join(KINDS)}, expected exactly one of them"
        )
    as_written = told.get("as_written", False)
    if not isinstance(as_written, bool):
        raise UsageError("body: as_written: expected true or false")
    jurisdiction = _text(told.get("jurisdiction", "gdpr"), "body: jurisdiction")
    at = _moment(told["received_at"]) if "received_at" in told else None
    selector = _selector(kinds[0], told[kinds[0]])
    return Demand(selector, jurisdiction, at, as_written, _identity(told.get("identity")))


def _identity(value: Any) -> str | None:
    if value is None:
        return None
    text = _text(value, "body: identity")
    identity_in(text, "body: identity")
    return text


def _selector(name: str, value: Any) -> Selector:
    if name == "where":
        told = _fields(value, "body: where", frozenset({"column", "value"}))
        texts = [_text(told.get(part), f"body: where.{part}") for part in ("column", "value")]
        return Selector("where", (texts[1],), texts[0])
    values = [value] if name == "class" and isinstance(value, str) else value
    if not isinstance(values, list) or not 1 <= len(values) <= MOST:
        raise UsageError(f"body: {name}: expected a list of 1 to {MOST} texts")
    return Selector(KINDS[name], tuple(_text(each, f"body: {name}") for each in values))


def _fields(value: Any, where: str, known: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or not known.issuperset(value):
        raise UsageError(
            f"{where}: expected a JSON object with no other names than {', '.join(sorted(known))}"
        )
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST:
        raise UsageError(f"{where}: expected a text of 1 to {LONGEST} characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{where}: holds half a character, expected text") from error
    return value


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value, "body: received_at"))
    except ValueError as error:
        raise UsageError(
            "body: received_at: expected ISO 8601, such as 2026-03-02T12:00Z"
        ) from error
    if moment.tzinfo is None:
        raise UsageError("body: received_at: has no zone, expected one, such as Z or +01:00")
    if moment.year < EARLIEST:  # zones had odd minutes then, and there were no such laws
        raise UsageError(f"body: received_at: expected a time from {EARLIEST} on")
    return moment


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Which of two values is meant is not for us to guess."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found
