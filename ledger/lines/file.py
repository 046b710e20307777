"""A log in a file, one line an entry, and its tables in a file of SQLite beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ledger import durable
from ledger.errors import WorkspaceBusy
from ledger.lock import require_held

if TYPE_CHECKING:
    from ledger.chain import Entry
    from ledger.projection import Projection

LOG, TABLES, LOCK = "log.jsonl", "ledger.db", "lock"


@dataclass(frozen=True)
class InFile:
    """The lines of a log in the file `path`, which need not exist yet."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def size(self) -> int:
        """The file's bytes, a torn last line included."""
        return self.path.stat().st_size if self.path.exists() else 0

    def read(self, start: int = 0) -> bytes:
        """The file's bytes from `start` on; InfrastructureError where it does not exist."""
        with durable.reading(self.path), self.path.open("rb") as file:
            file.seek(start)
            return file.read()

    def append(self, entry: Entry, *, at: int) -> None:
        """Write a line; what a crash left after `at` is cut off.

        WorkspaceBusy if somebody else has written, or is at it: whoever lost the workspace's lock
        and was held up between a look at the file and this would write over what came meanwhile.
        """
        with durable.only_writer(self.path) as end:
            self.require_held()  # from here on nobody who took the lock gets past `fence`
            if end is None or not self._ends(at, end):
                raise self._busy("is not as it was read")
            durable.append(self.path, entry.line(), at=at)

    def fence(self) -> None:
        """Let no more come from whoever lost the lock; what is there is on the disk.

        WorkspaceBusy while one of them is writing: the disk may still refuse his line.
        """
        if self.path.exists():
            with durable.only_writer(self.path) as end:
                if end is None:
                    raise self._busy("is being written")
                durable.sync(self.path)

    def _busy(self, what: str) -> WorkspaceBusy:
        return WorkspaceBusy(
            f"{self.name}: {what}: another process writes to this workspace; wait until it has "
            "ended, then try again"
        )

    def _ends(self, at: int, end: int) -> bool:
        """Whether no whole line follows `at`, where a crash may have left part of one."""
        return end == at or (end > at and b"\n" not in self.read(at))

    def require_held(self) -> None:
        """WorkspaceBusy if this process took the lock file beside it, and that is another now."""
        require_held(self.path.with_name(LOCK))

    def tables(self, *, read_only: bool) -> Projection:
        """The tables in the file beside it, which follow after the line is written."""
        from ledger.projection import Projection  # SQLAlchemy takes half a second to import

        opened = Projection.in_memory if read_only else Projection.on_disk
        return opened(self.path.with_name(TABLES))
