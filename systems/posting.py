"""A body is posted to an address, and the answer is there before a deadline, or there is none.

urllib's own time limit is one for each piece that comes, so that whoever drips his answer, headers
or body, a letter at a time, would hold a call for ever.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any

from unlearning.errors import InfrastructureError

Answer = tuple[int, bytes, Mapping[str, str]]
"""Status, body and headers; of a status that is none of success the status alone."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, most: int) -> Answer:
    """Post JSON and give the answer; InfrastructureError if it is not whole in time.

    seconds: from the connection's beginning to the answer's end. most: bytes of an answer.
    Certificates are checked; redirections are not followed, since whoever could answer with one
    would choose who gets the body.
    """
    told = {**headers, "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, told)
    try:
        with _OPENER.open(request, timeout=seconds) as answer:
            content = answer.read(most + 1)
            if len(content) > most or answer.length:
                raise ValueError("too long, or cut off")
            return int(answer.status), content, answer.headers
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code, b"", {}
    except (OSError, HTTPException, ValueError) as error:
        raise InfrastructureError(f"cannot be reached ({type(error).__name__})") from None


class _Dated(io.RawIOBase):
    """What comes from a socket until a moment, by `time.monotonic`; TimeoutError afterwards."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, end: float) -> None:
        self._raw, self._sock, self._end = raw, sock, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answering(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, end: float, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        raw: Any = self.fp.detach()  # as `makefile` gave it
        self.fp = io.BufferedReader(_Dated(raw, sock, end))


class _Plain(HTTPConnection):
    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        end = time.monotonic() + float(self.timeout or 0)
        self.response_class: Any = partial(_Answering, end=end)


class _Secure(_Plain, HTTPSConnection):
    """The same over TLS."""


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Plain, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Secure, req, context=ssl.create_default_context())


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirection, _Http, _Https)
