"""How much of a log was verified before: noted, so that no command does it all again.

keys/verified.json names a prefix of the log by the SHA-256 of its bytes. Its MAC is made under a
key that follows from the signing key, so whoever could forge it could as well sign a log. A note
that is missing, under another key, or of other bytes says nothing, and all is verified; whoever
audits never asks for it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import durable
from ledger.chain import Chain, Entry, read_chain
from ledger.keyring import NONSENSE, Keyring
from unlearning.digests import canonical_json, from_hex
from unlearning.errors import InfrastructureError

NOTE = "verified.json"
WORTH = 1000
"""Entries after which a note is made anew; to verify so many takes a seventh of a second."""

_PURPOSE = b"lethe/verified/1"


@dataclass(frozen=True)
class Prefix:
    """The beginning of a log that was verified from its first line on.

    length: its bytes, whose SHA-256 is sha256. head: hash of its last entry. signers: the public
    keys that signed it, in order, in hexadecimal; the last one is to sign what follows.
    """

    entries: int
    length: int
    sha256: str
    head: str
    signers: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """A log's bytes, verified. known: how many of them a note vouched for; chain: all after them.

    length: of all genuine lines. signers: the public keys that signed them, in order.
    """

    known: int
    length: int
    chain: Chain
    head: str
    signers: tuple[bytes, ...]


@dataclass(frozen=True)
class Noted:
    """Where a workspace's note lies, and the key that signs its log."""

    path: Path
    key: Ed25519PrivateKey

    def prefix(self, content: bytes, ring: Keyring) -> Prefix | None:
        """What was verified of these bytes by these public keys; None if nobody vouches for it."""
        try:
            said = json.loads(self.path.read_bytes())
            mac = from_hex(said.pop("mac"))
            if not hmac.compare_digest(mac, self._mac(said)):
                return None
            found = Prefix(**{**said, "signers": tuple(said["signers"])})
        except (OSError, *NONSENSE):
            return None
        first = from_hex(found.signers[0])
        same = first in ring.keys and found.sha256 == _sha256(content, found.length)
        return found if same else None

    def keep(self, prefix: Prefix) -> None:
        """Note it; where nothing can be written, the next command verifies more."""
        said = asdict(prefix)
        with suppress(InfrastructureError):
            durable.write(self.path, canonical_json({**said, "mac": self._mac(said).hex()}))

    def _mac(self, said: object) -> bytes:
        own = hmac.digest(self.key.private_bytes_raw(), _PURPOSE, "sha256")
        return hmac.digest(own, canonical_json(said), "sha256")


def read(content: bytes, ring: Keyring, noted: Noted | None) -> Reading:
    """Verify a log's bytes, but for what a note vouches for."""
    prefix = noted.prefix(content, ring) if noted else None
    if prefix is not None:
        signer = Keyring((from_hex(prefix.signers[-1]),))
        rest = read_chain(content[prefix.length :], signer, excerpt=True)
        if not rest.problem and _follows(rest, prefix):
            return _reading(rest, prefix)
    # Also where something is wrong after the prefix: the words then are those of an auditor.
    return _reading(read_chain(content, ring), None)


def note(content: bytes, reading: Reading, entries: int, noted: Noted) -> None:
    """Note what was verified of a log that has so many entries, if it is enough to be worth it."""
    if len(reading.chain.entries) < WORTH:
        return
    signers = tuple(key.hex() for key in reading.signers)
    sha256 = _sha256(content, reading.length)
    noted.keep(Prefix(entries, reading.length, sha256, reading.head, signers))


def _reading(chain: Chain, prefix: Prefix | None) -> Reading:
    if prefix is None:
        return Reading(0, chain.length, chain, chain.head, chain.keys)
    known = tuple(from_hex(key) for key in prefix.signers[:-1])
    head = chain.head if chain.entries else prefix.head
    length = prefix.length + chain.length
    return Reading(prefix.length, length, chain, head, (*known, *chain.keys))


def _follows(rest: Chain, prefix: Prefix) -> bool:
    first: Entry | None = next(iter(rest.entries), None)
    place = (prefix.entries + 1, prefix.head)
    return first is None or (first.seq, first.previous) == place


def _sha256(content: bytes, length: int) -> str:
    return hashlib.sha256(memoryview(content)[:length]).hexdigest()
