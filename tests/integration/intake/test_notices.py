"""Notices of states: signed, in order, at least once, and none held up by another's endpoint."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ledger import sources
from ledger.domain import Selector, State
from ledger.replay import following
from ledger.requests import Ledger, Verb
from ledger.sources import SourceKeys, signing
from systems.settings.events import Endpoint
from systems.settings.workspace import Workspace
from systems.webhooks import sending
from systems.webhooks.endpoints import tellings
from systems.webhooks.sending import Telling, posted
from tests.integration.intake.doors import made, with_source
from unlearning.errors import InfrastructureError, IntegrityError, PolicyError

LONG = 60.0  # seconds that a test waits for what takes milliseconds


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(sending, "EVERY", 0.01)
    monkeypatch.setattr(sending, "FIRST_PAUSE", 0.01)
    found = made(tmp_path)
    with_source(found, "crm")
    return found


class Endpoints:
    """What was posted to whom; `answers` may refuse."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.answers: Callable[[str], int] = lambda url: 204

    def __call__(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        status = self.answers(url)
        if status < 300:
            self.got.append((url, json.loads(body), headers))
        return status

    def states(self, host: str = "crm") -> list[str]:
        return [body["state"] for url, body, _ in self.got if host in url]


@contextmanager
def running(telling: list[Telling]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=one.run, args=(stop,)) for one in telling]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(LONG)
    assert not any(thread.is_alive() for thread in threads)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def to(name: str) -> Endpoint:
    return Endpoint(f"https://{name}.example/notices", name)


def submitted(ws: Workspace, subject: str) -> str:
    return (
        Ledger.open(ws.records, ws.keys)
        .submit(
            Selector("subject", (subject,)),
            received_at=datetime.now(UTC),
            jurisdiction="gdpr",
            idempotency_key=None,
            examples=3,
            now=datetime.now(UTC),
        )
        .ref
    )


def cursor(ws: Workspace, name: str = "crm") -> Path:
    return ws.service / "notices" / f"{name}.json"


@contextmanager
def told(ws: Workspace, ends: Endpoints, *names: str) -> Iterator[None]:
    """Endpoints that were told of all that there was before."""
    with running(tellings(ws, [to(name) for name in names or ("crm",)], ends)):
        until(lambda: all(cursor(ws, name).exists() for name in names or ("crm",)))
        yield


def test_each_state_is_told_once_in_order_and_signed(ws: Workspace) -> None:
    ends = Endpoints()
    with told(ws, ends):
        ref = submitted(ws, "s-1")
        ledger = Ledger.open(ws.records, ws.keys)
        for verb in (Verb.HOLD, Verb.RESUME, Verb.EXTEND, Verb.DENY):
            ledger.say(verb, ref, reason="a reason", now=datetime.now(UTC))
        until(lambda: len(ends.got) == 5)
    assert ends.states() == ["accepted", "held", "accepted", "accepted", "denied"]
    for _, body, headers in ends.got:
        assert body.keys() == {"request", "state", "due_at", "at"} and body["request"] == ref
        content = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        signing.verified(headers, content, SourceKeys(ws.keys).of, now=datetime.now(UTC))
    dues = [body["due_at"] for _, body, _ in ends.got]
    assert dues[0] == dues[2] < dues[3] == dues[4]
    entries = [e.hash for e in ledger.log.entries() if "request" in e.body]
    assert [headers[signing.NONCE] for _, _, headers in ends.got] == entries


def test_an_endpoint_that_is_named_today_is_not_told_of_yesterday(ws: Workspace) -> None:
    submitted(ws, "s-1")
    ends = Endpoints()
    with told(ws, ends):
        submitted(ws, "s-2")
        until(lambda: len(ends.got) == 1)
    assert len(ends.got) == 1


def test_what_happened_while_nobody_told_is_told_after_a_restart(ws: Workspace) -> None:
    ends = Endpoints()
    with told(ws, ends):
        pass
    refs = [submitted(ws, f"s-{number}") for number in range(3)]
    with told(ws, ends):
        until(lambda: len(ends.got) == 3)
    assert [body["request"] for _, body, _ in ends.got] == refs


def test_what_was_told_while_the_word_of_it_got_lost_comes_again_under_the_same_id(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the answer and the cursor: at least once, and the nonce shows that it is."""
    ends = Endpoints()
    with told(ws, ends):
        pass
    submitted(ws, "s-1")
    (one,) = tellings(ws, [to("crm")], ends)

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("systems.webhooks.cursors.keep", kill)
        with pytest.raises(Killed):
            one.run(threading.Event())
    with told(ws, ends):
        until(lambda: len(ends.got) == 2)
    assert len({headers[signing.NONCE] for _, _, headers in ends.got}) == 1


def test_an_endpoint_that_is_down_holds_up_nobody_else_and_misses_nothing(ws: Workspace) -> None:
    with_source(ws, "down")
    ends, down = Endpoints(), True
    ends.answers = lambda url: 503 if "down" in url and down else 200
    with told(ws, ends, "crm", "down"):
        for number in range(3):
            submitted(ws, f"s-{number}")
        until(lambda: len(ends.states("crm")) == 3)
        assert ends.states("down") == []
        down = False
        until(lambda: len(ends.states("down")) == 3)


def test_an_endpoint_that_cannot_be_reached_is_tried_again(ws: Workspace) -> None:
    ends, tries = Endpoints(), []

    def fail(url: str, body: bytes, headers: dict[str, str]) -> int:
        tries.append(url)
        if len(tries) < 3:
            raise InfrastructureError("cannot be reached")
        return ends(url, body, headers)

    with running(tellings(ws, [to("crm")], fail)):
        until(cursor(ws).exists)
        submitted(ws, "s-1")
        until(lambda: len(ends.got) == 1)
    assert len(tries) == 3


def test_without_a_secret_nothing_is_sent_until_there_is_one(ws: Workspace) -> None:
    ends = Endpoints()
    sources.shut(ws.keys, "crm")
    with told(ws, ends):
        submitted(ws, "s-1")
        time.sleep(0.2)
        assert ends.got == []
        with_source(ws, "crm")
        until(lambda: len(ends.got) == 1)


def test_a_log_that_was_cut_stops_the_notices(
    ws: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    ends = Endpoints()
    with told(ws, ends):
        submitted(ws, "s-1")
        until(lambda: len(ends.got) == 1)
    ws.log.write_bytes(ws.log.read_bytes().splitlines(keepends=True)[0])
    with running(tellings(ws, [to("crm")], ends)):
        until(lambda: "verify --log" in caplog.text)
    assert len(ends.got) == 1


def test_the_alarm_of_a_log_that_is_another_one_does_not_wear_off(ws: Workspace) -> None:
    """What was gained with it was told to nobody, so it is not passed over the next time."""
    ends = Endpoints()
    with told(ws, ends):
        submitted(ws, "s-1")
        until(lambda: len(ends.got) == 1)
    known = json.loads(cursor(ws).read_text())
    cursor(ws).write_text(json.dumps({**known, "hash": "ab" * 32}))
    (telling,) = tellings(ws, [to("crm")], ends)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="verify --log"):
            telling._new(0)


def test_the_log_is_read_once_for_all_endpoints(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    def counted(lines: Any, ring: Any, since: following.Place) -> Any:
        begun.append(since.seq)
        return following.read_on(lines, ring, since)

    monkeypatch.setattr("systems.webhooks.notices.read_on", counted)
    submitted(ws, "s-1")
    names = ("crm", "dpo", "audit")
    for telling in tellings(ws, [to(name) for name in names], Endpoints()):
        telling._new(0)
    assert begun.count(0) == 1 and len(begun) == 3


def test_two_endpoints_of_one_source_are_refused(ws: Workspace) -> None:
    with pytest.raises(PolicyError, match="same source"):
        tellings(ws, [to("crm"), to("crm")])


@pytest.mark.parametrize(
    "url", ["http://crm.example/x", "ftp://crm.example", "crm.example", "https://", "http://[", ""]
)
def test_a_notice_never_travels_in_the_open(url: str) -> None:
    with pytest.raises(PolicyError, match="https"):
        Endpoint(url, "crm")


@contextmanager
def answering(status: int, **headers: str) -> Iterator[tuple[str, list[bytes]]]:
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/notices", got
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("status", [200, 204, 400, 410, 503])
def test_over_the_wire_the_status_is_what_the_endpoint_answers(status: int) -> None:
    with answering(status) as (url, got):
        assert posted(Endpoint(url, "crm").url, b"{}", {"X-Lethe-Nonce": "n"}) == status
    assert got == [b"{}"]


def test_a_redirection_is_not_followed() -> None:
    with answering(200) as (other, stolen), answering(307, Location=other) as (url, _):
        assert posted(url, b"{}", {}) == 307
    assert stolen == []


def test_nobody_there_is_an_error_that_is_tried_again() -> None:
    with answering(200) as (url, _):
        pass
    with pytest.raises(InfrastructureError, match="cannot be reached"):
        posted(url, b"{}", {})


def test_a_request_that_no_run_was_needed_for_is_told_as_any_other(ws: Workspace) -> None:
    ends = Endpoints()
    with told(ws, ends):
        ref = submitted(ws, "s-1")
        ledger = Ledger.open(ws.records, ws.keys)
        for state in (State.PURGING, State.COMPLETE):
            ledger.move(ref, state, now=datetime.now(UTC))
        until(lambda: len(ends.got) == 3)
    assert ends.states() == ["accepted", "purging", "complete"]
