"""Networks in artifacts/trained: what was trained once, by all that it follows from, is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from systems.copies import Copy, Status
from tasks.running.opened import Opened
from tasks.running.run import read_json, write_json
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError

TRAINED = "trained"

FOLDER = f"artifacts/{TRAINED}"
"""What copies call this place."""

_KINDS = {"judge": "judge, which learned from holdout pictures of every class", "": "network"}


def files(at: Opened) -> list[Path]:
    """Give the files of networks that lie there: each learned from the data of its time."""
    return sorted((at.ws.artifacts / TRAINED).glob("*.safetensors"))


def copy_of(path: Path, status: Status = Status.PRESENT, why: str | None = None) -> Copy:
    """Tell of such a file as a copy: a judge, or a first model or one to compare with."""
    kind, _, name = path.stem.rpartition("-")
    return Copy(FOLDER, f"{_KINDS.get(kind, kind)} {name[:16]}", status, why)


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
