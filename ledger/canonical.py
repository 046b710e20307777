"""One byte sequence per value, and digests of byte sequences."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.errors import UnfitForLog, UsageError


def canonical_json(value: Any) -> bytes:
    """Encode a value as JSON with sorted keys, no spaces, in UTF-8.

    Raises UnfitForLog for NaN, infinity and anything that JSON cannot hold.
    """
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except (TypeError, ValueError) as error:
        raise UnfitForLog(
            f"a {type(value).__name__} cannot be written as canonical JSON ({error}): "
            "expected finite numbers, text, lists and string-keyed objects"
        ) from error


def sha256_hex(content: bytes) -> str:
    """SHA-256 of bytes, 64 hexadecimal characters."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def timestamp(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC; a moment without a zone raises UsageError."""
    if moment.tzinfo is None:
        raise UsageError(f"time {moment.isoformat()} has no zone: expected one, such as +00:00")
    return moment.astimezone(UTC).isoformat()
