"""A log goes on in a database: the same lines, and the file goes when they were read back there."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from ledger import durable
from ledger.chain import Chain, read_chain
from ledger.databases.lines import InDatabase
from ledger.errors import LogAltered
from ledger.keyring import Keyring
from ledger.lines import ELSEWHERE, ledger_named
from ledger.lines.file import LOG, TABLES, InFile
from unlearning.errors import IntegrityError, UsageError

UNDERWAY = "moving.json"
"""The note of where the log is on its way to; it becomes the one of where the log lies."""


def move(records: Path, ring: Keyring, url: str) -> Chain:
    """Let the log of these records go on in the database at `url`; give what was moved.

    Killed at any moment, the log is the file or, once all of it was read back, the database's, and
    the same call goes on. UsageError where there is no file to move or another ledger is there,
    LogAltered for a file that is not genuine. The caller holds the workspace's lock.
    """
    file = InFile(records / LOG)
    if not file.size():
        raise UsageError("log: lies in a database already, expected one in a file: nothing to do")
    content = file.read()
    chain = read_chain(content, ring)
    if chain.problem:
        raise LogAltered(f"{file.name}: {chain.problem}: nothing was moved; restore it")
    if not (records / ELSEWHERE).is_file():
        _carry(records, chain, url)
    _require_there(records, content[: chain.length], url)
    if not (records / ELSEWHERE).is_file():
        (records / UNDERWAY).replace(records / ELSEWHERE)
        durable.sync(records)
    for name in (LOG, TABLES):
        durable.remove_file(records / name, within=records)
    return chain


def _carry(records: Path, chain: Chain, url: str) -> None:
    note = records / UNDERWAY
    if not note.is_file():
        InDatabase.require_free(url)
        durable.write(note, json.dumps({"ledger": secrets.token_hex(16)}).encode())
    InDatabase.fill(url, ledger_named(note), chain.entries)


def _require_there(records: Path, expected: bytes, url: str) -> None:
    note = records / ELSEWHERE if (records / ELSEWHERE).is_file() else records / UNDERWAY
    if not InDatabase.open(url, ledger_named(note)).read().startswith(expected):
        raise IntegrityError(
            "log in the database: is not what the file has, expected the same bytes: the file was "
            "kept; empty the database, and run the same command again"
        )
