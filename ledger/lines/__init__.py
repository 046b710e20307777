"""Where the lines of a log lie: in a file of the workspace, or in a database named by a URL.

records/database.json says that it is a database, and by its random name whose ledger is in it;
without that note it is the file. The URL, which may hold a password, is kept nowhere.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ledger import durable
from ledger.errors import SealAltered
from ledger.lines.file import LOG as LOG
from ledger.lines.file import TABLES as TABLES
from ledger.lines.file import InFile as InFile
from unlearning.errors import InfrastructureError

if TYPE_CHECKING:
    from ledger.chain import Entry
    from ledger.projection import Projection

ELSEWHERE = "database.json"
"""The note in records/ of a log that lies in a database."""


class Lines(Protocol):
    """The bytes of one log, and the tables that follow from it."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def size(self) -> int:
        """How many bytes it has; 0 where there is none yet."""

    def read(self, start: int = 0) -> bytes:
        """Its bytes from `start` on, which is where a line begins."""

    def append(self, entry: Entry, *, at: int) -> None:
        """Write an entry's line at position `at`; it is on the disk when this returns.

        InfrastructureError if it cannot be, and it is as it was.
        """

    def require_held(self) -> None:
        """WorkspaceBusy if this process took the lock under which it works here, and lost it."""

    def fence(self) -> None:
        """Let nothing more come from whoever held the lock before: called once it was taken.

        WorkspaceBusy while one of them is in the middle of a line.
        """

    def tables(self, *, read_only: bool) -> Projection:
        """The tables; read_only: a copy of them, of which nothing is written down."""


def lines_of(records: Path, url: str | None) -> Lines:
    """Where the log of these records lies; InfrastructureError for a database without its URL."""
    if not (records / ELSEWHERE).is_file():
        return InFile(records / LOG)
    from ledger.databases.lines import InDatabase  # SQLAlchemy takes half a second to import

    return InDatabase.open(_required(url), _ledger(records))


def has_begun(records: Path) -> bool:
    """Whether there is a log, here or in a database."""
    return (records / LOG).is_file() or (records / ELSEWHERE).is_file()


def require_free(url: str) -> None:
    """UsageError if a database holds a ledger already."""
    from ledger.databases.lines import InDatabase

    InDatabase.require_free(url)


def begin(records: Path, url: str) -> None:
    """Let a log that is yet to begin lie in a database; what a crash left undone is gone on with.

    UsageError if another workspace's is there, InfrastructureError if it had begun in another
    database, which it would leave taken for ever.
    """
    from ledger.databases.lines import InDatabase

    if not (records / ELSEWHERE).is_file():
        _note(records, {"ledger": secrets.token_hex(16)})
    ledger = _ledger(records)
    if json.loads(durable.read(records / ELSEWHERE)).get("begun"):
        InDatabase.open(url, ledger)
    InDatabase.create(url, ledger)
    _note(records, {"ledger": ledger, "begun": True})


def _note(records: Path, value: dict[str, Any]) -> None:
    durable.write(records / ELSEWHERE, json.dumps(value).encode())


def discard(records: Path, url: str | None) -> None:
    """Take a log back that was begun here and is nobody's yet."""
    if (records / ELSEWHERE).is_file():
        from ledger.databases.lines import InDatabase

        InDatabase.discard(_required(url), _ledger(records))
    durable.remove_file(records / LOG, within=records)


@contextmanager
def held(records: Path, url: str | None, doing: str = "work") -> Iterator[None]:
    """Be the only one, of all machines, that does this with the log; WorkspaceBusy if another is.

    A file needs no more than a lock in the folder.
    """
    with ExitStack() as lock:
        if (records / ELSEWHERE).is_file():
            from ledger.databases.lock import session_lock

            lock.enter_context(session_lock(_required(url), _ledger(records), doing))
        yield


def _ledger(records: Path) -> str:
    return ledger_named(records / ELSEWHERE)


def ledger_named(path: Path) -> str:
    """The random name of a ledger, from the note of where its log lies."""
    try:
        return str(json.loads(durable.read(path))["ledger"])
    except (ValueError, TypeError, KeyError) as error:
        raise SealAltered(
            f"{durable.short_name(path)}: does not name a ledger: restore it from your backup"
        ) from error


def _required(url: str | None) -> str:
    if url is None:
        raise InfrastructureError(
            "log: lies in a database, and no URL was given, expected that of init: set "
            "LETHE_DATABASE_URL, or `database` in service.yaml"
        )
    return url
