"""docs/events.md does what it says: its commands run, in one shell, against doors that are open."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from ledger.inbox import Inbox
from ledger.sources import signing
from systems.intake.http import make_app
from systems.intake.loops import loops
from systems.intake.receiving import Reception
from systems.settings.service import load_service
from systems.settings.workspace import Workspace, write_templates
from tests.integration.intake.doors import made, opened
from tests.integration.intake.queues import Queues, queues_on_loopback

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "events.md").read_text()
QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/erasure.fifo"
DOOR = "127.0.0.1:8700"
LONG = 60.0  # seconds that a test waits for what takes one


def blocks(*kinds: str) -> list[tuple[str, str]]:
    """The fenced blocks of these kinds, in the page's order."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [(kind, text) for kind, text in found if kind in kinds]


@contextmanager
def doors(ws: Workspace) -> Iterator[str]:
    """Open every door that the workspace's settings name; give the address of the HTTP one."""
    settings, inbox, stop = load_service(ws.root).intake, opened(ws), threading.Event()
    app = make_app(ws, lambda: opened(ws), settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    asked = loops(ws, settings, Reception(inbox))
    threads = [threading.Thread(target=loop, args=(stop,)) for loop in asked]
    threads.append(threading.Thread(target=server.run))
    for thread in threads:
        thread.start()
    until(lambda: server.started)
    try:
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        stop.set()
        for thread in threads:
            thread.join(LONG)
        inbox.close()


def until(true: Any) -> None:
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def named(inbox: Inbox) -> list[tuple[str, str]]:
    incoming = [inbox.opened(one.ref) for one in inbox.waiting()]
    return sorted((one.source, *one.selector.values) for one in incoming)  # type: ignore[misc]


def script(door: str, queue: str) -> str:
    parts = [
        f"python3 - <<'END'\n{text}END\n" if kind == "python" else text
        for kind, text in blocks("sh", "python")
    ]
    whole = "\n".join(["set -euo pipefail", *parts])
    return whole.replace(DOOR, door).replace(QUEUE, queue)


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    with queues_on_loopback(monkeypatch) as found:
        yield found


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, queues: Queues) -> None:
    ws = made(tmp_path / "workspace")
    write_templates(ws)
    shutil.copy(ROOT / "docs" / "mappings" / "fides.yaml", ws.root)
    ((_, settings),) = blocks("yaml")
    (ws.root / "service.yaml").write_text(settings.replace(QUEUE, queues.url))
    inbox = opened(ws)
    with doors(ws) as door:
        until((ws.root / "drop").is_dir)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "LETHE_WORKSPACE": str(ws.root), "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(
            ["bash", "-c", script(door, queues.url)],
            cwd=tmp_path,
            env=os.environ | own,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-3000:]
        until(lambda: len(inbox.waiting()) == 5)
    assert named(inbox) == [
        ("archive", "person/0012"),
        ("crm", "person/0007"),
        ("crm", "person/0009"),
        ("crm", "person/0011"),
        ("fides", "person/0010"),
    ]
    inbox.close()


def test_the_page_knows_a_genuine_notice() -> None:
    names: dict[str, Any] = {}
    (text,) = (text for kind, text in blocks("python") if "def is_genuine" in text)
    exec(text, names)  # noqa: S102  # a function that the page shows
    body, secret = b'{"state":"complete"}', "a secret of the two of us"
    headers = signing.headers_for("crm", secret, body, now=datetime.now(UTC), nonce="a" * 64)
    assert names["is_genuine"](headers, body, secret)
    assert not names["is_genuine"](headers, body + b" ", secret)
    assert not names["is_genuine"](headers | {"X-Lethe-Timestamp": "1"}, body, secret)
