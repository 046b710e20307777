"""What a mailbox was sent: the objects that its messages bring, by their names.

Anybody may write to a mailbox. What is not Lethe's is passed over and counted; what is, in form, is
held to its signature by whoever asks for it, as an object at any other witness.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from email.parser import BytesParser
from functools import cached_property
from pathlib import Path

from systems.witness.boxes import Span, content, is_too_large, reading, spans, unread
from systems.witness.letters import NUMBER, SMALL, is_small, key_of
from unlearning.counting import numbered
from unlearning.digests import sha256_hex
from unlearning.errors import IntegrityError, UsageError

OBJECTS = 100_000
"""How many one mailbox may bring: a checkpoint each hour takes eleven years to."""

_HEAD = 2**16
"""Bytes in which a message's number is looked for, where the rest is not looked into."""


@dataclass(frozen=True)
class Held:
    """An object. content: of a small one; another is read again from where its message lies."""

    digest: str
    content: bytes | None
    span: Span


@dataclass(frozen=True)
class Found:
    """The objects by their keys. others, too_large: how many messages were passed over.

    no_files: how many things among the mails of a Maildir are none, as a pipe or a dead link.
    """

    objects: dict[str, Held]
    others: int
    too_large: int
    no_files: int


@dataclass(frozen=True)
class Mail:
    """An mbox file or a Maildir."""

    path: Path

    def locked(self) -> bool:
        """Mail keeps nothing from its owner."""
        return False

    def give(self, key: str, content: bytes, until: datetime | None) -> bool:
        """Refuse: only a mail server delivers."""
        raise UsageError(
            f"witness: got the mail in {self.path.name}, expected a place to write to: name its "
            "mailbox, smtp://HOST/NAME@DOMAIN, in service.yaml"
        )

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, in order."""
        return (key for key in sorted(self.found.objects) if key.startswith(prefix))

    def read(self, key: str) -> bytes:
        """An object's bytes; InfrastructureError if its message was changed meanwhile."""
        held = self.found.objects[key]
        if held.content is not None:
            return held.content
        with reading(self.path):
            for other, bytes_ in _objects(content(held.span), self.path.name):
                if other == key and sha256_hex(bytes_) == held.digest:
                    return bytes_
        raise unread(self.path, "changed")

    def passed_over(self) -> Iterator[str]:
        """Say in words which messages were not looked at further."""
        if self.found.others:
            count = numbered(self.found.others, "other message", "other messages")
            yield f"witness: {count} passed over"
        if self.found.too_large:
            count = numbered(self.found.too_large, "message", "messages")
            yield f"witness: {count} passed over as too large for one of Lethe's"
        if self.found.no_files:
            count = numbered(self.found.no_files, "thing", "things")
            yield f"witness: {count} among the mails passed over as no regular file"

    @cached_property
    def found(self) -> Found:
        """Read it once.

        IntegrityError where one object came in two forms, or is none of Lethe's by its size, and
        where a message of Lethe's brings nothing, or there are more than OBJECTS.
        """
        objects: dict[str, Held] = {}
        others = too_large = no_files = 0
        with reading(self.path):
            for number, span in enumerate(spans(self.path), 1):
                if span is None:
                    no_files += 1
                    continue
                message, where = content(span), f"{self.path.name}: message {number}"
                if is_too_large(message):
                    _refuse_number(message, where)
                    too_large += 1
                    continue
                brought = _objects(message, where)
                others += not brought
                for key, bytes_ in brought:
                    _hold(objects, key, bytes_, span, where)
        return Found(objects, others, too_large, no_files)


_MENDED = (
    "expected one workspace's and unaltered ones; move what is another's to a mailbox of its own"
)


def _hold(objects: dict[str, Held], key: str, bytes_: bytes, span: Span, where: str) -> None:
    """Take an object in, unless it is there already."""
    small = is_small(key)
    if small and len(bytes_) > SMALL:
        raise IntegrityError(
            f"witness: {where} brings {key} of {len(bytes_):,} bytes, which has {SMALL:,} at most: "
            + _MENDED
        )
    held = objects.setdefault(key, Held(sha256_hex(bytes_), bytes_ if small else None, span))
    if held.digest != sha256_hex(bytes_):
        raise IntegrityError(
            f"witness: {where} brings another {key} than one before it, or two: {_MENDED}"
        )
    if len(objects) > OBJECTS:
        raise IntegrityError(
            f"witness: {where} brings one more than {OBJECTS:,} objects by Lethe's names: "
            f"{_MENDED}, or what is older to one"
        )


def _refuse_number(message: bytes, where: str) -> None:
    """IntegrityError if a message that is not looked into is Lethe's: what it has is missing."""
    head = BytesParser().parsebytes(message[:_HEAD], headersonly=True)
    if NUMBER.fullmatch(str(head.get("Message-ID", "")).strip()):
        raise IntegrityError(
            f"witness: {where} is Lethe's by its number and too large for one of Lethe's: it was "
            "altered on its way, or is another's; take it out once you know, or fetch it again"
        )


def _objects(whole: bytes, where: str) -> list[tuple[str, bytes]]:
    """Give the objects that a message brings, also where it was sent on as an attachment.

    One that is nested deeper than can be followed is none of Lethe's.
    """
    try:
        message = message_from_bytes(whole)
        brought = [
            (key, bytes_ if isinstance(bytes_ := part.get_payload(decode=True), bytes) else b"")
            for part in message.walk()
            if (key := key_of(_name(part))) is not None
        ]
    except RecursionError:
        return []
    if not brought and NUMBER.fullmatch(str(message.get("Message-ID", "")).strip()):
        raise IntegrityError(
            f"witness: {where} is Lethe's by its number and brings nothing: it was cut, or altered "
            "on its way; take it out once you know, or fetch it again"
        )
    return brought


def _name(part: Message) -> str:
    """Give an attachment's name; none where a header is no header, as in others' mail."""
    try:
        return part.get_filename() or ""
    except (ValueError, TypeError, LookupError, AttributeError):
        return ""
