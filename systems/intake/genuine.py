"""How other systems show that a webhook is theirs, each in one header."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP384R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from ledger.errors import NotAuthentic
from systems.settings.events import Scheme, Webhook

UNKNOWN = "webhook: does not show that it is from a known source, see docs/events.md"
AGE = 3600  # seconds after which a token that names no end is too old

_HALF = 48  # bytes of each number of a signature on P-384
_NOBODY = b"\0" * 32


def require_genuine(
    webhook: Webhook,
    headers: Mapping[str, str],
    body: bytes,
    key_of: Callable[[str], bytes | None],
    now: datetime,
) -> None:
    """Raise NotAuthentic, in the same words whatever is wrong, unless it is its source's."""
    scheme, secret = webhook.signature, key_of(webhook.source)
    got = headers.get(scheme.header, "")
    if scheme.scheme == "jwt-es384":
        genuine = _is_token(scheme, got.removeprefix(scheme.prefix), secret or b"", now)
    else:
        shown = _shown(scheme, secret or _NOBODY, body)
        genuine = hmac.compare_digest(shown, got.encode())
    if not genuine or secret is None:
        raise NotAuthentic(UNKNOWN)


def _shown(scheme: Scheme, secret: bytes, body: bytes) -> bytes:
    if scheme.scheme == "token":
        return scheme.prefix.encode() + secret
    digest = hmac.new(secret, body, hashlib.sha256).digest()
    text = digest.hex().encode() if scheme.encoding == "hex" else base64.b64encode(digest)
    return scheme.prefix.encode() + text


def _is_token(scheme: Scheme, token: str, key: bytes, now: datetime) -> bool:
    """Whether a JSON Web Token (RFC 7519) was signed with ES384, is for us and is not over."""
    try:
        head, claims, signature = token.encode().split(b".")
        if _json(head).get("alg") != "ES384":  # what a token says of itself decides nothing more
            return False
        raw = _decoded(signature)
        r, s = (int.from_bytes(half, "big") for half in (raw[:_HALF], raw[_HALF:]))
        if len(raw) != 2 * _HALF:
            return False
        _public(key).verify(encode_dss_signature(r, s), head + b"." + claims, ECDSA(SHA384()))
        return _is_for_now(scheme, _json(claims), now.timestamp())
    except (ValueError, TypeError, OverflowError, RecursionError, InvalidSignature):
        return False


def _is_for_now(scheme: Scheme, claims: dict[str, Any], now: float) -> bool:
    audience = claims.get("aud")
    meant = audience if isinstance(audience, list) else [audience]
    until = claims["exp"] if "exp" in claims else float(claims.get("iat", 0)) + AGE
    begins = float(claims.get("nbf", claims.get("iat", 0)))
    in_time = begins - AGE <= now <= float(until)
    return in_time and (scheme.audience is None or scheme.audience in meant)


def _public(key: bytes) -> EllipticCurvePublicKey:
    """A public key on P-384, in base64 of its PEM or DER; ValueError for another."""
    content = base64.b64decode(key, validate=True)
    load = load_pem_public_key if content.startswith(b"-----BEGIN") else load_der_public_key
    found = load(content)
    if not isinstance(found, EllipticCurvePublicKey) or not isinstance(found.curve, SECP384R1):
        raise ValueError(type(found).__name__)
    return found


def _json(part: bytes) -> dict[str, Any]:
    found = json.loads(_decoded(part))
    if not isinstance(found, dict):
        raise ValueError(type(found).__name__)
    return found


def _decoded(part: bytes) -> bytes:
    return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
