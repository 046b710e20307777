"""An mbox file or a Maildir, message by message, as its keeper has it: read and never written.

Anybody may send as much as he likes, so no more than one message is held, and no more of one than
a message of Lethe's can have.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unlearning.errors import InfrastructureError, UsageError

MOST = 100 * 2**20
"""Bytes of a message that is looked into; one of Lethe's has fewer (`witness.mail.mib`)."""

LINES, PARTS = 1_500_000, 10_000
"""Lines, and lines that may part it: each takes a hundred bytes and more to parse, however short.
MOST in lines as mail programs write them has 1.4 million; a message of Lethe's has five parts."""

_PARTING = re.compile(rb"[\r\n]--")
_LONG_FIELD = re.compile(
    rb"(?:^|[\r\n])content-(?:type|disposition)[ \t]*:(?:[^\r\n]|\r?\n[ \t]){2000}", re.IGNORECASE
)
"""A field that takes the square of its length to parse; one of Lethe's has some hundred bytes."""

_CHUNK = 2**16
_MAILDIR = ("cur", "new")


@dataclass(frozen=True)
class Span:
    """Where a message lies: in which file, and from which byte to which."""

    path: Path
    start: int
    stop: int


def is_mail(path: Path) -> bool:
    """Whether a path is an mbox file or a Maildir; InfrastructureError where that is not shown."""
    with reading(path):
        return path.is_file() or all((path / name).is_dir() for name in _MAILDIR)


def spans(path: Path) -> Iterator[Span | None]:
    """Say where each message lies; None for what lies among the mails and is no regular file."""
    return _of_maildir(path) if path.is_dir() else _of_mbox(path)


def content(span: Span) -> bytes:
    """Give a message's bytes, at most MOST and one more; OSError for what is no file any more."""
    # A pipe that took a file's place must not be waited for.
    with os.fdopen(os.open(span.path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        file.seek(span.start)
        return file.read(min(span.stop - span.start, MOST + 1))


def is_too_large(message: bytes) -> bool:
    """Whether a message is more than one of Lethe's can be, or takes more to parse."""
    lines = message.count(b"\n") + message.count(b"\r") - message.count(b"\r\n")
    return (
        len(message) > MOST
        or lines > LINES
        or sum(1 for _ in _PARTING.finditer(message)) > PARTS
        or _LONG_FIELD.search(message) is not None
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to read the mail at a path into InfrastructureError."""
    try:
        yield
    except OSError as problem:
        raise unread(path, type(problem).__name__) from problem


def unread(path: Path, why: str) -> InfrastructureError:
    """Say that the mail at a path cannot be read."""
    return InfrastructureError(
        f"witness: the mail in {path.name} cannot be read ({why}), expected "
        "an mbox file or a Maildir that nobody is changing: try again"
    )


def _of_maildir(path: Path) -> Iterator[Span | None]:
    for name in _MAILDIR:
        for one in sorted((path / name).iterdir()):
            size = _size(one)
            yield None if size is None else Span(one, 0, size)


def _size(path: Path) -> int | None:
    """Give the bytes of a file, or of what is linked to; None if it is none, as a device."""
    try:
        found = path.stat()
    except OSError as problem:
        if path.is_symlink() and problem.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _of_mbox(path: Path) -> Iterator[Span]:
    start = at = 0
    begins = True
    with path.open("rb") as file:
        while line := file.readline(_CHUNK):
            if begins and line.startswith(b"From "):
                if start:
                    yield Span(path, start, at)
                start = at + len(line)
            elif not at:
                raise UsageError(f"witness: {path.name} is no mbox file, expected one, or a folder")
            at += len(line)
            begins = line.endswith(b"\n")
    if start:
        yield Span(path, start, at)
