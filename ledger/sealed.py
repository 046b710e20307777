"""Sealed files: what a request names, readable only with that request's own key.

A sealed file is AES-256-GCM: 12 random bytes of nonce, then the ciphertext, bound to the
request's reference. Destroying the key is enough to make every copy of the file unreadable.
"""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger import durable
from ledger.errors import KeyMissing, SealAltered, SelectorMissing, UnknownReference
from ledger.keys import REQUESTS, read_secret, write_secret
from unlearning.digests import canonical_json

_NONCE = 12  # bytes, as NIST SP 800-38D recommends for GCM
_REFERENCE = re.compile(r"[A-Za-z0-9-]{1,64}")


def encrypt(key: bytes, ref: str, plain: bytes) -> bytes:
    """Encrypt bytes under a key of 32, bound to a reference."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, ref.encode())


def decrypt(key: bytes, ref: str, content: bytes) -> bytes:
    """Decrypt it; ValueError if a byte of it, its key or its reference is another."""
    try:
        return AESGCM(key).decrypt(content[:_NONCE], content[_NONCE:], ref.encode())
    except InvalidTag as error:
        raise ValueError("another key, reference or content") from error


def seal(path: Path, keys: Path, ref: str, value: dict[str, Any]) -> None:
    """Encrypt a value into `path` under the request's key, which is drawn if there is none."""
    key_path = _key_path(keys, ref)
    key = read_secret(key_path) if key_path.exists() else write_secret(key_path)
    durable.write(path, encrypt(key, ref, canonical_json(value)))


def unseal(path: Path, keys: Path, ref: str) -> dict[str, Any]:
    """Decrypt a sealed file; SealAltered if a byte of it, its key or its reference is another.

    A request whose key was shredded or lost raises KeyMissing, a lost file SelectorMissing.
    """
    key = request_key(keys, ref)
    if not path.exists():
        raise SelectorMissing(_lost(durable.short_name(path), ref))
    content = durable.read(path)
    try:
        plain = decrypt(key, ref, content)
    except ValueError as error:
        raise SealAltered(
            f"{durable.short_name(path)}: {len(content)} bytes do not open with the key of {ref}: "
            "the file was altered or swapped; restore it from your backup"
        ) from error
    value: dict[str, Any] = json.loads(plain)
    return value


def request_key(keys: Path, ref: str) -> bytes:
    """The 32 bytes of one request's own key."""
    path = _key_path(keys, ref)
    if not path.exists():
        raise KeyMissing(_lost(f"{keys.name}/{durable.short_name(path)}", ref))
    return read_secret(path)


def _lost(name: str, ref: str) -> str:
    return (
        f"{name}: not there, expected it beside an open request: nobody can tell what it asks for; "
        f"restore it from your backup, or end the request with `lethe deny {ref} --reason TEXT`; "
        "one that is in a run is first given back with `lethe abort`"
    )


def with_key(keys: Path) -> frozenset[str]:
    """The requests that have a key."""
    return frozenset(path.stem for path in (keys / REQUESTS).glob("*.key"))


def shred(keys: Path, ref: str) -> None:
    """Destroy a request's key, and with it the content of its sealed file; twice is harmless.

    The file is unlinked: copies that a file system's snapshots keep are beyond its reach.
    """
    durable.remove_file(_key_path(keys, ref), within=keys)


def discard(path: Path, keys: Path, ref: str) -> None:
    """Remove a sealed file with its key; what is not there is no error.

    UnknownReference for what is no reference, before anything goes.
    """
    key = _key_path(keys, ref)
    durable.remove_file(path, within=path.parent)
    durable.remove_file(key, within=keys)


def clear_unfinished(folder: Path, keys: Path) -> None:
    """Remove what a killed write left beside sealed files and keys."""
    for place in (folder, keys / REQUESTS):
        durable.clear_unfinished(place)


def is_reference(text: str) -> bool:
    """Whether a text may be a request's reference, and so the name of its file."""
    return _REFERENCE.fullmatch(text) is not None


def require_reference(text: str) -> None:
    """UnknownReference for a text that cannot be a request's reference."""
    if not is_reference(text):
        raise UnknownReference("a reference has 1 to 64 letters, digits and hyphens, got another")


def _key_path(keys: Path, ref: str) -> Path:
    require_reference(ref)
    return keys / REQUESTS / f"{ref}.key"
