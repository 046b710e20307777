"""What a place outside is asked for, and what came of it."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from systems.copies import Status


@dataclass(frozen=True)
class Demand:
    """What is to be gone: personal data, but for the reference.

    reference: the run's. examples: their ids. subjects: the people of whom nothing is left. shards:
    names of those that were replaced. images: SHA-256 of stored pictures. objects: MD5 of replaced
    shards. seen: the mark of the place when it was seen to hold files, at an earlier try.
    """

    reference: str
    examples: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    images: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()
    seen: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a try came to; nothing in it tells of a person.

    why: why it is not gone. until: when what is kept may go. looked, removed: how many files,
    versions of objects, or ids. answer: what a system signed, or what else the receipt says.
    """

    status: Status
    why: str | None = None
    until: datetime | None = None
    looked: int = 0
    removed: int = 0
    answer: Mapping[str, Any] = field(default_factory=dict)


class Place(Protocol):
    """A place outside; InfrastructureError where it does not answer, without a name in it."""

    def reach(self) -> None:
        """Raise unless it answers; nothing is changed."""

    def mark(self) -> str | None:
        """Tell this very place from another at its address, while it holds files; else None."""

    def remove(self, demand: Demand) -> Outcome:
        """Remove what is demanded and look again; again after a crash, it comes to the same."""


@dataclass(frozen=True)
class Wanted:
    """Which files are meant: by whole names, by the folders they lie in, by what they hold.

    traces: folders that are named by an id, in whole or in part, and go once they are empty.
    """

    names: frozenset[str]
    folders: frozenset[str]
    digests: frozenset[str]
    traces: frozenset[str]

    @staticmethod
    def of(demand: Demand, templates: Iterable[str], *, content: bool) -> Wanted:
        """Put every id into every name; ids are compared with what is listed, never opened.

        Only the settings say that a whole folder is meant, never an id that ends with a slash.
        """
        values: dict[str, Collection[str]] = {
            "{example}": demand.examples,
            "{subject}": demand.subjects,
            "{shard}": demand.shards,
        }
        made = {
            (template.replace(slot, value), template.index(slot), template.endswith("/"))
            for template in templates
            for slot, known in values.items()
            if slot in template
            for value in known
        }
        return Wanted(
            frozenset(name for name, _, whole in made if not whole),
            frozenset(name for name, _, whole in made if whole),
            demand.images | demand.objects if content else frozenset(),
            frozenset(above for name, start, _ in made for above in _above(name, start)),
        )

    def named(self, path: str) -> bool:
        """Whether a path below the place is meant by its name."""
        return path in self.names or any(one in self.folders for one in _above(path, 0))

    def spellings(self, path: str) -> set[str]:
        """Give the names that are meant and differ from a path by case or Unicode form alone.

        Some file systems take both for one file, or write a name in a form of their own.
        """
        folded = _folded(path)
        found = set(self._folded_names.get(folded, ()))
        for above in _above(path, 0):
            rest = path[len(above) :]
            found |= {one + rest for one in self._folded_folders.get(_folded(above), ())}
        return found - {path}

    @cached_property
    def _folded_names(self) -> dict[str, set[str]]:
        return _by_folded(self.names)

    @cached_property
    def _folded_folders(self) -> dict[str, set[str]]:
        return _by_folded(self.folders)

    def is_trace(self, folder: str) -> bool:
        """Whether a folder that is empty would tell of somebody by its name."""
        return f"{folder}/" in self.traces or self.named(f"{folder}/")

    def held(self, pieces: Iterable[bytes]) -> bool:
        """Whether these bytes, piece by piece, are a picture's or a replaced shard's."""
        if not self.digests:
            return False
        digests = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for piece in pieces:
            for digest in digests:
                digest.update(piece)
        return not self.digests.isdisjoint(digest.hexdigest() for digest in digests)


def _above(path: str, start: int) -> Iterator[str]:
    """Give the folders that a path names, each with its slash, from a place in it on."""
    return (path[: end + 1] for end, letter in enumerate(path) if letter == "/" and end >= start)


def _by_folded(names: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name in names:
        found[_folded(name)].add(name)
    return found


def _folded(path: str) -> str:
    """Write a path as no two do that differ by case or Unicode form alone."""
    plain = unicodedata.normalize("NFC", path).casefold()
    return unicodedata.normalize("NFC", plain)
