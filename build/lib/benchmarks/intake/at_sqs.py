"""A storm through a queue of SQS, which moto's server keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

from benchmarks.intake.at_http import Kill
from benchmarks.intake.events import Event
from benchmarks.intake.places import PATIENCE, Place, answers, free_port, started, wait_for

VISIBLE_AFTER = 4
"""Seconds until a message that a killed consumer had is seen again; more than a batch takes."""
TRIES = 4
"""Receives of one message after which it is a dead letter."""
CHUNK = 50
"""Messages that are sent together, as soon as fewer than twice as many wait: moto is slow else."""
REFUSED = ("forged", "malformed")
"""Kinds that stay for the dead-letter queue."""
FOR_MOTO = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True)
class Queues:
    """A FIFO queue and its dead letters."""

    client: Any
    url: str
    dead: str

    def length(self, url: str) -> int:
        """How many messages a queue has, seen or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(found["Attributes"][name]) for name in names)

    def send(self, number: int, event: Event, secret: str) -> None:
        """Send an event, its headers as the message's attributes."""
        headers = event.headers(secret)
        told = {k: {"DataType": "String", "StringValue": v} for k, v in headers.items()}
        self.client.send_message(
            QueueUrl=self.url,
            MessageBody=event.body.decode(errors="replace") or " ",
            MessageDeduplicationId=f"m-{number}",
            MessageGroupId=f"g-{number}",
            MessageAttributes=told,
        )


def storm(place: Place, events: list[Event], kill: Kill) -> dict[str, Any]:
    """Send all events, then let consumers take them, each until it is killed."""
    with _queues() as queues:

        def start() -> subprocess.Popen[bytes]:
            words = (str(place.ws.root), queues.url)
            return started("benchmarks.intake.consuming", *words, output=subprocess.PIPE)

        bad = sum(event.kind in REFUSED for event in events)
        with kill(start) as killer:
            _send(queues, events, place.secret)
            _drain(queues, bad)
        return {"kills": killer.kills, "never_deleted": bad}


def _send(queues: Queues, events: list[Event], secret: str) -> None:
    for number, event in enumerate(events):
        if number % CHUNK == 0:
            wait_for(lambda: queues.length(queues.url) < 2 * CHUNK)
        queues.send(number, event, secret)


def _drain(queues: Queues, bad: int) -> None:
    """Wait until nothing is left but what no consumer may delete."""
    end, last = time.monotonic() + PATIENCE, -1
    while (left := queues.length(queues.url) + queues.length(queues.dead)) != bad:
        end = time.monotonic() + PATIENCE if left != last else end
        if left < bad or time.monotonic() > end:
            raise TimeoutError(f"{left} messages are left in the queue, expected {bad}")
        last = left
        time.sleep(0.2)


@contextmanager
def _queues() -> Iterator[Queues]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    line = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    before = dict(os.environ)
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(line, stdout=quiet, stderr=quiet)
    os.environ.update(FOR_MOTO | {"AWS_ENDPOINT_URL": address})
    try:
        wait_for(lambda: answers(f"{address}/moto-api/"))
        client = boto3.client("sqs")
        yield _made(client)
        client.close()
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.kill()
        server.wait()


def _made(client: Any) -> Queues:
    fifo = {"FifoQueue": "true", "VisibilityTimeout": str(VISIBLE_AFTER)}
    dead = client.create_queue(QueueName="dead.fifo", Attributes=fifo)["QueueUrl"]
    named = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    redrive = {"deadLetterTargetArn": named["Attributes"]["QueueArn"], "maxReceiveCount": TRIES}
    told = {**fifo, "RedrivePolicy": json.dumps(redrive)}
    url = client.create_queue(QueueName="requests.fifo", Attributes=told)["QueueUrl"]
    return Queues(client, url, dead)
