"""A backup's bytes, sealed piece by piece under a key of its own.

Each piece is AES-256-GCM, its nonce a counter that also says whether it is the last, so that
pieces cannot be exchanged, repeated or left out, nor the end cut off. No key seals two backups.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import SealAltered

MAGIC = b"lethe/backup/1\n"
PIECE = 1 << 20  # bytes of plain text: as much as is held in memory at once
TAG = 16  # bytes that GCM adds
_REFERENCE = re.compile(r"bk-[0-9a-f]{12}")


def new_reference() -> str:
    """Name a backup that is to be taken."""
    return f"bk-{secrets.token_hex(6)}"


def is_reference(text: str) -> bool:
    """Whether a text may be a backup's reference, and so the name of its files."""
    return _REFERENCE.fullmatch(text) is not None


class Sealing:
    """A file to write to, whose bytes go sealed into another; to be closed for its last piece."""

    def __init__(self, to: BinaryIO, key: bytes, ref: str) -> None:
        """Begin. key: 32 bytes that sealed nothing before. ref: what the pieces are bound to."""
        self._to, self._cipher, self._ref = to, AESGCM(key), ref.encode()
        self._rest, self._count = bytearray(), 0
        self._digest, self.written = hashlib.sha256(), 0
        self._put(MAGIC)

    def write(self, content: bytes) -> int:
        """Take bytes; what fills a piece goes on."""
        self._rest += content
        while len(self._rest) > PIECE:  # more than one: the last piece is not sealed before the end
            self._seal(bytes(self._rest[:PIECE]), last=False)
            del self._rest[:PIECE]
        return len(content)

    def finish(self) -> str:
        """Seal the last piece; give the SHA-256 of all that was written."""
        self._seal(bytes(self._rest), last=True)
        return self._digest.hexdigest()

    def _seal(self, plain: bytes, *, last: bool) -> None:
        nonce = _nonce(self._count, last=last)
        self._put(self._cipher.encrypt(nonce, plain, self._ref))
        self._count += 1

    def _put(self, content: bytes) -> None:
        self._to.write(content)
        self._digest.update(content)
        self.written += len(content)


class Unsealing:
    """A file to read from: the plain bytes of a sealed one; SealAltered where one is another."""

    def __init__(self, source: BinaryIO, key: bytes, ref: str) -> None:
        """Begin; SealAltered if this is no backup."""
        self._source, self._cipher, self._ref = source, AESGCM(key), ref.encode()
        self._plain, self._count, self._ended = bytearray(), 0, False
        if source.read(len(MAGIC)) != MAGIC:
            raise SealAltered(f"{ref}: does not begin as a backup does: {_ELSE}")
        self._ahead = source.read(PIECE + TAG)

    def read(self, size: int) -> bytes:
        """Give up to so many bytes; none at the end."""
        if not self._plain and not self._ended:
            self._open_next()
        taken = bytes(self._plain[:size])
        del self._plain[:size]
        return taken

    def require_end(self) -> None:
        """Open what is left, so that every piece was looked at; SealAltered as above."""
        while not self._ended:
            self._open_next()

    def _open_next(self) -> None:
        piece, self._ahead = self._ahead, self._source.read(PIECE + TAG)
        self._ended = not self._ahead
        try:
            nonce = _nonce(self._count, last=self._ended)
            self._plain += self._cipher.decrypt(nonce, piece, self._ref)
        except (InvalidTag, ValueError) as error:
            raise SealAltered(
                f"{self._ref.decode()}: piece {self._count + 1} does not open: it was altered or "
                f"cut off, or the key is another backup's: {_ELSE}"
            ) from error
        self._count += 1


_ELSE = "take another copy of it, or an earlier backup"


def _nonce(count: int, *, last: bool) -> bytes:
    return count.to_bytes(11, "big") + bytes([last])
