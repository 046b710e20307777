"""Requests from a queue of SQS: a message is deleted only once the inbox has it.

Killed at any moment, a consumer leaves the message to the next one, and its key makes that no
second request. What cannot be read stays, until the queue moves it to its dead-letter queue.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ledger.inbox import Incoming
from ledger.sources import SourceKeys, signing
from systems.intake.read import read
from systems.intake.receiving import OURS, Reception, told
from systems.settings.events import Queue

logger = logging.getLogger(__name__)

DOOR = "queue"
BATCH = 10  # messages: the most that SQS gives at once
WAIT = 5  # seconds of a long poll, so that a service can end within 10
PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds after a failure of the queue, doubled each time


class Attributes(dict[str, str]):
    """A message's attributes, found by any spelling of their names, as headers are."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__({k.lower(): v.get("StringValue", "") for k, v in given.items()})

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute of this name."""
        return super().get(name.lower(), default)


@dataclass(frozen=True)
class Consumer:
    """Takes what a queue has. client: boto3's of SQS."""

    queue: Queue
    reception: Reception
    keys: SourceKeys
    client: Any = field(repr=False)

    def run(self, stop: Event) -> None:
        """Consume until told to stop; a queue that cannot be reached is tried again and again."""
        self._warn_without_dead_letters()
        pause = PAUSE
        while not stop.is_set():
            try:
                self.poll()
                pause = PAUSE
            except Exception as problem:  # noqa: BLE001  # a queue is never given up
                logger.warning("queue: %s; again in %.0f s", told(problem), pause)
                stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def poll(self, wait: int = WAIT) -> int:
        """Take one batch; give how many requests are in the inbox for it."""
        answer = self.client.receive_message(
            QueueUrl=self.queue.url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp", "MessageDeduplicationId"],
        )
        return sum(self._taken(message) for message in answer.get("Messages", ()))

    def _taken(self, message: Mapping[str, Any]) -> bool:
        try:
            self.reception.counted(DOOR, lambda: self._incoming(message))
        except OURS:
            raise
        except Exception as problem:  # noqa: BLE001  # the queue goes on behind it
            logger.error("queue: a message is left to the dead-letter queue: %s", told(problem))
            return False
        self.client.delete_message(QueueUrl=self.queue.url, ReceiptHandle=message["ReceiptHandle"])
        return True

    def _incoming(self, message: Mapping[str, Any]) -> Incoming:
        headers = Attributes(message.get("MessageAttributes", {}))
        body, told = message["Body"].encode(), message.get("Attributes", {})
        own = f"message {told.get('MessageDeduplicationId') or message['MessageId']}"
        source = self.queue.source
        if source is None:
            # As old as when it was sent: it may have waited here for days.
            sent = datetime.fromtimestamp(int(told["SentTimestamp"]) / 1000, UTC)
            signed = signing.verified(headers, body, self.keys.of, now=sent)
            source, own = signed.source, f"nonce {signed.nonce}"
        self.keys.require(source)
        return read(headers, body).incoming(source, own, self.reception.clock())

    def _warn_without_dead_letters(self) -> None:
        try:
            found = self.client.get_queue_attributes(
                QueueUrl=self.queue.url, AttributeNames=["RedrivePolicy"]
            )
        except (BotoCoreError, ClientError):
            return  # the first poll says what is wrong
        if "RedrivePolicy" not in found.get("Attributes", {}):
            logger.warning(
                "queue: has no dead-letter queue, so what cannot be read comes again and again: "
                "give it a redrive policy"
            )


def client_of(queue: Queue) -> Any:
    """boto3's client for a queue, in the region that its address names, or else in boto3's own."""
    import boto3

    named = re.match(r"https://sqs\.([a-z0-9-]+)\.amazonaws\.", queue.url)
    return boto3.client("sqs", region_name=named.group(1) if named else None)
