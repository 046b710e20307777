"""A checkpoint: the log's head at one moment, signed, for whoever keeps it outside.

Held against the log later, it finds a log that was cut below it, or written anew. Its root is that
of a Merkle tree whose leaves are the log's lines, so that one entry can be proved by it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import keyring
from ledger.chain import Entry
from ledger.checkpoint.merkle import Tree, tree_of
from ledger.keyring import Keyring
from unlearning.counting import numbered
from unlearning.digests import sha256_hex
from unlearning.errors import IntegrityError

TYPE = "lethe/checkpoint/1"

WITNESSED = "witnessed"
"""Event of the log: a witness was given what it lacked; names it by the digest of its address."""


def name_of(witness: str) -> str:
    """Give the name of a witness in the log: a digest of its address."""
    return sha256_hex(witness.encode())[:16]


@dataclass(frozen=True)
class Checkpoint:
    """The last entry of a log: its number, its hash and when it was written.

    root: of the Merkle tree over all lines, in hexadecimal; empty in checkpoints of before.
    """

    entries: int
    head: str
    at: str
    root: str = ""


def of_entry(last: Entry, tree: Tree) -> Checkpoint:
    """Give the checkpoint of a log that ends with this entry. tree: over all its lines."""
    return Checkpoint(last.seq, last.hash, last.at, tree.root.hex())


def of_log(entries: Sequence[Entry]) -> Checkpoint:
    """Give the checkpoint of a log, which has entries."""
    return of_entry(entries[-1], tree_of(entry.line() for entry in entries))


def signed(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    """Give a checkpoint as it is handed out: the same bytes for the same entry."""
    return keyring.signed({"type": TYPE, **asdict(checkpoint)}, key)


def checked(content: bytes, ring: Keyring) -> Checkpoint:
    """Read a checkpoint; IntegrityError unless one of these keys signed it."""
    try:
        return Checkpoint(**keyring.said_by(ring, content, TYPE))
    except keyring.NONSENSE as error:
        raise IntegrityError(
            "checkpoint: is none that the given key signed, expected one as the witness was "
            "given: it was altered, or is another workspace's"
        ) from error


def objections(checkpoints: list[Checkpoint], entries: tuple[Entry, ...]) -> list[str]:
    """Where a log is not the one that its checkpoints saw, one line each."""
    return [
        f"checkpoint of entry {seen.entries}: the log has "
        + (
            f"{entries[seen.entries - 1].hash[:16]} there"
            if seen.entries <= len(entries)
            else numbered(len(entries), "entry", "entries")
        )
        + f", expected {seen.head[:16]}: it was cut or written anew since {seen.at}"
        for seen in checkpoints
        if seen.entries > len(entries) or entries[seen.entries - 1].hash != seen.head
    ]
