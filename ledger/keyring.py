"""The public keys of one workspace, oldest first: who may have signed what.

A signing key that may have been seen is replaced: the old one signs an entry of the log that names
the new one, which signs everything from there on. So whoever trusts one key can follow to the next
by the log alone, and whoever holds the file of public keys has them all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from unlearning.digests import canonical_json, from_hex, sha256_hex
from unlearning.errors import Unrecordable

ROTATED = "key_rotated"
"""Event of the log: signed by the old key, its body names the new one as `public_key`."""

NONSENSE = (ValueError, TypeError, KeyError, AttributeError, RecursionError, Unrecordable)
"""What reading JSON that nobody here wrote may raise."""


@dataclass(frozen=True)
class Keyring:
    """Public keys as their 32 bytes, oldest first."""

    keys: tuple[bytes, ...]

    def signer(self, signature: bytes, message: bytes) -> bytes | None:
        """Give the key that made a signature; None if it is of none of these."""
        return next((key for key in self.keys if _verifies(key, signature, message)), None)

    @property
    def newest(self) -> bytes:
        """The key that signs now."""
        return self.keys[-1]

    def with_keys(self, more: tuple[bytes, ...]) -> Keyring:
        """Add keys that a log has led to."""
        return Keyring((*self.keys, *(key for key in more if key not in self.keys)))


def keyring_of(*keys: Ed25519PublicKey) -> Keyring:
    """Make a keyring of keys, oldest first."""
    return Keyring(tuple(key.public_bytes_raw() for key in keys))


def signed(said: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    """Give what is said with its signature, one JSON object: the same bytes for the same words."""
    signature = key.sign(_message(said)).hex()
    return canonical_json({**said, "signature": signature})


def said_by(ring: Keyring, content: bytes, kind: str) -> dict[str, Any]:
    """Read what one of these keys signed, without its signature and its `type`.

    One of NONSENSE for anything else, the same in another spelling too.
    """
    said: dict[str, Any] = json.loads(content)
    if canonical_json(said) != content:
        raise ValueError(kind)
    signature = from_hex(said.pop("signature"))
    if said["type"] != kind or ring.signer(signature, _message(said)) is None:
        raise ValueError(kind)
    said.pop("type")
    return said


def _message(said: Mapping[str, Any]) -> bytes:
    return sha256_hex(canonical_json(said)).encode()


def next_key(event: str, body: Mapping[str, Any]) -> bytes | None:
    """Give the key that an entry hands the log over to; None for any other entry.

    ValueError for one that names no key.
    """
    if event != ROTATED:
        return None
    key = from_hex(str(body.get("public_key")))
    Ed25519PublicKey.from_public_bytes(key)
    return key


def _verifies(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        _loaded(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=64)
def _loaded(key: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(key)
