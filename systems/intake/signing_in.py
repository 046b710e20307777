"""Sign-in to the pages: one token, which lies in a file of the workspace's owner alone.

HTTP Basic, so that any browser asks for it and nothing is kept but by the browser: the name may be
anything, the password is the token. A client that gives wrong ones has to wait.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from ledger import durable
from ledger.errors import NotAuthentic
from systems.intake.quotas import OverQuota

TOKEN = "pages-token"
"""Its file; removed, the next start of the service makes another."""

BYTES = 32
WRONG, WINDOW, KEPT = 10, 60, 1000
"""Wrong tokens from one address within so many seconds, and how many of all are remembered."""

ASK = {"WWW-Authenticate": 'Basic realm="Lethe pages", charset="UTF-8"'}


def token_at(folder: Path) -> str:
    """Read the token, or make one where there is none."""
    path = folder / TOKEN
    if not path.is_file():
        durable.write(path, f"{secrets.token_urlsafe(BYTES)}\n".encode())
    path.chmod(0o600)
    return durable.read(path).decode().strip()


class SignIn:
    """Lets in who knows the token."""

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._token, self._clock = token.encode(), clock
        self._wrong: deque[tuple[float, str]] = deque(maxlen=KEPT)
        self._lock = Lock()

    def check(self, header: str | None, client: str) -> None:
        """NotAuthentic without the token, OverQuota after too many wrong ones from this address."""
        with self._lock:
            now = self._clock()
            recent = [at for at, who in self._wrong if who == client and now - at < WINDOW]
            if len(recent) >= WRONG:
                raise OverQuota(1 + int(WINDOW - (now - recent[0])))
            if header is not None and hmac.compare_digest(_password(header), self._token):
                return
            if header is not None:
                self._wrong.append((now, client))
        raise NotAuthentic("pages: expected the token as the password, see docs/service.md")


def _password(header: str) -> bytes:
    kind, _, content = header.partition(" ")
    if kind.lower() != "basic":
        return b""
    try:
        return base64.b64decode(content.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
