"""Networks in artifacts/trained: what was trained once, by all that it follows from, is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.running.run import read_json, write_json
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError

TRAINED = "trained"


def note_trained(target: Path, fields: Mapping[str, Any]) -> None:
    """Note what is known of a network beside it, `sha256` among it: from here on it is whole."""
    write_json(target.with_suffix(".json"), dict(fields))


def noted_of(target: Path, what: str, again: str) -> dict[str, Any] | None:
    """Give what was noted of a network; None if none was finished, or it was removed since.

    IntegrityError if its bytes are others. what, again: how it is called, how it is made anew.
    """
    described = target.with_suffix(".json")
    if not (described.is_file() and target.is_file()):
        return None
    found: dict[str, Any] = read_json(described)
    if sha256_file(target) != found["sha256"]:
        raise IntegrityError(
            f"{what}: its bytes are not those that were written; expected an unchanged file; "
            f"remove it and {again}"
        )
    return found
