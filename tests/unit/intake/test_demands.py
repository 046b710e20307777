"""What a request may say, and that what is wrong with it is said without repeating it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import Selector
from systems.intake.demands import LONGEST, MOST, Demand, demand_in, json_in
from unlearning.errors import UsageError


def read(value: Any) -> Demand:
    return demand_in(json_in(json.dumps(value).encode()))


@pytest.mark.parametrize(
    ("said", "selector"),
    [
        ({"subjects": ["s-1", "s-2"]}, Selector("subject", ("s-1", "s-2"))),
        ({"examples": ["e-1"]}, Selector("example", ("e-1",))),
        ({"class": "cat"}, Selector("class", ("cat",))),
        ({"class": ["cat", "dog"]}, Selector("class", ("cat", "dog"))),
        ({"where": {"column": "site", "value": "A"}}, Selector("where", ("A",), "site")),
    ],
)
def test_each_way_to_say_what_is_to_be_forgotten(said: Any, selector: Selector) -> None:
    assert read(said) == Demand(selector, "gdpr", None, as_written=False)


def test_law_and_time_are_taken_as_they_are_said() -> None:
    found = read(
        {
            "subjects": ["s"],
            "jurisdiction": "ccpa",
            "received_at": "2026-03-02T13:00:00+01:00",
            "as_written": True,
        }
    )
    assert (found.jurisdiction, found.as_written) == ("ccpa", True)
    assert found.received_at == datetime(2026, 3, 2, 12, tzinfo=UTC)


JANE = "jane@example.com"


@pytest.mark.parametrize(
    "said",
    [
        [],
        JANE,
        {},
        {JANE: 1},
        {"subjects": [JANE], "class": JANE},
        {"subjects": JANE},
        {"subjects": []},
        {"subjects": [JANE, ""]},
        {"subjects": [JANE, 7]},
        {"subjects": [JANE, None]},
        {"subjects": [JANE * 100]},
        {"subjects": ["s"] * (MOST + 1)},
        {"subjects": ["\ud800"]},
        {"examples": {JANE: 1}},
        {"class": {"name": JANE}},
        {"where": JANE},
        {"where": {"column": "email"}},
        {"where": {"column": "email", "value": JANE, JANE: 1}},
        {"subjects": ["s"], "jurisdiction": 7},
        {"subjects": ["s"], "received_at": JANE},
        {"subjects": ["s"], "received_at": "2026-03-02T13:00:00"},
        {"subjects": ["s"], "received_at": 1772452800},
        {"subjects": ["s"], "received_at": "1999-12-31T23:59:59Z"},
        {"subjects": ["s"], "as_written": "yes"},
        {"subjects": ["s"], "identity": "login"},
        {"subjects": ["s"], "identity": "login:portal/jane@example.org"},
    ],
)
def test_what_is_malformed_is_refused_without_repeating_it(said: Any) -> None:
    assert len(JANE * 100) > LONGEST
    with pytest.raises(UsageError, match="expected") as refused:
        read(said)
    assert JANE not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"class":"a","class":"b"}',
        b"[" * 100_000,
        b'{"a":' + b"1" * 5000 + b"}",
    ],
)
def test_what_is_no_json_is_refused(content: bytes) -> None:
    """A name that comes twice would be read as one by us and as the other by somebody else."""
    with pytest.raises(UsageError, match="expected"):
        demand_in(json_in(content))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["subjects", "class", "where", "column", "value", "received_at", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_a_demand_or_a_usage_error(value: Any) -> None:
    try:
        found = read(value)
    except UsageError:
        return
    assert found.selector.values
