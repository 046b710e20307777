"""What a mailbox was sent, as its keeper has it: an mbox file or a Maildir, read and never written.

Anybody may write to a mailbox. What is not Lethe's is passed over and counted; what is, in form, is
held to its signature by whoever asks for it, as an object at any other witness.
"""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

from systems.witness.letters import NUMBER, key_of
from unlearning.counting import numbered
from unlearning.errors import InfrastructureError, IntegrityError, UsageError

MOST = 100 * 2**20
"""Bytes of a message that is looked into; one of Lethe's has fewer (`witness.mail.mib`)."""

_MAILDIR = ("cur", "new")


@dataclass(frozen=True)
class Found:
    """The objects by their keys. others, too_large: how many messages were passed over."""

    objects: dict[str, bytes]
    others: int
    too_large: int


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
        """An object's bytes."""
        return self.found.objects[key]

    def passed_over(self) -> Iterator[str]:
        """Say in words which messages were not looked at further."""
        if self.found.others:
            count = numbered(self.found.others, "other message", "other messages")
            yield f"witness: {count} passed over"
        if self.found.too_large:
            count = numbered(self.found.too_large, "message", "messages")
            yield f"witness: {count} passed over as too large for one of Lethe's"

    @cached_property
    def found(self) -> Found:
        """Read it once.

        IntegrityError where one object came in two forms, or a message of Lethe's brings nothing.
        """
        objects: dict[str, bytes] = {}
        others = too_large = 0
        for number, content in enumerate(_messages(self.path), 1):
            if content is None:
                too_large += 1
                continue
            brought = _objects(content, f"{self.path.name}: message {number}")
            others += not brought
            for key, bytes_ in brought:
                if objects.setdefault(key, bytes_) != bytes_:
                    raise IntegrityError(
                        f"witness: {self.path.name}: message {number} brings another {key} than "
                        f"one before it, or two: {_MENDED}"
                    )
        return Found(objects, others, too_large)


_MENDED = (
    "expected one workspace's and unaltered ones; move what is another's to a mailbox of its own"
)


def is_mail(path: Path) -> bool:
    """Whether a path is an mbox file or a Maildir; InfrastructureError where that is not shown."""
    try:
        return path.is_file() or all((path / name).is_dir() for name in _MAILDIR)
    except OSError as problem:
        raise _unread(path, problem) from problem


def _unread(path: Path, problem: Exception) -> InfrastructureError:
    return InfrastructureError(
        f"witness: the mail in {path.name} cannot be read ({type(problem).__name__}), expected "
        "an mbox file or a Maildir that nobody is changing: try again"
    )


def _messages(path: Path) -> Iterator[bytes | None]:
    """Give each message's bytes, None for one that is too large to look into."""
    try:
        box = _opened(path)
        try:
            for key in box.keys():  # noqa: SIM118  # iterating a mailbox parses what it gives
                with box.get_file(key) as file:
                    yield _bytes(cast(IO[bytes], file))
        finally:
            box.close()
    except (OSError, KeyError, mailbox.Error) as problem:
        raise _unread(path, problem) from problem


def _opened(path: Path) -> mailbox.Mailbox[Any]:
    if path.is_dir():
        return mailbox.Maildir(path, create=False)
    with path.open("rb") as file:
        if not b"From ".startswith(start := file.read(5)) or (start and len(start) < 5):
            raise UsageError(f"witness: {path.name} is no mbox file, expected one, or a folder")
    return mailbox.mbox(path, create=False)


def _bytes(file: IO[bytes]) -> bytes | None:
    content = file.read(MOST + 1)
    return content if len(content) <= MOST else None


def _objects(content: bytes, where: str) -> list[tuple[str, bytes]]:
    """Give the objects that a message brings, also where it was sent on as an attachment.

    One that is nested deeper than can be followed is none of Lethe's.
    """
    try:
        message = message_from_bytes(content)
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
