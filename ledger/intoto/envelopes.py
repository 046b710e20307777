"""DSSE envelopes, version 1: a payload with its type, signed as it is.

What is signed is the pre-authentication encoding (PAE) of both, so that neither can pass for
anything else that this key signs, such as an entry of the log.
"""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.keyring import Keyring
from unlearning.digests import canonical_json, digest_of

IN_TOTO = "application/vnd.in-toto+json"
"""The type of a payload that is an in-toto statement."""


def encoded(kind: str, payload: bytes) -> bytes:
    """Give the bytes that are signed: type and payload with their lengths (PAE)."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def key_id(key: bytes) -> str:
    """Name a public key, given as its 32 bytes, as in-toto and securesystemslib do."""
    told = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": key.hex()}}
    return digest_of(told)


def sealed(payload: bytes, key: Ed25519PrivateKey) -> bytes:
    """Give a statement's envelope, one line of JSON: the same bytes for the same payload."""
    signature = key.sign(encoded(IN_TOTO, payload))
    return _envelope(payload, key.public_key().public_bytes_raw(), signature)


def opened(content: bytes, envelope: Any, ring: Keyring) -> bytes | None:
    """Give the payload of an envelope, None unless one of these keys signed it as it lies there.

    envelope: what the JSON of `content` holds.
    """
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        (signature,) = (base64.b64decode(one["sig"]) for one in envelope["signatures"])
    except (ValueError, TypeError, KeyError):
        return None
    by = ring.signer(signature, encoded(IN_TOTO, payload))
    return payload if by and content == _envelope(payload, by, signature) else None


def _envelope(payload: bytes, key: bytes, signature: bytes) -> bytes:
    signed = {"keyid": key_id(key), "sig": _base64(signature)}
    found = {"payload": _base64(payload), "payloadType": IN_TOTO, "signatures": [signed]}
    return canonical_json(found) + b"\n"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
