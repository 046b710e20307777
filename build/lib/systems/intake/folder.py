"""Requests from a watched folder: a file counts once it is renamed into it, and then goes.

What cannot be read is moved to refused/ with its reason beside it. A file's name may be a person's,
so it stands in no log.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ledger import durable
from ledger.inbox import Incoming
from ledger.sources import SourceKeys
from systems.intake.read import read
from systems.intake.receiving import OURS, Reception, told
from unlearning.digests import sha256_hex
from unlearning.errors import InfrastructureError, UsageError

logger = logging.getLogger(__name__)

DOOR = "folder"
TAKING, REFUSED = "taking", "refused"
SUFFIX = ".json"
EVERY = 1.0  # seconds between two looks
LONGEST = 150  # bytes of a file's name that are kept, since a reason's name is longer


@dataclass(frozen=True)
class Watched:
    """Takes what a folder has. source: whose files these are. limit: bytes of one file."""

    folder: Path
    source: str
    reception: Reception
    keys: SourceKeys
    limit: int

    def run(self, stop: Event) -> None:
        """Look until told to stop; what fails is tried again at the next look, and told once."""
        told = ""
        while not stop.is_set():
            problem = self._problem()
            if problem and problem != told:
                logger.warning("watched folder: %s", problem)
            told = problem
            stop.wait(EVERY)

    def _problem(self) -> str:
        """Sweep, and say what is wrong with the folder itself."""
        try:
            self.sweep()
        except Exception as problem:  # noqa: BLE001  # a folder is never given up
            return told(problem)
        return ""

    def sweep(self) -> int:
        """Take every file that is complete; give how many requests are in the inbox for it."""
        for place in (self.folder, self.folder / TAKING, self.folder / REFUSED):
            durable.make_folder(place)
        self.keys.require(self.source)
        return sum(self._taken(path) for path in self._claimed())

    def _claimed(self) -> Iterator[Path]:
        """Files that are ours alone: another of the same name may be renamed in meanwhile."""
        yield from sorted((self.folder / TAKING).glob(f"[!.]*{SUFFIX}"))
        for path in sorted(self.folder.glob(f"[!.]*{SUFFIX}")):
            claimed = self.folder / TAKING / path.name
            if not path.is_dir() and not claimed.exists():
                with _moving(TAKING):
                    path.rename(claimed)
                yield claimed

    def _taken(self, path: Path) -> bool:
        try:
            self.reception.counted(DOOR, lambda: self._incoming(path))
        except OURS:
            raise
        except Exception as problem:  # noqa: BLE001  # the others behind it must go on
            self._refuse(path, told(problem))
            return False
        durable.remove_file(path, within=self.folder)
        return True

    def _incoming(self, path: Path) -> Incoming:
        content, written = _content(path, self.limit)
        # The same file after a kill, and another request if it is written anew.
        own = f"file {sha256_hex(f'{path.name} {written} '.encode() + content)}"
        return read({}, content).incoming(self.source, own, self.reception.clock())

    def _refuse(self, path: Path, reason: str) -> None:
        logger.error("watched folder: a file is moved to %s/: %s", REFUSED, reason)
        name = f"{path.lstat().st_mtime_ns}-{path.stem.encode()[:LONGEST].decode(errors='ignore')}"
        target = self.folder / REFUSED / f"{name}{SUFFIX}"
        with _moving(REFUSED):
            target.with_suffix(".reason").touch(durable.PRIVATE)
            target.with_suffix(".reason").write_text(f"{reason}\n", encoding="utf-8")
            path.replace(target)


@contextmanager
def _moving(place: str) -> Iterator[None]:
    """One line that names the place alone: a file's name may be a person's."""
    try:
        yield
    except OSError as problem:
        raise InfrastructureError(
            f"{place}/: cannot be written ({problem.strerror}): free space or make it writable"
        ) from problem


def _content(path: Path, limit: int) -> tuple[bytes, int]:
    """A plain file's bytes, and when it was written; UsageError for a link or one that is too long.

    A link would let its owner have any file of ours read.
    """
    if path.is_symlink() or not path.is_file():
        raise UsageError("file: is a link or no plain file, expected a plain file")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except PermissionError as problem:  # its own fault, and the others behind it must go on
        raise UsageError("file: cannot be read, expected one that may be") from problem
    with _moving(TAKING), os.fdopen(descriptor, "rb") as file:
        written = os.fstat(descriptor).st_mtime_ns
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UsageError(f"file: is longer than {limit} bytes, expected less")
    return content, written
