"""CloudEvents over HTTP: a request in the event's data, structured or in binary mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.exceptions import BaseCloudEventException

from systems.intake.demands import Demand, Keyed, demand_in, json_in
from unlearning.digests import digest_of
from unlearning.errors import UsageError

STRUCTURED = "application/cloudevents+json"
TYPE = "lethe.erasure-request.v1"
"""The event's type: nothing that happened elsewhere is taken for a request by chance."""
REQUIRED = ("id", "source", "type", "specversion")

_UNREADABLE = (BaseCloudEventException, ValueError, TypeError, KeyError, AttributeError)


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether headers are those of a CloudEvent."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == STRUCTURED or "ce-specversion" in headers


def event_in(headers: Mapping[str, str], body: bytes) -> Keyed:
    """The request in a CloudEvent, keyed by source and id.

    UsageError names what is wrong with it, and no value.
    """
    value = json_in(body)  # names that come twice, and depths that no parser should go to
    _require(headers, value)
    try:
        event = from_http_event(HTTPMessage(_own(headers), body))
    except _UNREADABLE as error:
        raise UsageError(
            f"event: is no CloudEvent 1.0 ({type(error).__name__}), expected id, source, type and "
            "specversion, in headers that begin with ce- or in the body"
        ) from error
    return Keyed(_demand(event), _key(event.get_source(), event.get_id()))


def _key(source: str, id_: str) -> str:
    """Give what tells an event from every other: of a source with a space, where would it end?"""
    return f"{source} {id_}" if " " not in source else f"event {digest_of([source, id_])}"


def _require(headers: Mapping[str, str], value: Any) -> None:
    """The library draws an id where there is none, so that one event would be several requests."""
    told = headers if "ce-specversion" in headers else value
    prefix = "ce-" if "ce-specversion" in headers else ""
    for name in REQUIRED:
        if not isinstance(told, Mapping) or not told.get(f"{prefix}{name}"):
            raise UsageError(f"event: has no {name}, expected {', '.join(REQUIRED)}")


def _own(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are the event's: of a structured one only its kind."""
    names = [name for name in headers if name.lower().startswith("ce-")]
    return {name: headers[name] for name in ("content-type", *names) if name in headers}


def _demand(event: BaseCloudEvent) -> Demand:
    if event.get_type() != TYPE:
        raise UsageError(f"event: is of another type, expected {TYPE}")
    return demand_in(event.get_data())
