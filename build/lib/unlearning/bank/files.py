"""The files of a shadow bank: one of arrays a shadow, and an index that names each by its SHA-256.

Whoever knows the SHA-256 of the index knows that of every shadow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save_file

from unlearning.bank.shadow_training import Answers
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError

INDEX = "bank.json"
DIGESTS = "sha256"

Seal = Callable[[Path, str], None]
"""Told a bank's folder and the SHA-256 of its index, just before the index is written."""


def shadow_path(folder: Path, shadow: int) -> Path:
    """Name a shadow's file."""
    return folder / f"shadow-{shadow:03d}.safetensors"


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as one safetensors file, whole or not at all."""
    part = path.with_suffix(".part")
    save_file(arrays, part)
    part.replace(path)


def readable(path: Path) -> Answers | None:
    """Give what an unfinished bank has of a shadow; None for no file, or for what a crash left."""
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError):
        return None


def write_index(folder: Path, index: Mapping[str, Any], seal: Seal | None = None) -> None:
    """Write bank.json last: a folder that has it is complete.

    index: "plan" and "ids" at least; the digests of the shadows are added.
    """
    shadows = [shadow_path(folder, shadow) for shadow in range(index["plan"]["shadows"])]
    digests = {path.name: sha256_file(path) for path in shadows}
    content = json.dumps({**index, DIGESTS: digests}).encode()
    if seal:
        seal(folder, hashlib.sha256(content).hexdigest())
    part = folder / "bank.part"
    part.write_bytes(content)
    part.replace(folder / INDEX)


def bank_complete(folder: Path) -> bool:
    """Say whether a bank's folder was finished."""
    return (folder / INDEX).is_file()


def index_digest(folder: Path) -> str:
    """Give the SHA-256 of a finished bank's index."""
    return sha256_file(folder / INDEX)


def read_index(folder: Path) -> dict[str, Any]:
    """Read a finished bank's index; IntegrityError if it is none."""
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_bytes())
        complete = len(index[DIGESTS]) == index["plan"]["shadows"] and bool(index["ids"])
    except (ValueError, KeyError, TypeError) as problem:
        raise altered(folder, f"{INDEX} is no index of a bank") from problem
    if not complete:
        raise altered(folder, f"{INDEX} does not name every shadow")
    return index


def read_shadow(folder: Path, shadow: int, index: Mapping[str, Any]) -> Answers:
    """Read a shadow's arrays; IntegrityError unless they are the bytes that the index names."""
    path = shadow_path(folder, shadow)
    content = path.read_bytes() if path.is_file() else b""
    got, expected = hashlib.sha256(content).hexdigest(), index[DIGESTS].get(path.name, "nothing")
    if got != expected:
        found = f"SHA-256 {got[:16]}" if content else "no bytes"
        raise altered(folder, f"{path.name}: got {found}, expected {expected[:16]}")
    return dict(load(content))


def altered(folder: Path, what: str) -> IntegrityError:
    """Say that a bank is not what it was, and what to do."""
    return IntegrityError(
        f"shadow bank {folder.name}: {what}; nothing was judged by it: put its folder in "
        "artifacts/bank aside for inspection, and build it again with `lethe train --shadows K`"
    )
