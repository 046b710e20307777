"""CloudEvents 1.0 over HTTP, as the specification's two modes have it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.domain import Selector
from systems.intake.cloud_events import event_in, is_event
from unlearning.errors import UsageError

DATA = {"subjects": ["s-1"]}
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "e-7",
    "source": "/crm/desk",
    "type": "lethe.erasure-request.v1",
}
JANE = "jane@example.com"


def structured(**changes: Any) -> tuple[dict[str, str], bytes]:
    event = {k: v for k, v in ({**ATTRIBUTES, "data": DATA} | changes).items() if v is not None}
    return {"content-type": "application/cloudevents+json; charset=utf-8"}, json.dumps(
        event
    ).encode()


def binary(**changes: str | None) -> tuple[dict[str, str], bytes]:
    told = {k: v for k, v in (ATTRIBUTES | changes).items() if v is not None}
    headers = {"content-type": "application/json"} | {f"ce-{k}": v for k, v in told.items()}
    return headers, json.dumps(DATA).encode()


@pytest.mark.parametrize("mode", [structured, binary])
def test_both_modes_say_the_same(mode: Any) -> None:
    headers, body = mode()
    assert is_event(headers)
    found = event_in(headers, body)
    assert found.demand.selector == Selector("subject", ("s-1",))
    assert found.key == "/crm/desk e-7"


def test_a_space_in_source_or_id_makes_no_two_events_one() -> None:
    one = event_in(*structured(source="/crm a", id="b"))
    other = event_in(*structured(source="/crm", id="a b"))
    assert one.key != other.key


def test_data_in_base64_are_read() -> None:
    """`data_base64` is how the specification carries bytes; ours must be an object."""
    with pytest.raises(UsageError):
        event_in(*structured(data=None, data_base64="eyJzdWJqZWN0cyI6W119"))


@pytest.mark.parametrize("mode", [structured, binary])
@pytest.mark.parametrize("missing", ["id", "source", "type", "specversion"])
def test_an_attribute_that_is_required_and_missing_is_refused(mode: Any, missing: str) -> None:
    """An id drawn by us would make two requests of one event that comes twice."""
    with pytest.raises(UsageError):
        event_in(*mode(**{missing: None}))


@pytest.mark.parametrize("mode", [structured, binary])
@pytest.mark.parametrize(
    "changes",
    [{"type": "com.example.user.deleted"}, {"specversion": "9"}, {"id": ""}, {"time": JANE}],
)
def test_what_is_no_such_event_is_refused_without_repeating_it(
    mode: Any, changes: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match="expected") as refused:
        event_in(*mode(**changes))
    assert JANE not in str(refused.value)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"text"', b"7", b"null", b"{}", b"\xff", b"[" * 9999]
)
@pytest.mark.parametrize("mode", [structured, binary])
def test_a_body_that_is_no_object_is_refused(mode: Any, body: bytes) -> None:
    with pytest.raises(UsageError):
        event_in(mode()[0], body)


def test_a_plain_request_is_no_event() -> None:
    assert not is_event({"content-type": "application/json"})
    assert not is_event({})
