"""A queue of SQS: deleted once the inbox has it, dead letters for what cannot be read."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from ledger.inbox import Inbox
from ledger.sources import SourceKeys, signing
from systems.intake.receiving import Reception
from systems.intake.sqs import Consumer
from systems.settings.events import Queue
from tests.integration.intake.doors import BODY, made, opened, with_source
from tests.integration.intake.queues import Queues, queues_on_loopback
from unlearning.errors import InfrastructureError

VISIBLE_AFTER = 1  # second


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    with queues_on_loopback(monkeypatch) as found:
        yield found


class Desk:
    """A source that sends by the queue, and the consumer at its other end."""

    def __init__(self, place: Path, queues: Queues) -> None:
        ws = made(place)
        self.secret = with_source(ws, "crm")
        with_source(ws, "erp")
        self.keys, self.inbox, self.queues = SourceKeys(ws.keys), opened(ws), queues
        self.count = 0

    def consumer(self, source: str | None = None) -> Consumer:
        reception = Reception(self.inbox)
        return Consumer(Queue(self.queues.url, source), reception, self.keys, self.queues.client)

    def send(self, body: Any = BODY, **changes: Any) -> None:
        self.count += 1
        content = body if isinstance(body, str) else json.dumps(body)
        when = changes.pop("now", datetime.now(UTC))
        signed = signing.headers_for("crm", self.secret, content.encode(), now=when)
        told = {name.replace("-", "_"): value for name, value in (signed | changes).items()}
        self.queues.send(content, once=f"m-{self.count}", group=f"g-{self.count}", **told)

    def drained(self, consumer: Consumer) -> int:
        taken = 0
        for _ in range(20):
            if not self.queues.length(self.queues.url):
                break
            taken += consumer.poll(wait=1)
        return taken


@pytest.fixture
def crm(tmp_path: Path, queues: Queues) -> Iterator[Desk]:
    found = Desk(tmp_path, queues)
    yield found
    found.inbox.close()


def test_signed_messages_are_requests_and_go(crm: Desk) -> None:
    for number in range(3):
        crm.send({"subjects": [f"s-{number}"]})
    assert crm.drained(crm.consumer()) == 3
    assert [one.source for one in crm.inbox.waiting()] == ["crm"] * 3
    assert crm.queues.length(crm.queues.url) == 0


def test_a_message_may_wait_longer_than_a_signature_lives(crm: Desk) -> None:
    """It is as old as when it was sent; here the consumer's clock is a day ahead."""
    crm.send()
    late = Reception(crm.inbox, clock=lambda: datetime.now(UTC) + timedelta(days=1))
    consumer = Consumer(Queue(crm.queues.url), late, crm.keys, crm.queues.client)
    assert crm.drained(consumer) == 1


def test_what_was_signed_long_before_it_was_sent_is_a_replay(
    crm: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    crm.send(now=datetime.now(UTC) - timedelta(minutes=6))
    assert crm.consumer().poll(wait=1) == 0
    assert crm.inbox.waiting() == () and "seconds from our clock" in caplog.text


def test_a_message_that_is_copied_is_no_second_request(crm: Desk) -> None:
    content = json.dumps(BODY)
    signed = signing.headers_for("crm", crm.secret, content.encode(), now=datetime.now(UTC))
    told = {name.replace("-", "_"): value for name, value in signed.items()}
    for number in range(3):
        crm.queues.send(content, once=f"copy-{number}", group=f"g-{number}", **told)
    assert crm.drained(crm.consumer()) == 3
    assert len(crm.inbox.waiting()) == 1


def test_killed_before_the_delete_it_is_still_one_request(
    crm: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    consumer = crm.consumer()
    crm.queues.show_again_after(VISIBLE_AFTER)

    def kill(**_: Any) -> None:
        raise Killed

    crm.send()
    with monkeypatch.context() as patch:
        patch.setattr(consumer.client, "delete_message", kill)
        with pytest.raises(Killed):
            consumer.poll(wait=1)
    assert crm.queues.length(crm.queues.url) == 1
    time.sleep(VISIBLE_AFTER)
    assert crm.drained(crm.consumer()) == 1
    assert len(crm.inbox.waiting()) == 1


def test_killed_before_the_inbox_has_it_it_is_not_lost(
    crm: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise InfrastructureError("disk full")

    crm.queues.show_again_after(VISIBLE_AFTER)
    crm.send()
    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "receive", full)
        with pytest.raises(InfrastructureError):
            crm.consumer().poll(wait=1)
    time.sleep(VISIBLE_AFTER)
    assert crm.drained(crm.consumer()) == 1


def test_dead_letters_are_what_cannot_be_read_or_is_forged(
    crm: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    crm.queues.show_again_after(VISIBLE_AFTER)
    crm.send('{"subjects": ["jane@example.com"')
    crm.send(**{signing.SIGNATURE: "0" * 64})
    crm.send({"subjects": ["s-1"]})
    assert crm.drained(crm.consumer()) >= 1
    assert len(crm.inbox.waiting()) == 1
    assert crm.queues.length(crm.queues.dead) == 2
    assert "dead-letter queue" in caplog.text and "jane" not in caplog.text


def test_what_nobody_foresaw_stops_no_queue(crm: Desk, caplog: pytest.LogCaptureFixture) -> None:
    class Odd(Reception):
        def take(self, incoming: Any, *, nonce: str | None = None) -> Any:
            if incoming.selector.values == ("odd",):
                raise KeyError("jane@example.com")
            return super().take(incoming, nonce=nonce)

    crm.send({"subjects": ["odd"]})
    crm.send({"subjects": ["s-1"]})
    consumer = Consumer(Queue(crm.queues.url), Odd(crm.inbox), crm.keys, crm.queues.client)
    while not crm.inbox.waiting():
        consumer.poll(wait=1)
    assert "KeyError" in caplog.text and "jane" not in caplog.text


def test_a_queue_whose_policy_says_who_may_send_needs_no_signature(crm: Desk) -> None:
    """The key is the message's own: sent again under its deduplication id it is the same one."""
    for group in ("a", "b"):
        crm.queues.send(json.dumps(BODY), once="m-1", group=group)
    crm.queues.send(json.dumps({"subjects": ["s-2"]}), once="m-2", group="a")
    crm.drained(crm.consumer(source="erp"))
    assert [one.source for one in crm.inbox.waiting()] == ["erp"] * 2


def test_a_cloud_event_in_a_message_is_read(crm: Desk) -> None:
    event = {
        "specversion": "1.0",
        "id": "e-7",
        "source": "/crm",
        "type": "lethe.erasure-request.v1",
        "data": BODY,
    }
    for _ in range(2):
        crm.send(event, **{"content-type": "application/cloudevents+json"})
    assert crm.drained(crm.consumer()) == 2
    assert len(crm.inbox.waiting()) == 1


def test_a_queue_that_is_not_there_is_tried_again_until_told_to_stop(
    crm: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("systems.intake.sqs.PAUSE", 0.01)
    nowhere = Queue(crm.queues.url.replace("requests", "nowhere"))
    consumer = Consumer(nowhere, Reception(crm.inbox), crm.keys, crm.queues.client)
    stop = Event()
    thread = Thread(target=consumer.run, args=(stop,))
    with caplog.at_level(logging.WARNING):
        thread.start()
        time.sleep(0.5)
        stop.set()
        thread.join(5)
    assert not thread.is_alive()
    assert caplog.text.count("again in") >= 2
