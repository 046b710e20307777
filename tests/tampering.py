"""Seeded changes to bytes and to folders of files: what somebody could do to a log or a bundle."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

LONG = int(os.environ.get("LETHE_PROOF", "0"))
"""How many changes `make proof` asks for; 0 in the tests, which try some hundred."""

Report = Callable[[str, object], None]
"""pytest's `record_property`: what a test reports of itself."""

Change = Callable[[bytes, np.random.Generator], bytes]


def another_byte(content: bytes, rng: np.random.Generator) -> bytes:
    """One byte is another."""
    changed = bytearray(content)
    changed[int(rng.integers(len(changed)))] ^= int(rng.integers(1, 256))
    return bytes(changed)


def cut_off(content: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing, by any number of bytes."""
    return content[: int(rng.integers(len(content)))]


def piece_out(content: bytes, rng: np.random.Generator) -> bytes:
    """Up to a hundred bytes in the middle are missing."""
    start = int(rng.integers(len(content)))
    return content[:start] + content[start + int(rng.integers(1, 101)) :]


def bytes_put_in(content: bytes, rng: np.random.Generator) -> bytes:
    """Up to eight bytes are put in."""
    start = int(rng.integers(len(content) + 1))
    return content[:start] + rng.bytes(int(rng.integers(1, 9))) + content[start:]


def lines_swapped(content: bytes, rng: np.random.Generator) -> bytes:
    """Two lines change places."""
    lines = content.splitlines(keepends=True)
    one, other = (int(place) for place in rng.integers(len(lines), size=2))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def lines_shuffled(content: bytes, rng: np.random.Generator) -> bytes:
    """All lines are in another order."""
    lines = content.splitlines(keepends=True)
    return b"".join(lines[int(place)] for place in rng.permutation(len(lines)))


def line_out(content: bytes, rng: np.random.Generator) -> bytes:
    """A line is missing, the last one too."""
    lines = content.splitlines(keepends=True)
    del lines[int(rng.integers(len(lines)))]
    return b"".join(lines)


def line_twice(content: bytes, rng: np.random.Generator) -> bytes:
    """A line is there twice, the second time anywhere."""
    lines = content.splitlines(keepends=True)
    lines.insert(int(rng.integers(len(lines) + 1)), lines[int(rng.integers(len(lines)))])
    return b"".join(lines)


CHANGES: tuple[Change, ...] = (
    *(another_byte, cut_off, piece_out, bytes_put_in),
    *(lines_swapped, lines_shuffled, line_out, line_twice),
)


def changed(content: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Give so many changes of some bytes, each with its kind; what changes nothing is not one."""
    rng, made = np.random.default_rng(seed), 0
    while made < count:
        change = CHANGES[int(rng.integers(len(CHANGES)))]
        found = change(content, rng)
        if found != content:
            made += 1
            yield change.__name__, found


def altered_folders(folder: Path, count: int, seed: int) -> Iterator[str]:
    """Change a folder in place, one file a time, and put it back before the next; say how.

    A file is changed in its bytes, removed, put beside itself, or exchanged with another.
    """
    rng, made = np.random.default_rng(seed), 0
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    kept = {path: path.read_bytes() for path in files}
    while made < count:
        path = files[int(rng.integers(len(files)))]
        told = _altered(folder, path, kept, rng)
        if told:
            made += 1
            yield f"{path.relative_to(folder)}: {told}"
        _put_back(folder, kept)


def _altered(
    folder: Path, path: Path, kept: dict[Path, bytes], rng: np.random.Generator
) -> str | None:
    kind = int(rng.integers(len(CHANGES) + 3))
    if kind < len(CHANGES):
        found = CHANGES[kind](kept[path], rng) if kept[path] else b"x"
        path.write_bytes(found)
        return CHANGES[kind].__name__ if found != kept[path] else None
    if kind == len(CHANGES):
        path.unlink()
        return "removed"
    if kind == len(CHANGES) + 1:
        path.with_name(f"another-{path.name}").write_bytes(kept[path])
        return "put in twice"
    other = sorted(kept)[int(rng.integers(len(kept)))]
    path.write_bytes(kept[other])
    other.write_bytes(kept[path])
    return f"exchanged with {other.relative_to(folder)}" if kept[path] != kept[other] else None


def _put_back(folder: Path, kept: dict[Path, bytes]) -> None:
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path not in kept:
            path.unlink()
    for path, content in kept.items():
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
