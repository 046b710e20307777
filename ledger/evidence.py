"""Sealed evidence: one folder per run that anyone can check offline with the public key alone.

A statement says what has happened when it is sealed, and no more: that on the run comes before the
release, that on the erasure after the purge, that on the completion when the last copy has gone.
The later ones lie in folders of their own inside the run's, each sealed like it.

statement.json says what was decided and lists the SHA-256 of every other file in the folder.
statement.sig holds the SHA-256 of the statement and of each single value in it, and an Ed25519
signature over the canonical JSON of those digests; that is how an altered value can be named.
A log entry is signed over 64 hexadecimal characters, so neither signature can pass for the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import durable
from ledger.chain import Chain, Entry, Verification, read_chain, verify_chain
from ledger.errors import AlreadySealed
from ledger.keyring import Keyring
from unlearning.counting import numbered
from unlearning.digests import canonical_json, from_hex, sha256_file, sha256_hex
from unlearning.errors import Unrecordable, UsageError

STATEMENT = "statement.json"
SIGNATURE = "statement.sig"
EXCERPT = "log.jsonl"
ERASURE, COMPLETION = "erasure", "completion"
LATER = (ERASURE, COMPLETION)
"""Folders of a run's later statements, in the order of what they tell."""
OWN = (STATEMENT, SIGNATURE, EXCERPT, *LATER)
"""What makes a folder a bundle; where only some are left, it was one, and is altered."""


@dataclass(frozen=True)
class Sealed:
    """A sealed folder as read: what it states, its excerpt of the log, and what is wrong with it.

    digest: SHA-256 of its statement. ring: the keys that it was checked by, and those that its
    excerpt led to. signer: the one that it was sealed by.
    """

    statement: dict[str, Any]
    digest: str
    entries: tuple[Entry, ...]
    verification: Verification
    ring: Keyring
    signer: Keyring


def seal(folder: Path, statement: Mapping[str, Any], signing_key: Ed25519PrivateKey) -> str:
    """Seal a folder's files under a statement; return the statement's SHA-256.

    The statement gains "files". Once statement.sig lies there, the same content again is no
    change and any other raises AlreadySealed, so a repeated step must bring the same statement:
    times in it come from the journal, never from a fresh look at the clock.
    """
    durable.clear_unfinished(folder)
    content = canonical_json({**statement, "files": _durable_digests(folder)})
    signature = _sign(content, signing_key)
    if (folder / SIGNATURE).exists():
        if read_part(folder, STATEMENT) == content and read_part(folder, SIGNATURE) == signature:
            return sha256_hex(content)
        raise AlreadySealed(
            f"evidence {folder.name}: is sealed with another content: "
            "check it with `lethe verify`, and seal the new content in a folder of its own"
        )
    durable.write(folder / STATEMENT, content)
    durable.write(folder / SIGNATURE, signature)  # from here on it counts as sealed
    return sha256_hex(content)


def refuse_other_folder(folder: Path) -> None:
    """Raise UsageError for a folder that nobody sealed; one of which parts are left is a bundle."""
    if not any((folder / name).exists() for name in OWN):
        raise UsageError(
            f"evidence {folder.name}: is no bundle, it holds none of {', '.join(OWN)}: "
            "expected the folder that a run sealed: name one below evidence/"
        )


def read_sealed(folder: Path, ring: Keyring) -> Sealed:
    """Check a sealed folder and name everything in it that is not as it was sealed.

    A copy of a public key inside the folder plays no part: whoever altered the rest could have
    put it there.
    """
    if not folder.is_dir():
        raise UsageError(f"evidence {folder.name}: is no folder: expected a run's sealed bundle")
    # (1) The statement is signed, with the key that its part of the log ended with.
    chain = read_chain(read_part(folder, EXCERPT), ring, excerpt=True)
    signer = Keyring(chain.keys[-1:])
    statement, problems = _check_statement(folder, signer)
    # (2) The files are the ones that the statement lists, no fewer and no more.
    problems += _check_files(folder, statement)
    # (3) The excerpt of the log is genuine and ends where the statement was made.
    problems += _check_excerpt(chain, statement)
    checked = (
        f"{STATEMENT}: signature",
        f"{numbered(len(_files(folder)), 'file', 'files')}: digests",
        f"{EXCERPT}: signatures, chain and head",
    )
    found = Verification(checked, tuple(problems))
    digest = sha256_hex(read_part(folder, STATEMENT))
    return Sealed(statement, digest, chain.entries, found, ring.with_keys(chain.keys), signer)


def _sign(content: bytes, key: Ed25519PrivateKey) -> bytes:
    digests = {"statement": sha256_hex(content), "values": _digests(json.loads(content))}
    return canonical_json({**digests, "signature": key.sign(canonical_json(digests)).hex()})


def _check_statement(folder: Path, ring: Keyring) -> tuple[dict[str, Any], list[str]]:
    content, signature = read_part(folder, STATEMENT), read_part(folder, SIGNATURE)
    statement, proof = _object(content), _object(signature)
    if not _signed(signature, proof, ring):
        problem = f"{SIGNATURE}: no signature of the given key: altered, missing, or another key's"
        return statement, [problem]
    if sha256_hex(content) == proof["statement"]:
        return statement, []
    named = list(_changes(statement, proof["values"]))
    return statement, named or [f"{STATEMENT}: bytes are not the sealed ones, its values are"]


def signed_statement(content: bytes, signature: bytes, ring: Keyring) -> dict[str, Any]:
    """Read a statement by itself; empty unless one of these keys signed these bytes."""
    proof = _object(signature)
    genuine = _signed(signature, proof, ring) and sha256_hex(content) == proof["statement"]
    return _object(content) if genuine else {}


def _signed(content: bytes, proof: dict[str, Any], ring: Keyring) -> bool:
    digests = {name: proof.get(name) for name in ("statement", "values")}
    try:
        by = ring.signer(from_hex(proof["signature"]), canonical_json(digests))
    except (ValueError, TypeError, KeyError):
        return False
    return by is not None and canonical_json(proof) == content


def _changes(statement: dict[str, Any], sealed: dict[str, str]) -> Iterator[str]:
    got = _digests(statement)
    for name in sorted(got | sealed):
        if name not in got:
            yield f"{STATEMENT}: {name}: is missing, or the file is no statement at all"
        elif name not in sealed:
            yield f"{STATEMENT}: {name}: was added after sealing"
        elif got[name] != sealed[name]:
            yield f"{STATEMENT}: {name}: is not the sealed value"


def _digests(statement: dict[str, Any]) -> dict[str, str]:
    return {name: sha256_hex(canonical_json(value)) for name, value in _values("", statement)}


def _values(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _values(f"{name}.{key}" if name else key, inner)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _values(f"{name}[{index}]", inner)
    else:
        yield name, value


def _files(folder: Path) -> dict[str, Path]:
    """Give all files but the statement, its signature, and what is in folders of later statements.

    A later statement has none after it, and a file or link of such a name is no folder.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    last = folder.name in LATER and (folder.parent / STATEMENT).exists()
    later = () if last else tuple(f"{name}/" for name in LATER)
    return {
        name: path
        for name, path in names.items()
        if name not in {STATEMENT, SIGNATURE} and not name.startswith(later)
    }


def _durable_digests(folder: Path) -> dict[str, str]:
    digests = {}
    for name, path in _files(folder).items():
        if path.is_symlink():
            raise UsageError(f"evidence {folder.name}: {name} is a link: expected plain files only")
        with durable.storing(path):
            durable.sync(path)
            digests[name] = sha256_file(path)
    return digests


def _check_files(folder: Path, statement: dict[str, Any]) -> Iterator[str]:
    listed = statement.get("files")
    expected: dict[str, Any] = listed if isinstance(listed, dict) else {}
    found = _files(folder)
    for name in sorted(found | expected):
        if name not in found:
            yield f"file {name}: is missing"
        elif name not in expected:
            yield f"file {name}: is not part of what was sealed"
        elif found[name].is_symlink():
            yield f"file {name}: is a link, expected a plain file"
        elif (got := sha256_file(found[name])) != expected[name]:
            yield f"file {name}: sha256 got {got}, expected {expected[name]}"


def _check_excerpt(chain: Chain, statement: dict[str, Any]) -> Iterator[str]:
    yield from verify_chain(chain, EXCERPT).problems
    if chain.entries and chain.head != statement.get("log_head"):
        yield f"{EXCERPT}: ends at {chain.head}, expected log_head {statement.get('log_head')}"


def _object(content: bytes) -> dict[str, Any]:
    value = json_value(content)
    return value if isinstance(value, dict) else {}


def json_value(content: bytes) -> Any:
    """What JSON bytes hold; None for what is no JSON, or could not be signed."""
    try:
        value = json.loads(content)
        canonical_json(value)  # refuses what JSON readers let pass: NaN, broken characters
    except (ValueError, RecursionError, Unrecordable):
        return None
    return value


def read_part(folder: Path, name: str) -> bytes:
    """The bytes of a file of a bundle; none if it is not there."""
    path = folder / name
    return durable.read(path) if path.is_file() else b""
