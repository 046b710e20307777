"""Who may send requests from outside: each source has a name, a key of its own and the log's word.

A source is a system, so its name is a reference and identifies no person. keys/sources/NAME.key
holds the secret that it shares with us. The file decides: without it nothing of that source is
taken, so it comes after the log when a source is added and goes before it when one is removed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ledger import durable
from ledger.chain import Entry
from ledger.domain import COMMAND_LINE
from ledger.keys import SOURCES, suppression_key
from ledger.requests import Ledger
from unlearning.errors import InfrastructureError, UsageError

ADDED, REMOVED = "source_added", "source_removed"
READY, GONE = "ready", "removed"
SOUND = frozenset({READY, GONE})
"""States in which key and log agree."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_BYTES = 32  # of chance in a secret that we draw
_SHORTEST, _LONGEST = 16, 512  # characters of a secret that another party has drawn


@dataclass(frozen=True)
class Source:
    """A source as the log tells of it. since: ISO 8601, UTC. state: ready, removed or no key."""

    name: str
    since: str
    state: str


@dataclass(frozen=True)
class SourceKeys:
    """The secrets, read anew each time, so that a removed source is refused at once."""

    keys: Path

    def of(self, name: str) -> bytes | None:
        """The secret of a source, None for no source; InfrastructureError if nobody can tell."""
        if not _NAME.fullmatch(name):
            return None
        try:
            return self.path(name).read_bytes().strip() or None
        except FileNotFoundError:
            return None
        except OSError as problem:  # he may be one all the same, and is to come again
            raise InfrastructureError(
                f"{SOURCES}/{name}.key: cannot be read ({problem.strerror}), expected a secret: "
                "free files or restore its permissions, then try again"
            ) from problem

    def require(self, name: str) -> None:
        """InfrastructureError unless a source may send, for doors that others keep shut."""
        if self.of(name) is None:
            raise InfrastructureError(
                f"source {name}: may not send, expected one that was added: run `lethe source add "
                f"{name}`, or take its door out of service.yaml"
            )

    def path(self, name: str) -> Path:
        """Where the secret of a source lies."""
        return self.keys / SOURCES / f"{name}.key"


def require_name(name: str) -> str:
    """The name, if a source may have it; UsageError."""
    if not _NAME.fullmatch(name) or name == COMMAND_LINE:
        raise UsageError(
            "source: got a name that none may have, expected 1 to 40 small letters, digits and "
            "hyphens, and not `cli`: name the system that sends, never a person"
        )
    return name


def add(ledger: Ledger, keys: Path, name: str, *, now: datetime, secret: str | None = None) -> str:
    """Let a source send and give its secret, which is drawn unless the other party has drawn it.

    UsageError for a source that has a key, or a secret of fewer than 16 characters.
    """
    place = SourceKeys(keys)
    if place.path(require_name(name)).exists():
        raise UsageError(
            f"source {name}: has a key already, expected a new name: for another key first run "
            f"`lethe source remove {name}`"
        )
    shared = secrets.token_hex(_BYTES) if secret is None else _usable(secret)
    # Log first: a key that lies there was always told of. Of a crash in between stays an entry
    # whose secret nobody has.
    _record(ledger, ADDED, name, now, key_digest=_digest(keys, shared.encode()))
    durable.make_folder(place.path(name).parent)
    durable.write(place.path(name), shared.encode() + b"\n")
    return shared


def shut(keys: Path, name: str) -> bool:
    """Take a source's key away, so that it is refused from now on; say whether it had one.

    It needs no lock: a stolen key must not work until a training has ended.
    """
    return durable.remove_file(SourceKeys(keys).path(require_name(name)), within=keys)


def remove(ledger: Ledger, keys: Path, name: str, *, now: datetime) -> Source:
    """Shut a source out and record it; a second time changes nothing, UsageError if unknown."""
    shut(keys, name)
    known = {source.name: source for source in sources(ledger.log.entries(), keys)}
    if name not in known:
        raise UsageError(f"source {name}: was never added here: see `lethe source list`")
    if known[name].state != GONE:
        _record(ledger, REMOVED, name, now)
    return next(s for s in sources(ledger.log.entries(), keys) if s.name == name)


def sources(entries: Sequence[Entry], keys: Path) -> list[Source]:
    """Every source that was ever added, by name, as it stands now."""
    last = {e.body["source"]: e for e in entries if e.event in (ADDED, REMOVED)}
    return [Source(name, last[name].at, _state(last[name], keys)) for name in sorted(last)]


def _state(entry: Entry, keys: Path) -> str:
    if entry.event == REMOVED:
        return GONE
    secret = SourceKeys(keys).of(entry.body["source"])
    if secret is None:
        return "no key"
    told = hmac.compare_digest(_digest(keys, secret), str(entry.body["key_digest"]))
    return READY if told else "another key than the log tells of"


def _record(ledger: Ledger, event: str, name: str, now: datetime, **said: str) -> None:
    before = sum(e.event in (ADDED, REMOVED) for e in ledger.log.entries())
    ledger.record(event, {"source": name, **said}, key=f"source/{before + 1}", now=now)


def _digest(keys: Path, secret: bytes) -> str:
    """What the log keeps of a secret: keyed, since another party may have drawn a weak one."""
    return hmac.new(suppression_key(keys), b"source\0" + secret, hashlib.sha256).hexdigest()


def _usable(secret: str) -> str:
    found = secret.strip()
    if not _SHORTEST <= len(found) <= _LONGEST or not (found.isascii() and found.isprintable()):
        raise UsageError(
            f"secret: got {len(found)} characters, expected {_SHORTEST} to {_LONGEST} printable "
            "ones of ASCII on one line: let the other party draw a new one"
        )
    return found
