"""Sign-in to the pages: by a token, once for a session, or with each call by HTTP Basic.

Of HTTP Basic the name may be anything, the password is the token. The token in the owner's own file
is an administrator's. A client that gives wrong ones has to wait.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from ledger import durable
from ledger.errors import NotAuthentic
from systems.intake.quotas import OverQuota
from systems.intake.viewing.readers import Reader, hashed, new_token, whose
from systems.intake.viewing.roles import Role

TOKEN = "pages-token"
"""The owner's file; removed, the next start of the service makes another."""

WRONG, WINDOW, KEPT = 10, 60, 1000
"""Wrong tokens from one address within so many seconds, and how many of all are remembered."""

SESSION, SESSIONS = 8 * 3600, 1000
"""Seconds that a sign-in lasts, a working day; and how many are kept, the newest."""

ASK = {"WWW-Authenticate": 'Basic realm="Lethe pages", charset="UTF-8"'}


def token_at(folder: Path) -> str:
    """Read the owner's token, or make one where there is none."""
    path = folder / TOKEN
    if not path.is_file() or not durable.read(path).strip():
        durable.write(path, f"{new_token()}\n".encode())
    path.chmod(0o600)
    return durable.read(path).decode().strip()


@dataclass(frozen=True)
class Signed:
    """Who has signed in. session: whether for a session, which can be ended."""

    name: str
    role: Role
    session: bool


@dataclass(frozen=True)
class _Session:
    """sha256: of the token that it began with. until: by the clock, seconds."""

    sha256: str
    until: float


class SignIn:
    """Lets in who knows a token; safe to use from many threads."""

    def __init__(
        self,
        token: str,
        readers: Callable[[], Sequence[Reader]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """token: the owner's. readers: those of now. clock: seconds."""
        self._owner = Reader("owner", Role.ADMINISTRATOR, "", hashed(token))
        self._readers, self._clock = readers, clock
        self._wrong: deque[tuple[float, str]] = deque(maxlen=KEPT)
        self._sessions: dict[str, _Session] = {}
        self._lock = Lock()

    def by_header(self, header: str, client: str) -> Signed:
        """Who calls by HTTP Basic; NotAuthentic, and OverQuota after too many wrong ones."""
        return _signed(self._checked(_password(header), client), session=False)

    def by_session(self, session: str) -> Signed | None:
        """Whose session this is; None for none, one that is over, or a reader who was removed."""
        with self._lock:
            found = self._sessions.get(hashed(session))
        if found is None or found.until <= self._clock():
            return None
        reader = whose(found.sha256, self._known())
        return None if reader is None else _signed(reader, session=True)

    def begin(self, token: str, client: str) -> tuple[str, Signed]:
        """Begin a session and give its secret name; NotAuthentic and OverQuota as by header."""
        reader, session = self._checked(token, client), new_token()
        with self._lock:
            while len(self._sessions) >= SESSIONS:
                self._sessions.pop(next(iter(self._sessions)))
            self._sessions[hashed(session)] = _Session(reader.sha256, self._clock() + SESSION)
        return session, _signed(reader, session=True)

    def end(self, session: str) -> None:
        """End a session, if it is one."""
        with self._lock:
            self._sessions.pop(hashed(session), None)

    def _known(self) -> list[Reader]:
        return [self._owner, *self._readers()]

    def _checked(self, token: str, client: str) -> Reader:
        with self._lock:
            now = self._clock()
            recent = [at for at, who in self._wrong if who == client and now - at < WINDOW]
            if len(recent) >= WRONG:
                raise OverQuota(1 + int(WINDOW - (now - recent[0])))
            if token and (reader := whose(hashed(token), self._known())):
                return reader
            self._wrong.append((now, client))
        raise NotAuthentic("pages: expected a reader's token, see docs/service.md")


def _signed(reader: Reader, *, session: bool) -> Signed:
    return Signed(reader.name, reader.role, session)


def _password(header: str) -> str:
    kind, _, content = header.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        told = base64.b64decode(content.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return told.partition(":")[2]
