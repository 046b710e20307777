"""A server that fails at one of its calls, or from one on: a proxy in front of a real one.

It refuses what it is asked with 500, or passes it on and loses the reply, as a network does that
breaks once the server has committed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th call. lost: it is done and its reply lost; else refused with 500.

    lasting: at every later one too, until the fault is taken away.
    """

    n: int
    lost: bool
    lasting: bool

    def due(self, call: int) -> bool:
        """Whether it happens at this call, counted from 1."""
        return call >= self.n if self.lasting else call == self.n


@dataclass
class Between:
    """The proxy. calls: what was asked since the fault was set, as "POST /path"."""

    server: str
    address: str = ""
    fault: Fault | None = None
    calls: list[str] = field(default_factory=list)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def failing(self, fault: Fault | None) -> Iterator[None]:
        """Count the calls anew, and let one of them fail."""
        self.calls.clear()
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None

    def met(self, call: str) -> Fault | None:
        """Count a call; give what happens at it."""
        with self._counting:
            self.calls.append(call)
            due = self.fault is not None and self.fault.due(len(self.calls))
            return self.fault if due else None


@contextmanager
def between(server: str) -> Iterator[Between]:
    """Run a proxy on loopback in front of the server at an address."""
    found = Between(server)

    class Handler(_Handler):
        proxy = found

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    found.address = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    proxy: Between

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.met(f"{self.command} {urlsplit(self.path).path}")
        if fault and not fault.lost:
            self._say(500, b"out of order", "text/plain")
            return
        status, content, kind = self._passed_on(body)
        if fault is None:
            self._say(status, content, kind)
        self.close_connection = True

    def _passed_on(self, body: bytes) -> tuple[int, bytes, str]:
        there = HTTPConnection(urlsplit(self.proxy.server).netloc, timeout=60)
        kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        there.request(self.command, self.path, body, kept)
        reply = there.getresponse()
        found = reply.status, reply.read(), reply.headers.get("Content-Type", "")
        there.close()
        return found

    def _say(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        """Say nothing."""
