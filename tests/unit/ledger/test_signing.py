"""Who signed what comes in, and how old it may be."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from ledger.errors import NotAuthentic
from ledger.sources import signing

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = "a secret of the two of us"
KEYS = {"crm": SECRET.encode()}
BODY = b'{"subjects":["s-1"]}'
NONCE = "0123456789abcdef"


def sent(**changes: str) -> dict[str, str]:
    return signing.headers_for("crm", SECRET, BODY, now=NOW, nonce=NONCE) | changes


def test_the_signature_is_hmac_over_timestamp_nonce_and_body() -> None:
    """As anybody can compute it: 2026-03-02T12:00Z is 1772452800 s after 1970."""
    said = b"1772452800." + NONCE.encode() + b"." + BODY
    expected = hmac.new(SECRET.encode(), said, hashlib.sha256).hexdigest()
    assert sent() == {
        "X-Lethe-Source": "crm",
        "X-Lethe-Timestamp": "1772452800",
        "X-Lethe-Nonce": NONCE,
        "X-Lethe-Signature": expected,
    }


def test_a_genuine_request_tells_its_source_and_nonce() -> None:
    assert signing.verified(sent(), BODY, KEYS.get, now=NOW) == signing.Signed("crm", NONCE)


@pytest.mark.parametrize(
    "changes",
    [
        {signing.SOURCE: "other"},
        {signing.SOURCE: ""},
        {signing.TIMESTAMP: "1772452801"},
        {signing.TIMESTAMP: "now"},
        {signing.NONCE: "0123456789abcdeg"},
        {signing.NONCE: ""},
        {signing.SIGNATURE: "0" * 64},
        {signing.SIGNATURE: ""},
        {signing.SIGNATURE: "\xe9" * 64},
    ],
)
def test_whatever_is_altered_is_refused_in_the_same_words(changes: dict[str, str]) -> None:
    """Nobody learns which source exists, or how far a guess came."""
    with pytest.raises(NotAuthentic) as refused:
        signing.verified(sent(**changes), BODY, KEYS.get, now=NOW)
    with pytest.raises(NotAuthentic) as unsigned:
        signing.verified({}, BODY, KEYS.get, now=NOW)
    assert str(refused.value) == str(unsigned.value)


def test_another_body_is_refused() -> None:
    with pytest.raises(NotAuthentic):
        signing.verified(sent(), BODY + b" ", KEYS.get, now=NOW)


@pytest.mark.parametrize("nonce", ["short", "x" * 129, "0123456789abcde."])
def test_a_nonce_of_another_form_is_refused_however_it_is_signed(nonce: str) -> None:
    """A dot would let two splits of timestamp, nonce and body have one signature."""
    headers = signing.headers_for("crm", SECRET, BODY, now=NOW, nonce=nonce)
    with pytest.raises(NotAuthentic):
        signing.verified(headers, BODY, KEYS.get, now=NOW)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_either_way_are_taken(seconds: int) -> None:
    at = NOW + timedelta(seconds=seconds)
    assert signing.verified(sent(), BODY, KEYS.get, now=at).source == "crm"


@pytest.mark.parametrize("seconds", [-301, 301, 10**7])
def test_older_or_further_ahead_is_refused_and_says_by_how_much(seconds: int) -> None:
    with pytest.raises(NotAuthentic, match=f"{seconds} seconds from our clock"):
        signing.verified(sent(), BODY, KEYS.get, now=NOW + timedelta(seconds=seconds))


def test_a_nonce_is_drawn_for_each_request() -> None:
    drawn = {signing.headers_for("crm", SECRET, b"", now=NOW)[signing.NONCE] for _ in range(50)}
    assert len(drawn) == 50
