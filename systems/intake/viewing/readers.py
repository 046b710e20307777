"""Who may read the pages: each reader has a name, a role and a token, of which a hash is kept.

The tokens are drawn here, 256 bits each, so that a plain hash tells nothing: there is nothing to
guess. The file is read anew at each call, and whoever is removed from it is out at once.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from ledger import durable
from ledger.errors import WorkspaceBusy
from systems.intake.viewing.roles import Role
from unlearning.digests import sha256_hex
from unlearning.errors import InfrastructureError, UsageError

FILE, LOCK = "readers.json", "readers.lock"
BYTES = 32

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Reader:
    """Somebody who may read. since: ISO 8601, UTC. sha256: of the token, in hex."""

    name: str
    role: Role
    since: str
    sha256: str


def readers(folder: Path) -> tuple[Reader, ...]:
    """Everybody who may read, in the order in which they were added; InfrastructureError."""
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        rows = json.loads(durable.read(path))
        found = tuple(Reader(**{**row, "role": Role(row["role"])}) for row in rows)
        if not isinstance(rows, list) or any(not _is_text(one) for one in found):
            raise TypeError(FILE)
        return found
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        raise InfrastructureError(
            f"{folder.name}/{FILE}: cannot be understood, expected what `lethe reader` wrote: "
            "remove the file and add the readers again"
        ) from problem


def _is_text(reader: Reader) -> bool:
    return all(isinstance(value, str) for value in asdict(reader).values())


def add(folder: Path, name: str, role: Role, now: datetime) -> str:
    """Let somebody read and give the token, which is told here and never again; UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "reader: got a name that none may have, expected 1 to 40 small letters, digits and "
            "hyphens: a post or a staff reference, never a person"
        )
    token = new_token()
    with _changing(folder) as known:
        if any(one.name == name for one in known):
            raise UsageError(f"reader {name}: is there already: remove it first for a new token")
        made = Reader(name, role, now.isoformat(timespec="seconds"), hashed(token))
        _write(folder, [*known, made])
    return token


def remove(folder: Path, name: str) -> Reader:
    """Shut somebody out, also where a sign-in is open; UsageError if there is no such reader."""
    with _changing(folder) as known:
        gone = [one for one in known if one.name == name]
        if not gone:
            there = ", ".join(one.name for one in known) or "none"
            raise UsageError(f"reader {name}: is not known, expected one of: {there}")
        _write(folder, [one for one in known if one.name != name])
    return gone[0]


def new_token() -> str:
    """Draw a token."""
    return secrets.token_urlsafe(BYTES)


def hashed(token: str) -> str:
    """Give what is kept of a token."""
    return sha256_hex(token.encode())


def whose(digest: str, known: Sequence[Reader]) -> Reader | None:
    """Find whose token has this hash; all are compared, each in constant time."""
    found = [one for one in known if hmac.compare_digest(digest.encode(), one.sha256.encode())]
    return found[0] if found else None


@contextmanager
def _changing(folder: Path) -> Iterator[tuple[Reader, ...]]:
    durable.make_folder(folder)
    with durable.only_writer(folder / LOCK) as alone:
        if alone is None:
            raise WorkspaceBusy("reader: another command changes the readers now: try again")
        yield readers(folder)


def _write(folder: Path, known: Sequence[Reader]) -> None:
    durable.write(folder / FILE, json.dumps([asdict(one) for one in known], indent=1).encode())
