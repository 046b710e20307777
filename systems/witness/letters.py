"""What a witness that is a mailbox gets: one message for each object, that tells by itself.

An attachment's name is its key at a witness with two underscores for each slash, which mail
programs leave alone. A message's number follows from what it brings: a repeat has the same one.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from ledger import durable
from ledger.evidence import SIGNATURE, STATEMENT
from unlearning.digests import digest_of, sha256_hex

RUN = r"run-[0-9a-f]{12}"
KEYS = re.compile(
    rf"(checkpoints|suppression)/\d{{12}}\.json|evidence/{RUN}(/erasure|/completion)?/statement\.(json|sig)",
    re.ASCII,
)
"""Of attachments that are read again; a statement's other files come along in one archive."""

SMALL = 2048
"""Bytes that a checkpoint has at most: one has some 400."""

NUMBER = re.compile(r"<[0-9a-f]{40}\.lethe@[^<>\s]+>")
"""Of a message's `Message-ID`."""

OWNER = "X-Lethe-Workspace"
"""Header: the random name of the workspace, by which a keeper of several sorts them."""

_MIB = 2**20


@dataclass(frozen=True)
class Letter:
    """One message. key: of the object. line: what it is. files: what it brings, by their names."""

    key: str
    line: str
    files: Mapping[str, bytes]
    left_out: Mapping[str, str]
    """SHA-256 of what did not fit, by its name."""


def of_object(key: str, content: bytes, line: str) -> Letter:
    """Give the message that brings one object."""
    return Letter(key, line, {named(key): content}, {})


def of_statement(key: str, folder: Path, files: list[Path], mib: int) -> Letter:
    """Give the message that brings a sealed statement: itself, its signature, and all in one.

    files: of the statement's folder. An archive of more than `mib` is not sent; the statement
    has the digest of each file in it.
    """
    parts = {named(f"{key}/{name}"): durable.read(folder / name) for name in (STATEMENT, SIGNATURE)}
    name, archive = f"{named(key)}.zip", _archive(key, folder, files)
    fits = len(archive) + sum(map(len, parts.values())) <= mib * _MIB
    line = f"a sealed statement, {sha256_hex(parts[named(f'{key}/{STATEMENT}')])}"
    sent = {**parts, name: archive} if fits else parts
    return Letter(key, line, sent, {} if fits else {name: sha256_hex(archive)})


def _archive(key: str, folder: Path, files: list[Path]) -> bytes:
    """Give the same bytes for the same files, to be unpacked into a bundle's folder."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            inner = f"{key}/{path.relative_to(folder).as_posix()}"
            entry = zipfile.ZipInfo(inner, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, durable.read(path))
    return made.getvalue()


def named(key: str) -> str:
    """Give the name of the attachment that brings an object."""
    return key.replace("/", "__")


def key_of(name: str) -> str | None:
    """Give the key of the object that an attachment brings; None for another's attachment."""
    key = name.replace("__", "/")
    return key if KEYS.fullmatch(key) else None


def is_small(key: str) -> bool:
    """Whether an object has SMALL bytes at most, whatever it tells of."""
    return key.startswith("checkpoints/")


def message(letter: Letter, owner: str, sender: str, recipient: str, now: datetime) -> EmailMessage:
    """Write a message. owner: the workspace's random name."""
    made = EmailMessage()
    digests = {name: sha256_hex(content) for name, content in letter.files.items()}
    number = digest_of([owner, letter.key, digests])[:40]
    made["From"], made["To"] = sender, recipient
    made["Subject"] = f"Lethe {letter.key}"
    made["Date"] = format_datetime(now)
    made["Message-ID"] = f"<{number}.lethe@{sender.rpartition('@')[2]}>"
    made[OWNER] = owner
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(_text(letter, digests))
    for name, content in letter.files.items():
        kind = ("application", "zip" if name.endswith(".zip") else "octet-stream")
        made.add_attachment(content, *kind, filename=name)
    return made


def _text(letter: Letter, digests: Mapping[str, str]) -> str:
    lines = [f"Lethe: {letter.key}: {letter.line}", "", "Keep this message. SHA-256 of its files:"]
    lines += [f"{digest}  {name}" for name, digest in digests.items()]
    if letter.left_out:
        lines += ["", "Too large for a message, ask for it; SHA-256:"]
        lines += [f"{digest}  {name}" for name, digest in letter.left_out.items()]
    lines += ["", "lethe verify --log --witness PATH reads an mbox file or a Maildir of these."]
    return "\n".join(lines) + "\n"
