"""What a mailbox was sent, as its keeper has it: an mbox file or a Maildir, read and never written.

Anybody may write to a mailbox. What is not Lethe's is passed over and counted; what is, in form, is
held to its signature by whoever asks for it, as an object at any other witness.
"""

from __future__ import annotations

import errno
import mailbox
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import IO, cast

from systems.witness.letters import NUMBER, key_of
from unlearning.counting import numbered
from unlearning.errors import InfrastructureError, IntegrityError, UsageError

MOST = 100 * 2**20
"""Bytes of a message that is looked into; one of Lethe's has fewer (`witness.mail.mib`)."""

_MAILDIR = ("cur", "new")


@dataclass(frozen=True)
class Found:
    """The objects by their keys. others, too_large: how many messages were passed over.

    no_files: how many things among the mails of a Maildir are none, as a pipe or a dead link.
    """

    objects: dict[str, bytes]
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
        if self.found.no_files:
            count = numbered(self.found.no_files, "thing", "things")
            yield f"witness: {count} among the mails passed over as no regular file"

    @cached_property
    def found(self) -> Found:
        """Read it once.

        IntegrityError where one object came in two forms, or a message of Lethe's brings nothing.
        """
        objects: dict[str, bytes] = {}
        others = too_large = no_files = 0
        for number, content in enumerate(_messages(self.path), 1):
            if content is None:
                no_files += 1
                continue
            if len(content) > MOST:
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
        return Found(objects, others, too_large, no_files)


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
    """Give each message's bytes, of one that is too large more than MOST.

    None for what lies among the mails of a Maildir and is no regular file.
    """
    try:
        yield from _of_maildir(path) if path.is_dir() else _of_mbox(path)
    except (OSError, KeyError, mailbox.Error) as problem:
        raise _unread(path, problem) from problem


def _of_maildir(path: Path) -> Iterator[bytes | None]:
    for name in _MAILDIR:
        for one in sorted((path / name).iterdir()):
            if not _is_regular(one):
                yield None
                continue
            # Another may lie there since it was asked: a pipe must not be waited for.
            with os.fdopen(os.open(one, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
                yield _bytes(file) if regular else None


def _is_regular(path: Path) -> bool:
    """Whether a path, or what it links to, is a file; asked before it is opened, as of a device."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as problem:
        if path.is_symlink() and problem.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise


def _of_mbox(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        if not b"From ".startswith(start := file.read(5)) or (start and len(start) < 5):
            raise UsageError(f"witness: {path.name} is no mbox file, expected one, or a folder")
    box = mailbox.mbox(path, create=False)
    try:
        for key in box.keys():  # noqa: SIM118  # iterating a mailbox parses what it gives
            with box.get_file(key) as file:
                yield _bytes(cast(IO[bytes], file))
    finally:
        box.close()


def _bytes(file: IO[bytes]) -> bytes:
    return file.read(MOST + 1)


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
