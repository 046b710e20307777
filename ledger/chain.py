"""Reading and checking the log: what an entry is, and what makes a line of it genuine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import durable
from ledger.keyring import Keyring, next_key
from unlearning.counting import counted, numbered
from unlearning.digests import canonical_json, from_hex, sha256_hex
from unlearning.errors import LetheError

GENESIS = "0" * 64  # what the first entry names as its predecessor


@dataclass(frozen=True)
class Entry:
    """One line of the log.

    seq: 1, 2, 3... previous: hash of the entry before. at: ISO 8601, UTC; order is by seq alone.
    key: makes the entry unique in the log. hash: SHA-256 of the canonical JSON of all fields
    above it. signature: Ed25519 over the hash's 64 characters, in hexadecimal.
    """

    seq: int
    previous: str
    at: str
    event: str
    key: str
    body: Mapping[str, Any]
    hash: str
    signature: str

    def line(self) -> bytes:
        """The entry as it lies in the file, line end included."""
        return canonical_json(vars(self)) + b"\n"


@dataclass(frozen=True)
class Verification:
    """Outcome of a verification: what was looked at, and what is wrong, one line each."""

    checked: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True if something was checked and nothing is wrong with it."""
        return bool(self.checked) and not self.problems


@dataclass(frozen=True)
class Chain:
    """What a log file holds: its genuine entries up to the first problem.

    length: bytes that those entries take. torn: the last line has no end, as after a crash in
    the middle of a write; what follows `length` was then never acknowledged to anyone. keys: the
    public keys that signed it, in order, and last the one that is to sign the next entry.
    """

    entries: tuple[Entry, ...]
    length: int
    problem: str | None
    torn: bool
    keys: tuple[bytes, ...] = ()

    @property
    def head(self) -> str:
        """Hash of the last genuine entry."""
        return self.entries[-1].hash if self.entries else GENESIS


class _Flaw(Exception):
    """What is wrong with one line."""


def sign_entry(header: Mapping[str, Any], key: Ed25519PrivateKey) -> Entry:
    """Complete an entry's first six fields with its hash and signature."""
    digest = sha256_hex(canonical_json(header))
    return Entry(**header, hash=digest, signature=key.sign(digest.encode()).hex())


def read_chain(content: bytes, ring: Keyring, *, excerpt: bool = False) -> Chain:
    """Check a log's bytes line by line, up to the first line that is not genuine.

    Any key of the ring may have signed the first line; from there on the same one has to, until an
    entry of its own names the next. excerpt: the bytes may begin in the middle of a log; its first
    line is then taken as given.
    """
    *lines, rest = content.split(b"\n")
    entries: list[Entry] = []
    length, problem, known = 0, None, ring
    signers: tuple[bytes, ...] = ()
    for number, line in enumerate(counted(lines, len(lines), "log", "entries"), start=1):
        try:
            before = entries[-1] if entries else None
            entry, signers = _check(line, before, known, signers, excerpt=excerpt)
            entries.append(entry)
            known = Keyring(signers[-1:])
        except _Flaw as flaw:
            problem = f"log line {number}{_seq_of(entries, number, excerpt)}: {flaw}"
            break
        length += len(line) + 1
    torn = problem is None and bool(rest)
    return Chain(tuple(entries), length, problem, torn, signers or ring.keys[-1:])


def verify_log(path: Path, ring: Keyring) -> Verification:
    """Check a whole log offline; names the first bad line and what is wrong with it."""
    return verify_chain(read_chain(durable.read(path), ring), path.name)


def verify_chain(chain: Chain, name: str) -> Verification:
    """Put a chain's state into words; a torn last line and an empty log count as problems."""
    count = len(chain.entries)
    problems = [f"{name}: {chain.problem}"] if chain.problem else []
    if chain.torn:
        problems.append(
            f"{name}: log line {count + 1}: has no end: a write was cut short (the next command "
            "that writes removes it) or the line was altered"
        )
    if not count and not problems:
        problems.append(f"{name}: holds no entry, expected at least one")
    return Verification(
        (f"{name}: {numbered(count, 'entry', 'entries')}, each signed and chained",),
        tuple(problems),
    )


def _check(
    line: bytes, before: Entry | None, known: Keyring, signers: tuple[bytes, ...], *, excerpt: bool
) -> tuple[Entry, tuple[bytes, ...]]:
    """Give a genuine entry, and the keys up to the one that is to sign what follows it."""
    entry = _parse(line)
    if before is not None or not excerpt:
        _check_place(entry, before)
    header = {name: value for name, value in vars(entry).items() if name not in _PROOF}
    _expect("hash of the entry", entry.hash, sha256_hex(canonical_json(header)))
    try:
        by = known.signer(from_hex(entry.signature), entry.hash.encode())
        after = next_key(entry.event, entry.body)
    except ValueError as error:
        raise _Flaw("signature or key is no key of this kind, or was altered") from error
    if by is None:
        raise _Flaw("signature is not from the given key, or was altered")
    found = signers or (by,)
    return entry, found if after is None else (*found, after)


_PROOF = frozenset({"hash", "signature"})


def _parse(line: bytes) -> Entry:
    try:
        fields: dict[str, Any] = json.loads(line)
        entry = Entry(**fields)
        genuine = canonical_json(fields) == line
    except (ValueError, TypeError, RecursionError, LetheError) as error:
        raise _Flaw("is no log entry: the line was altered") from error
    texts = ("previous", "at", "event", "key", "hash", "signature")
    if not genuine or not all(isinstance(fields[name], str) for name in texts):
        raise _Flaw("is not in canonical form: the line was altered")
    if type(fields["seq"]) is not int or not isinstance(fields["body"], dict):
        raise _Flaw("seq or body is of the wrong kind: the line was altered")
    return entry


def _check_place(entry: Entry, before: Entry | None) -> None:
    _expect("seq", entry.seq, before.seq + 1 if before else 1)
    _expect("previous", entry.previous, before.hash if before else GENESIS)


def _expect(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise _Flaw(f"{what}: got {got!r}, expected {expected!r}: the line was altered or moved")


def _seq_of(entries: list[Entry], number: int, excerpt: bool) -> str:
    if excerpt and not entries:
        return ""
    return f" (seq {entries[-1].seq + 1 if entries else number})"
