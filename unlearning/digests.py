"""Digests: how bytes, a file, an array or a set of settings is named by its content.

Light, since the ledger imports it: no numpy, no torch.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearning.errors import Unrecordable

if TYPE_CHECKING:
    from numpy.typing import NDArray


def canonical_json(value: Any) -> bytes:
    """Encode a value as JSON with sorted keys, no spaces, in UTF-8: one spelling per value.

    Raises Unrecordable for NaN, infinity and anything that JSON cannot hold.
    """
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except (TypeError, ValueError) as error:
        raise Unrecordable(
            f"a {type(value).__name__} cannot be written as canonical JSON ({error}): "
            "expected finite numbers, text, lists and string-keyed objects"
        ) from error


def sha256_hex(content: bytes) -> str:
    """SHA-256 of bytes, 64 hexadecimal characters."""
    return hashlib.sha256(content).hexdigest()


def from_hex(text: str) -> bytes:
    """Decode hexadecimal digits in the one spelling that is written here; ValueError for another.

    In any other, a signature whose letters were made capitals would be another file's and genuine.
    """
    found = bytes.fromhex(text)
    if found.hex() != text:
        raise ValueError("expected hexadecimal digits in small letters and nothing between them")
    return found


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value in its one canonical spelling."""
    return sha256_hex(canonical_json(value))


def digest_of_arrays(*arrays: NDArray[Any]) -> str:
    """One SHA-256 of several arrays: types, shapes and bytes in row-major order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
