"""Signatures between us and a source: HMAC-SHA256 over timestamp, nonce and body.

What is signed is `TIMESTAMP.NONCE.BODY`, the timestamp in whole seconds since 1970. A request
without a body, such as a GET, signs its path in the body's place. Our own notices are signed alike.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.errors import NotAuthentic

SOURCE = "X-Lethe-Source"
TIMESTAMP = "X-Lethe-Timestamp"
NONCE = "X-Lethe-Nonce"
SIGNATURE = "X-Lethe-Signature"

WINDOW = timedelta(minutes=5)
"""How old a signature may be, and how far ahead the sender's clock."""

_DIGITS = re.compile(r"[0-9]{1,12}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,128}")
_NOBODY = b"\0" * 32  # an unknown source costs the same time as a known one


@dataclass(frozen=True)
class Signed:
    """Whose request it is, and the nonce that it may not come with again."""

    source: str
    nonce: str


def signature(secret: bytes, timestamp: str, nonce: str, content: bytes) -> str:
    """HMAC-SHA256 in hexadecimal, 64 characters."""
    said = f"{timestamp}.{nonce}.".encode() + content
    return hmac.new(secret, said, hashlib.sha256).hexdigest()


def headers_for(
    source: str, secret: str, content: bytes, *, now: datetime, nonce: str | None = None
) -> dict[str, str]:
    """The four headers of a request; content: its body, or its path if it has none.

    Each request needs a nonce of its own, 16 to 128 letters, digits, `-` and `_`; one is drawn.
    """
    timestamp, once = str(int(now.timestamp())), nonce or secrets.token_urlsafe(24)
    return {
        SOURCE: source,
        TIMESTAMP: timestamp,
        NONCE: once,
        SIGNATURE: signature(secret.encode(), timestamp, once, content),
    }


def verified(
    headers: Mapping[str, str],
    content: bytes,
    key_of: Callable[[str], bytes | None],
    *,
    now: datetime,
) -> Signed:
    """Who signed this; NotAuthentic, in the same words whatever is wrong, unless it is old.

    headers: found by any spelling of their names if the mapping does so. The nonce is not
    remembered here: that is the inbox's, in the transaction that takes the request.
    """
    source, timestamp, nonce, got = (headers.get(name, "") for name in _ALL)
    secret = key_of(source)
    expected = signature(secret or _NOBODY, timestamp, nonce, content)
    genuine = hmac.compare_digest(expected.encode(), got.lower().encode())
    readable = _DIGITS.fullmatch(timestamp) and _NONCE.fullmatch(nonce)
    if secret is None or not genuine or not readable:
        raise NotAuthentic(
            f"signature: is not one of a known source, expected {', '.join(_ALL)} as "
            "docs/events.md shows them"
        )
    _check_age(int(timestamp), now)
    return Signed(source, nonce)


_ALL = (SOURCE, TIMESTAMP, NONCE, SIGNATURE)


def _check_age(timestamp: int, now: datetime) -> None:
    age = int(now.timestamp()) - timestamp
    if abs(age) > WINDOW.total_seconds():
        raise NotAuthentic(
            f"{TIMESTAMP}: is {age} seconds from our clock, expected at most "
            f"{WINDOW.total_seconds():.0f}: set the sender's clock and sign the request again"
        )
