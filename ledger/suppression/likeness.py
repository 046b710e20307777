"""What an erased picture looks like, on the list and readable under the list's key alone.

Near matches need distances, which an HMAC does not have: so it is encrypted (AES-256-SIV, under a
key made of the list's), and the same likeness has the same line. Whoever has no key learns how many
there are; whoever has it learns 128 bits of coarse light and dark of each, and whether a picture
that he holds looks like an erased one.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from unlearning.digests import from_hex

PICTURE = "picture"
"""The kind of a line that holds a likeness."""

HASH = 16  # bytes of one likeness
_TAG = 16  # bytes that SIV puts before what it encrypts
SEALED = _TAG + 2 * HASH + 1
"""Bytes of a line's ciphertext."""


@dataclass(frozen=True)
class Likeness:
    """A picture's perceptual hash, upright and mirrored, 16 bytes each; personal data.

    within: bits by which another picture may differ and be taken for it, 0 to 255, by how far the
    pictures of others are where it was erased.
    """

    upright: bytes
    mirrored: bytes
    within: int


def sealed(key: bytes, likenesses: Iterable[Likeness]) -> list[str]:
    """Encrypt likenesses under the list's key, in hexadecimal: the same for the same."""
    cipher = _cipher(key)
    return [
        cipher.encrypt(one.upright + one.mirrored + bytes([one.within]), None).hex()
        for one in likenesses
    ]


def opened(key: bytes, texts: Iterable[str]) -> list[Likeness]:
    """Decrypt them again; ValueError if one was altered, or is under another key."""
    cipher = _cipher(key)
    try:
        plain = [cipher.decrypt(from_hex(text), None) for text in texts]
    except InvalidTag as error:
        raise ValueError("another key or content") from error
    return [Likeness(one[:HASH], one[HASH : 2 * HASH], one[2 * HASH]) for one in plain]


def _cipher(key: bytes) -> AESSIV:
    return AESSIV(hmac.digest(key, b"likeness of erased pictures", "sha512"))
