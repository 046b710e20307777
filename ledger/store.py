"""The log and its projection, kept in step: the tables follow what the log says.

In files the line is written first; in a database a line and its rows are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import clock, seen
from ledger.chain import Entry, Verification, read_chain
from ledger.errors import LogAltered, LogTruncated
from ledger.keyring import Keyring
from ledger.keys import (
    NEXT,
    PUBLIC,
    load_public_keys,
    load_signing_key,
    matching_key,
    next_signing_key,
    settle_rotation,
)
from ledger.lines import Lines
from ledger.lines.verified import NOTE, Noted
from ledger.log import Log
from unlearning.counting import numbered
from unlearning.errors import LetheError

if TYPE_CHECKING:
    from ledger.projection import Projection

Unrecorded = Callable[[], Set[str]]

_LOOKED_AT = 4
"""How many of the newest entries are looked at: a crash may have come before one was told of."""


class Store:
    """One workspace's log and tables."""

    def __init__(self, log: Log, tables: Projection, records: Path, keys: Path) -> None:
        """Bring the tables up to the log; use `open` unless both are at hand."""
        _check_position(log, tables)
        self.log = log
        self.tables = tables
        self._records, self._keys = records, keys
        self._lock = RLock()
        self._catch_up()

    @classmethod
    def open(
        cls, lines: Lines, records: Path, keys: Path, *, read_only: bool, unrecorded: Unrecorded
    ) -> Store:
        """Open both; LogAltered, LogTruncated or ProjectionBroken if they are not what they were.

        read_only: needs no private key and writes nothing; entries that the tables lack are
        replayed in memory. unrecorded: gives requests that no entry need tell of.
        """
        if not read_only:
            lines.fence()
            _settle_rotation(lines, records, keys)
        ring = load_public_keys(records / PUBLIC)
        key = ring if read_only else matching_key(keys, records)
        signing = _readable_key(keys, ring) if isinstance(key, Keyring) else key
        noted = None if signing is None else Noted(keys / NOTE, signing)
        # The log last: a writer at work meanwhile only makes it longer, and what is behind the
        # log is no alarm.
        beside = seen.look(records, keys, unrecorded=unrecorded)
        tables = lines.tables(read_only=read_only)
        log = Log.open(lines, key, ring, noted)
        seen.check(beside, log)
        return cls(log, tables, records, keys)

    def record(self, event: str, body: Mapping[str, Any], *, key: str, now: datetime) -> Entry:
        """Append to the log; the entry, and any that a failure held up, are in the tables too."""
        with self._lock:
            before = self.log.head
            entry = self.log.append(event, body, key=key, now=now)
            self._catch_up()
            if self.log.head != before:
                self._tell_time(now)
                seen.note(self.log, self._keys)
            return entry

    def _tell_time(self, now: datetime) -> None:
        """Say of the newest entries whose time went back that it did; a crash may have come."""
        for entry in clock.untold([*islice(self.log.newest_first(), _LOOKED_AT)]):
            body, key = {"entry": entry.seq}, f"{clock.WENT_BACK}/{entry.seq}"
            self.log.append(clock.WENT_BACK, body, key=key, now=now)
            self._catch_up()

    def hand_over(self, *, reason: str, now: datetime) -> Entry:
        """Let a new key sign from here on; what a crash leaves undone, the next opening does."""
        with self._lock:
            to = next_signing_key(self._keys)
            key = self.log.next_key("key")
            entry = self.log.hand_over(to, reason=reason, key=key, now=now)
            settle_rotation(self._keys, self._records, self.log.signers[-1])
            self._catch_up()
            self._tell_time(now)
            seen.note(self.log, self._keys)
            return entry

    def check(self) -> Verification:
        """Compare the tables with a replay of the whole log."""
        from ledger.projection import Projection, differences

        fresh = Projection.in_memory()
        fresh.apply(self.log.entries())
        got = self.tables.snapshot()
        name = self.tables.name
        problems = [f"{name}: {line}" for line in differences(got, fresh.snapshot())]
        count = sum(len(rows) for rows in got.values())
        return Verification(
            (f"{name}: {numbered(count, 'row', 'rows')} against the log",), tuple(problems)
        )

    def _catch_up(self) -> None:
        with self._lock:
            self.tables.apply(self.log.entries(after=self.tables.position()[0]))


def _settle_rotation(lines: Lines, records: Path, keys: Path) -> None:
    if (keys / NEXT).exists():
        chain = read_chain(lines.read(), load_public_keys(records / PUBLIC))
        settle_rotation(keys, records, chain.keys[-1])


def _readable_key(keys: Path, ring: Keyring) -> Ed25519PrivateKey | None:
    """The key that signs the log by the public ones; None for whoever may not read it."""
    with suppress(LetheError):
        key = load_signing_key(keys)
        return key if key.public_key().public_bytes_raw() == ring.newest else None
    return None


def _check_position(log: Log, tables: Projection) -> None:
    seq, digest = tables.position()
    if seq > log.count:
        entries = numbered(log.count, "entry", "entries")
        raise LogTruncated(
            f"{log.name}: has {entries}, {tables.name} has seen {seq}: it was cut; "
            "restore it from a copy"
        )
    got = log.hash_at(seq)
    if got != digest:
        raise LogAltered(
            f"{log.name}: entry {seq} has hash {got[:12]}, {tables.name} has seen {digest[:12]}: "
            "it was rewritten; restore it from a copy"
        )
