"""The newest suppression list that can be had, held against the list of a backup.

Whoever was erased after a backup was taken is on a newer list alone. Lists only grow, so one that
lacks a line of the backup's is an older one, or another workspace's.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import keyring, suppression
from ledger.keyring import Keyring
from ledger.suppression import Suppression
from unlearning.errors import IntegrityError

TYPE = "lethe/suppression/1"


@dataclass(frozen=True)
class Kept:
    """A list as a witness keeps it. entries: how long the log was that vouches for it."""

    entries: int
    content: bytes


def signed(kept: Kept, key: Ed25519PrivateKey) -> bytes:
    """Give a list as a witness gets it: the same bytes for the same list."""
    said = {"type": TYPE, "entries": kept.entries, "list": kept.content.decode()}
    return keyring.signed(said, key)


def checked(content: bytes, ring: Keyring) -> Kept:
    """Read a list that a witness kept; IntegrityError unless one of these keys signed it."""
    try:
        said = keyring.said_by(ring, content, TYPE)
        return Kept(int(said["entries"]), str(said["list"]).encode())
    except keyring.NONSENSE as error:
        raise IntegrityError(
            "suppression list: is none that the given key signed, expected one as the witness was "
            "given: it was altered, or is another workspace's"
        ) from error


def require_newer(own: Suppression, content: bytes, name: str) -> Suppression:
    """Read a newer list under the key of the backup's own.

    IntegrityError for one under another key, or without some of the backup's lines.
    """
    found = suppression.parsed(content, own.key, name)
    if missing := len(own.tokens.keys() - found.tokens.keys()):
        raise IntegrityError(
            f"{name}: lacks {missing} lines of the backup's own list, expected a newer one, which "
            "has them all: give the list of the workspace as it was last"
        )
    return found
