"""Systems outside: copies of a person's pictures in a folder and a bucket, one that is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ledger import sources
from ledger.sources import signing
from systems.data.reading import read_table
from tasks.running.opened import Opened
from tasks.running.records import utc_now


@dataclass
class Outside:
    """A system that was told people. moods: how it answers next; then it is honest."""

    secret: str
    held: set[str] = field(default_factory=set)
    moods: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    last: tuple[bytes, dict[str, str]] | None = None
    url: str = ""

    def answer(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        said = json.loads(body)
        signing.verified(headers, body, lambda _: self.secret.encode(), now=datetime.now(UTC))
        self.calls.append(said)
        mood = self.moods.pop(0) if self.moods else "honest"
        if mood == "500":
            return 500, b"", {}
        if mood == "404":
            return 404, b"", {}
        if mood == "replayed" and self.last is not None:
            return 200, *self.last
        receipt = self.receipt(said, mood)
        content = json.dumps(receipt).encode()
        now, nonce = datetime.now(UTC), headers[signing.NONCE]
        signed = signing.headers_for("crm", self.secret, content, now=now, nonce=nonce)
        self.last = content, signed
        return 200, content, signed

    def receipt(self, said: dict[str, Any], mood: str) -> dict[str, Any]:
        if mood == "pending":
            return {"reference": said["reference"], "status": "pending"}
        gone = self.held & set(said["examples"])
        self.held -= gone
        count = {"gone": len(gone), "not_found": len(said["examples"]) - len(gone)}
        reference = "run-of-others" if mood == "another" else said["reference"]
        return {"reference": reference, "status": "gone", **count}


@contextmanager
def listening(at: Opened) -> Iterator[Outside]:
    """Serve such a system on this machine; it is the source `crm`."""
    secret = sources.add(at.ledger, at.ws.keys, "crm", now=utc_now())
    system = Outside(secret)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, content, headers = system.answer(body, self.headers)  # type: ignore[arg-type]
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    system.url = f"http://127.0.0.1:{server.server_port}/erase"
    try:
        yield system
    finally:
        server.shutdown()
        server.server_close()


def images_of(at: Opened, who: str) -> dict[str, bytes]:
    """The stored pictures of a person, by example id."""
    table = read_table(at.ws, ["image", "example_id", "subject_id"])
    return {
        row["example_id"]: row["image"] for row in table.to_pylist() if row["subject_id"] == who
    }


def configured(at: Opened, *lines: str) -> None:
    """Name connectors in service.yaml, one mapping a line."""
    text = "".join(f"  - {line}\n" for line in lines)
    (Path(at.root) / "service.yaml").write_text(f"connectors:\n{text}")
