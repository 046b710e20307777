"""A queue of SQS that a server on this machine keeps, with its dead-letter queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from tests.integration.buckets import aws_on_loopback

TRIES = 3
"""Receives of a message after which it goes to the dead-letter queue."""


@dataclass(frozen=True)
class Queues:
    """A FIFO queue and where its dead letters go. client: boto3's."""

    client: Any
    url: str
    dead: str
    endpoint: str

    def send(self, body: str, *, once: str, group: str, **attributes: str) -> None:
        """Send one message; once: its deduplication id."""
        told = {
            name.replace("_", "-"): {"DataType": "String", "StringValue": value}
            for name, value in attributes.items()
        }
        self.client.send_message(
            QueueUrl=self.url,
            MessageBody=body,
            MessageDeduplicationId=once,
            MessageGroupId=group,
            MessageAttributes=told,
        )

    def length(self, url: str) -> int:
        """How many messages a queue has, seen or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(found["Attributes"][name]) for name in names)

    def show_again_after(self, seconds: int) -> None:
        """Let what is received from now on, and not deleted, be seen again after so long."""
        told = {"VisibilityTimeout": str(seconds)}
        self.client.set_queue_attributes(QueueUrl=self.url, Attributes=told)


@contextmanager
def queues_on_loopback(patch: pytest.MonkeyPatch) -> Iterator[Queues]:
    """Give two empty queues, whose messages are seen once as far as a test is concerned."""
    with aws_on_loopback(patch) as endpoint:
        client = boto3.client("sqs")
        fifo = {"FifoQueue": "true", "VisibilityTimeout": "60"}
        dead = client.create_queue(QueueName="dead.fifo", Attributes=fifo)["QueueUrl"]
        names = ["QueueArn"]
        found = client.get_queue_attributes(QueueUrl=dead, AttributeNames=names)
        arn = found["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": TRIES})
        made = client.create_queue(
            QueueName="requests.fifo", Attributes={**fifo, "RedrivePolicy": redrive}
        )
        yield Queues(client, made["QueueUrl"], dead, endpoint)
        client.close()
