"""The append-only log: one chain of signed entries, the truth of the workspace.

An entry holds opaque references, digests, numbers and states. It is kept for years and handed to
whoever verifies, so nothing in it may identify a person: no subject or example ids, no names, no
free text that a subject wrote. `append` refuses what plainly is none of these; the rest is the
caller's duty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from threading import RLock
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.chain import GENESIS, Entry, sign_entry
from ledger.errors import KeyConflict, LogAltered, WorkspaceBusy
from ledger.keyring import ROTATED, Keyring, keyring_of
from ledger.lines import Lines, verified
from ledger.lines.entries import Entries
from ledger.lines.verified import Noted, Reading
from ledger.moments import timestamp
from unlearning.digests import canonical_json, sha256_hex
from unlearning.errors import Unrecordable, UsageError

_LONGEST_TEXT = 1000  # characters; digests, references, states and reasons are far shorter
_LONGEST_NAME = 255
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[A-Za-z]{2,}")


class Log:
    """The log of one workspace. Open it under the workspace lock to append."""

    def __init__(
        self, lines: Lines, content: bytes, found: Reading, signing_key: Ed25519PrivateKey | None
    ) -> None:
        """Take over what was read and verified of `lines`; use `open` instead."""
        self._lines = lines
        self._entries = Entries(content, found.known, found.chain.entries)
        self._head = found.head
        self._signers = found.signers
        self._length = found.length
        self._size = len(content)
        self._signing_key = signing_key
        self._lock = RLock()  # tasks may run in threads of the one process that writes

    @classmethod
    def open(
        cls,
        lines: Lines,
        key: Ed25519PrivateKey | Keyring,
        ring: Keyring | None = None,
        noted: Noted | None = None,
    ) -> Log:
        """Read and check the whole log; LogAltered names the first line that is not genuine.

        With a private key the log can be appended to, with public ones only read. ring: the public
        keys up to that of the private one, where it is not the first. noted: what it vouches for is
        not checked again, and what whoever may write has checked is noted there. A line without an
        end, left by a crash, is passed over here and cut off by the next append.
        """
        private = key if isinstance(key, Ed25519PrivateKey) else None
        own = key if isinstance(key, Keyring) else keyring_of(key.public_key())
        content = lines.read() if lines.size() else b""
        found = verified.read(content, ring or own, noted)
        if found.chain.problem:
            raise LogAltered(
                f"{lines.name}: {found.chain.problem}: nothing was changed; "
                "compare with a copy of the log and restore it"
            )
        log = cls(lines, content, found, private)
        if private and noted:
            verified.note(content, found, log.count, noted)
        return log

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self._lines.name

    @property
    def signers(self) -> tuple[bytes, ...]:
        """The public keys that signed it, in order; the last one signs the next entry."""
        return self._signers

    @property
    def head(self) -> str:
        """Hash of the last entry; 64 zeros while there is none."""
        return self._head

    @property
    def count(self) -> int:
        """How many entries it has."""
        return len(self._entries)

    def hash_at(self, seq: int) -> str:
        """Hash of the entry with this seq; 64 zeros for 0, before the first one."""
        return self._entries.at(seq).hash if seq else GENESIS

    def entries(self, *, after: int = 0) -> tuple[Entry, ...]:
        """The entries with a seq above `after`, in order.

        All of a long log take a while to read: for the last of a kind there is `newest_first`.
        """
        return self._entries.after(after)

    def newest_first(self) -> Iterator[Entry]:
        """The entries from the last to the first, each read when it is come to."""
        return self._entries.newest_first()

    def find(self, key: str) -> Entry | None:
        """The entry that was appended under this key."""
        return self._entries.find(key)

    def next_key(self, prefix: str) -> str:
        """Give a key that only the next entry can have."""
        return f"{prefix}/{self.count + 1}"

    def append(self, event: str, body: Mapping[str, Any], *, key: str, now: datetime) -> Entry:
        """Add one entry and return when it is on the disk.

        A key that is there already gives its entry back and adds nothing; with another event or
        body it raises KeyConflict. Raises Unrecordable for a body that the log must not hold,
        InfrastructureError if the disk refuses; the log then is as it was.
        """
        with self._lock:
            require_recordable({"key": key, "event": event, "body": body})
            there = self.find(key)
            if there is not None:
                return _same(there, event, body)
            return self._write(self._next(event, body, key, now))

    def hand_over(self, to: Ed25519PrivateKey, *, reason: str, key: str, now: datetime) -> Entry:
        """Let another key sign from here on; the entry that says so is the old one's last.

        reason: as that of any entry.
        """
        with self._lock:
            body = {"public_key": to.public_key().public_bytes_raw().hex(), "reason": reason}
            entry = self.append(ROTATED, body, key=key, now=now)
            self._signing_key = to
            self._signers = (*self._signers, to.public_key().public_bytes_raw())
            return entry

    def _next(self, event: str, body: Mapping[str, Any], key: str, now: datetime) -> Entry:
        if self._signing_key is None:
            raise UsageError(f"{self.name}: was opened for reading, not for writing")
        header = {
            "seq": self.count + 1,
            "previous": self._head,
            "at": timestamp(now),
            "event": event,
            "key": key,
            "body": body,
        }
        return sign_entry(header, self._signing_key)

    def _write(self, entry: Entry) -> Entry:
        line = entry.line()
        self.require_alone()
        self._lines.append(entry, at=self._length)
        # What is kept is what a later reader gets: lists for tuples, text for numeric keys.
        stored = _reread(line)
        self._entries.add(stored)
        self._head = stored.hash
        self._length = self._size = self._length + len(line)
        return stored

    def require_alone(self) -> None:
        """Raise WorkspaceBusy if the lock was lost, or somebody wrote since this one read the log.

        A lock can be lost, on a network's file system, with its file or with a connection; who acts
        on what is outside the log, such as an alias or a copy, asks here first.
        """
        self._lines.require_held()
        size = self._lines.size()
        if size not in {self._size, self._length}:
            raise WorkspaceBusy(
                f"{self.name}: is {size} bytes long, expected {self._size}: "
                "another process writes to this workspace; wait until it has ended, then try again"
            )


def _reread(line: bytes) -> Entry:
    return Entry(**json.loads(line))


def _same(there: Entry, event: str, body: Mapping[str, Any]) -> Entry:
    if there.event != event or canonical_json(there.body) != canonical_json(body):
        raise KeyConflict(
            f"log key {there.key}: holds event '{there.event}' with another content than the "
            f"'{event}' offered now: expected the same content, or a new key"
        )
    return there


def require_recordable(value: Any) -> None:
    """Raise Unrecordable for a text, or a body with one, that the log must not hold."""
    for text in _texts(value):
        _check_text(text)


def recordable(name: str) -> str:
    """Give a name that others chose, or, where the log must not hold it, what stands for it."""
    if len(name) <= _LONGEST_NAME and _holds(name):
        return name
    return f"the name with SHA-256 {sha256_hex(name.encode())[:16]}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _holds(text: str) -> bool:
    return len(text) <= _LONGEST_TEXT and text.isprintable() and not _EMAIL.search(text)


def _check_text(text: str) -> None:
    if not _holds(text):
        raise Unrecordable(
            f"a text of {len(text)} characters: expected a reference, digest, state or reason "
            f"of one line, at most {_LONGEST_TEXT} characters, and no address of a person"
        )
