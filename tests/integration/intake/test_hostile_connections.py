"""Whoever holds connections, sends nothing, or sends rubbish keeps nobody out of the real door."""

from __future__ import annotations

import json
import logging
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from flows.service import connections
from flows.service import door as doors
from ledger.sources.signing import headers_for
from systems.intake.http import Surroundings
from systems.settings.service import Ports, Service
from tasks.running.records import utc_now
from tests.integration.intake.doors import POST, made, opened, with_source


class Open:
    """A door that is open, and a source that knows its secret."""

    def __init__(self, port: int, secret: str) -> None:
        self.port, self.secret = port, secret

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def post(self, seconds: float = 20) -> int:
        body = json.dumps({"subjects": ["s-1"]}).encode()
        headers = headers_for("crm", self.secret, body, now=utc_now())
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{POST}", body, headers)
        with urllib.request.urlopen(asked, timeout=seconds) as answer:
            return int(answer.status)

    def raw(self, content: bytes) -> bytes:
        """What is answered to these bytes, until the connection is closed."""
        with self.connected() as there:
            try:
                there.sendall(content)
                return b"".join(iter(lambda: there.recv(65536), b""))
            except ConnectionError:
                return b""


@pytest.fixture
def opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 1.0)
    monkeypatch.setattr(doors, "MOST", 8)
    ws = made(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    service = replace(Service(), ports=Ports(http=port))
    secret = with_source(ws, "crm")
    with doors.Door(ws, service, opened(ws), Surroundings()).open():
        yield Open(port, secret)


def ended(there: socket.socket, within: float) -> bool:
    """Whether the other side lets a connection go in time."""
    there.settimeout(within)
    try:
        return there.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@contextmanager
def held(opening: Open, count: int, said: bytes = b"") -> Iterator[list[socket.socket]]:
    with ExitStack() as kept:
        there = [kept.enter_context(opening.connected()) for _ in range(count)]
        for one in there:
            one.sendall(said)
        yield there


def post_once_it_may(opening: Open) -> int:
    """Send a request as a source does: again, where the door is full."""
    for _ in range(30):
        try:
            return opening.post()
        except OSError:
            time.sleep(0.2)
    return 0


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_connections_that_say_nothing_or_not_all_are_let_go(opening: Open, said: bytes) -> None:
    with held(opening, 30, said) as there:
        assert post_once_it_may(opening) == 202
        assert all(ended(one, 3) for one in there)
    assert opening.post() == 202


def test_headers_that_come_a_letter_at_a_time_are_not_waited_for(opening: Open) -> None:
    with opening.connected() as there:
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            for letter in b"GET /healthz HTTP/1.1\r\nHost: " + b"x" * 200:
                there.sendall(bytes([letter]))
                time.sleep(0.05)
    assert time.monotonic() - began < 4


def test_a_connection_may_bring_many_calls_and_then_is_waited_for_anew(opening: Open) -> None:
    with closing(HTTPConnection("127.0.0.1", opening.port, timeout=20)) as calling:
        for _ in range(4):
            calling.request("GET", "/v1/log/checkpoint")
            answer = calling.getresponse()
            assert answer.status == 200 and answer.read()
            time.sleep(0.6)
        there = calling.sock
        there.sendall(b"GET /v1/log/checkp")
        assert ended(there, 3)


def test_a_call_under_way_is_not_cut_off(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its headers came; its body has a limit of its own."""
    with opening.connected() as there:
        head = f"POST {POST} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n".encode()
        there.sendall(head)
        time.sleep(1.5)
        there.sendall(b"{}  ")
        assert there.recv(65536).startswith(b"HTTP/1.1 401")


RUBBISH = {
    "no http": b"\x16\x03\x01\x02\x00\x01\x00" * 20,
    "large headers": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
    "two lengths": b"POST /v1/erasure-requests HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Content-Length: 4\r\n\r\n{}  ",
    "length and chunks": b"POST /v1/erasure-requests HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "a length below zero": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a chunk without end": b"POST /v1/erasure-requests HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "bytes in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Lethe-Source: \xff\x00\r\n\r\n",
    "a path of dots": b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an upgrade": b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Key: eHh4\r\nSec-WebSocket-Version: 13\r\n\r\n",
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_rubbish_is_refused_and_the_door_stays_open(
    opening: Open, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("systems.intake.http.BODY_SECONDS", 0.5)
    answer = opening.raw(RUBBISH[kind])
    status = answer[9:12]
    assert status in (b"", b"400", b"401", b"404", b"408", b"413", b"431", b"200"), answer[:200]
    assert b"Traceback" not in answer and b"passwd" not in answer
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR], caplog.text
    assert opening.post() == 202
