"""The workspace's keys: created once, kept at mode 0600, outside everything that is copied.

keys/shards.key       names the shard of a subject      keys/signing.pem  signs log and evidence
keys/suppression.key  recognises erased examples        keys/requests/    one key per request
keys/inbox.key        reads what waits in the inbox; made by whoever opens the inbox first
keys/sources/         one secret per sending system: `ledger.sources`
records/public.pem    checks the signatures; the only one to hand out: each key that ever
                      signed, oldest first
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ledger import durable
from ledger.errors import KeyMissing, KeyUnusable
from ledger.keyring import Keyring, keyring_of
from unlearning.errors import IntegrityError, LetheError

SIGNING = "signing.pem"
NEXT = "signing.next.pem"
"""The key that is to sign next, until the log says that it does."""

SHARDS = "shards.key"
SUPPRESSION = "suppression.key"
INBOX = "inbox.key"
PUBLIC = "public.pem"
REQUESTS = "requests"
SOURCES = "sources"

_BYTES = 32  # 256 bits: AES-256 and HMAC-SHA256 take as much and no more
# What would be unreadable, or silently lose its meaning, under a new key of that name.
_DEPENDENTS = {SIGNING: PUBLIC, SUPPRESSION: "suppression.jsonl"}


def create_keys(keys: Path, records: Path, *, shards: bytes | None = None) -> None:
    """Create the keys that are missing and the public key; leave the others as they are.

    shards: a shard key that is no secret, of 32 bytes; without it one is drawn.
    Raises KeyMissing where records prove that a key existed: a new one would not fit them.
    """
    for folder in (keys, keys / REQUESTS, records):
        durable.make_folder(folder)
        durable.clear_unfinished(folder)
    for name, dependent in _DEPENDENTS.items():
        if (records / dependent).exists():
            _require(keys / name)
    for name, known in ((SHARDS, shards), (SUPPRESSION, None)):
        if not (keys / name).exists():
            write_secret(keys / name, known)
    if not (keys / SIGNING).exists():
        _write_signing_key(keys / SIGNING)
    if not (records / PUBLIC).exists():
        durable.write(records / PUBLIC, public_pem(load_signing_key(keys).public_key()))


def create_inbox_key(keys: Path) -> None:
    """Create the inbox's key if it is missing; nothing may wait that was sealed under another."""
    durable.make_folder(keys)
    if not (keys / INBOX).exists():
        write_secret(keys / INBOX)


def load_signing_key(keys: Path) -> Ed25519PrivateKey:
    """Read the key that signs the log and the evidence."""
    return _private(keys / SIGNING)


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(_require(path), password=None)
    except (ValueError, TypeError) as error:
        raise KeyUnusable(f"{durable.short_name(path)}: got no private key: {_EXPECTED}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"{durable.short_name(path)}: got {type(key).__name__}: {_EXPECTED}")
    return key


def load_public_keys(path: Path) -> Keyring:
    """Read the keys that check signatures, Ed25519 keys in PEM, oldest first."""
    blocks = _require(path).split(_END)
    pems = [block + _END for block in blocks[:-1]]
    if not pems or blocks[-1].strip():
        raise KeyUnusable(f"{durable.short_name(path)}: got no public key: {_EXPECTED}")
    return keyring_of(*(_public(path, pem) for pem in pems))


def _public(path: Path, pem: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise KeyUnusable(f"{durable.short_name(path)}: got no public key: {_EXPECTED}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnusable(f"{durable.short_name(path)}: got {type(key).__name__}: {_EXPECTED}")
    return key


def matching_key(keys: Path, records: Path) -> Ed25519PrivateKey:
    """The signing key, once it is sure that the records' public key belongs to it."""
    private = load_signing_key(keys)
    if private.public_key().public_bytes_raw() != load_public_keys(records / PUBLIC).newest:
        raise IntegrityError(
            f"{keys.name}/{SIGNING} does not belong to {records.name}/{PUBLIC}: "
            "restore the pair that wrote this log from your backup"
        )
    return private


def next_signing_key(keys: Path) -> Ed25519PrivateKey:
    """Draw the key that is to sign next, or give the one that was drawn already."""
    path = keys / NEXT
    if not path.exists():
        _write_signing_key(path)
    return _private(path)


def settle_rotation(keys: Path, records: Path, newest: bytes) -> None:
    """Finish a change of keys that a crash cut off, or take it back if the log never told of it.

    newest: the public key that signs the next entry, by the log.
    """
    path = keys / NEXT
    if not path.exists():
        return
    public = _private(path).public_key()
    if public.public_bytes_raw() == newest:
        known = durable.read(records / PUBLIC)
        if newest not in load_public_keys(records / PUBLIC).keys:
            durable.write(records / PUBLIC, known.rstrip() + b"\n" + public_pem(public))
        durable.write(keys / SIGNING, durable.read(path))
    durable.remove_file(path, within=keys)


def public_pem(key: Ed25519PublicKey) -> bytes:
    """A public key as the PEM text that is handed out."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def shard_key(keys: Path) -> bytes:
    """The 32 bytes that decide which shard a subject lies in."""
    return read_secret(keys / SHARDS)


def suppression_key(keys: Path) -> bytes:
    """The 32 bytes under which erased examples are recognised."""
    return read_secret(keys / SUPPRESSION)


def write_secret(path: Path, known: bytes | None = None) -> bytes:
    """Draw 32 bytes, or take known ones; store them in hexadecimal, readable by the owner only."""
    secret = known or secrets.token_bytes(_BYTES)
    durable.write(path, secret.hex().encode() + b"\n")
    return secret


def read_secret(path: Path) -> bytes:
    """Read 32 bytes that `write_secret` stored."""
    text = _require(path)
    try:
        secret = bytes.fromhex(text.decode())
    except ValueError:
        secret = b""
    if len(secret) != _BYTES:
        raise KeyUnusable(
            f"{durable.short_name(path)}: got {len(text)} bytes that are no key: "
            f"expected {2 * _BYTES} hexadecimal characters; restore it from your backup"
        )
    return secret


def check_keys(keys: Path) -> list[str]:
    """List what is wrong with the keys, one line each; an empty list is good news."""
    problems = [f"{keys.name}: {problem}" for problem in _exposed(keys, 0o700)]
    for name in (SHARDS, SUPPRESSION):
        problems += _complaints(keys / name)
    problems += _complaints(keys / SIGNING)
    if (keys / INBOX).exists():  # a workspace that never opened its inbox has none
        problems += _complaints(keys / INBOX)
    for path in sorted((keys / REQUESTS).glob("*.key")):
        problems += _complaints(path)
    for path in sorted((keys / SOURCES).glob("*.key")):
        problems += [f"{durable.short_name(path)}: {told}" for told in _exposed(path, 0o600)]
    return problems


_END = b"-----END PUBLIC KEY-----"
_EXPECTED = "expected an Ed25519 key in PEM; restore it from your backup"


def _require(path: Path) -> bytes:
    if not path.exists():
        raise KeyMissing(
            f"{durable.short_name(path)}: not there, expected a key: restore it from your backup, "
            "or run `lethe init` in a new workspace"
        )
    return durable.read(path)


def _write_signing_key(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    durable.write(path, pem)


def _complaints(path: Path) -> Iterator[str]:
    try:
        load_signing_key(path.parent) if path.name == SIGNING else read_secret(path)
    except LetheError as error:
        yield str(error)
        return
    for problem in _exposed(path, 0o600):
        yield f"{durable.short_name(path)}: {problem}"


def _exposed(path: Path, expected: int) -> Iterator[str]:
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else expected
    if mode & ~expected:
        yield f"mode is {mode:04o}, expected {expected:04o}: run `chmod {expected:o}` on it"
