"""Whoever answers a letter at a time does not hold a call beyond its deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from systems.posting import post
from unlearning.errors import InfrastructureError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Told: yes\r\n\r\n"


@contextmanager
def answering(pieces: list[bytes], pause: float) -> Iterator[str]:
    """Answer one call on loopback, piece by piece; give its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            with suppress(OSError):
                called, _ = server.accept()
                with called:
                    called.recv(65_536)
                    for piece in pieces:
                        called.sendall(piece)
                        time.sleep(pause)
                    called.shutdown(socket.SHUT_WR)
                    while called.recv(65_536):  # what is left unread would reset the connection
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_an_answer_comes_whole() -> None:
    with answering([HEAD, b"he", b"llo"], 0.0) as url:
        status, content, headers = post(url, b"{}", {}, seconds=20, most=5)
    assert (status, content, headers["X-Told"]) == (200, b"hello", "yes")


@pytest.mark.parametrize("dripped", ["status", "headers", "body"])
def test_one_that_drips_is_given_up_at_the_deadline(dripped: str) -> None:
    """Each piece comes long before a limit on one piece; all of them would take far longer."""
    first = {"status": b"", "headers": b"HTTP/1.1 200 OK\r\nX-Long: ", "body": HEAD}[dripped]
    letters = {"status": b"H", "headers": b"a", "body": b"a"}[dripped]
    whole = HEAD.replace(b"5", b"999") if dripped == "body" else first
    began = time.monotonic()
    with answering([whole, *[letters] * 400], 0.1) as url, pytest.raises(InfrastructureError):
        post(url, b"{}", {}, seconds=0.5, most=10_000)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("piece", [b"", b"hell"])
def test_one_that_is_cut_off_is_none(piece: bytes) -> None:
    with answering([HEAD, piece], 0.0) as url, pytest.raises(InfrastructureError):
        post(url, b"{}", {}, seconds=20, most=100)


def test_one_that_is_too_long_is_none() -> None:
    with answering([HEAD, b"hello"], 0.0) as url, pytest.raises(InfrastructureError):
        post(url, b"{}", {}, seconds=20, most=4)


def test_a_status_that_is_none_of_success_is_given_and_nothing_followed() -> None:
    head = b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with answering([head], 0.0) as url:
        assert post(url, b"{}", {}, seconds=20, most=4) == (307, b"", {})
