"""A proof in one file: this entry is in the log, and the log has only grown since a checkpoint.

Whoever has it needs the public key and no log; who keeps checkpoints needs a few hashes to see
that nothing below them was taken out or written anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.chain import Entry, Verification
from ledger.checkpoint import Checkpoint, checked, of_entry, signed
from ledger.checkpoint.merkle import consistency, consistent, included, inclusion, tree_of
from ledger.errors import LogAltered
from ledger.keyring import NONSENSE, Keyring
from unlearning.digests import canonical_json, from_hex
from unlearning.errors import IntegrityError, UsageError

TYPE = "lethe/proof/1"

_FIELDS = frozenset({"type", "entry", "path", "checkpoint", "since", "grown"})


def proved(
    entries: Sequence[Entry], entry: Entry, key: Ed25519PrivateKey, since: Checkpoint | None
) -> bytes:
    """Prove that an entry is in the log that these make, which has grown from `since`.

    UsageError where the log is not the one that `since` saw, or is shorter.
    """
    leaves = [one.line() for one in entries]
    found = {
        "type": TYPE,
        "entry": asdict(entry),
        "path": [node.hex() for node in inclusion(leaves, entry.seq - 1)],
        "checkpoint": json.loads(signed(_head(entries, leaves), key)),
    }
    if since is not None:
        found["since"] = asdict(since)
        found["grown"] = [node.hex() for node in _grown(entries, leaves, since)]
    return canonical_json(found) + b"\n"


def _grown(entries: Sequence[Entry], leaves: Sequence[bytes], since: Checkpoint) -> list[bytes]:
    if not since.root:
        raise UsageError(
            "--since: got a checkpoint without a root, expected one that was given since logs have "
            "one: hold the log against it by `lethe verify --log --witness`"
        )
    n = since.entries
    if n > len(entries) or _head(entries[:n], leaves[:n]) != since:
        raise LogAltered(
            f"--since: the log is not the one that this checkpoint of entry {n} saw: it was "
            "cut or written anew"
        )
    return consistency(leaves, n)


def _head(entries: Sequence[Entry], leaves: Sequence[bytes]) -> Checkpoint:
    return of_entry(entries[-1], tree_of(leaves))


def is_proof(content: bytes) -> bool:
    """Say whether these bytes call themselves a proof."""
    try:
        return bool(json.loads(content)["type"] == TYPE)
    except NONSENSE:
        return False


def verify(content: bytes, ring: Keyring, since: Checkpoint | None = None) -> Verification:
    """Check a proof with the public key alone. since: a checkpoint that its reader has kept.

    IntegrityError for anything that `proved` would not have written, in another spelling too.
    """
    try:
        said = json.loads(content)
        if canonical_json(said) + b"\n" != content or not said.keys() <= _FIELDS:
            raise ValueError(TYPE)
        head = checked(canonical_json(said["checkpoint"]), ring)
        entry = Entry(**said["entry"])
        path = [from_hex(node) for node in said["path"]]
        root = from_hex(head.root)
        grown = [from_hex(node) for node in said.get("grown", ())]
        kept = Checkpoint(**said["since"]) if "since" in said else None
        if type(entry.seq) is not int:
            raise ValueError(TYPE)
    except NONSENSE as error:
        raise IntegrityError(
            "proof: is none, was altered, or its checkpoint has no root, expected a file as `lethe "
            "log --prove` writes it"
        ) from error
    problems = [
        *_of_entry(entry, path, head, root),
        *_of_growth(head, root, grown, kept, since),
    ]
    words = [f"{entry.key}: entry {entry.seq} of {head.entries} at {head.at}"]
    if since is not None:
        words.append(f"the log only grew from entry {since.entries} on")
    return Verification(tuple(words), tuple(problems))


def _of_entry(entry: Entry, path: list[bytes], head: Checkpoint, root: bytes) -> list[str]:
    """Who signed the root vouches for every line below it, by whatever key each was signed."""
    if not included(entry.line(), entry.seq - 1, head.entries, path, root):
        return [f"entry {entry.seq}: is not in the log that the checkpoint is of"]
    return []


def _of_growth(
    head: Checkpoint,
    root: bytes,
    grown: list[bytes],
    kept: Checkpoint | None,
    since: Checkpoint | None,
) -> list[str]:
    if since is None:
        return []
    if kept is None:
        return ["the proof says nothing of an earlier checkpoint: ask for one with `--since`"]
    whole = consistent(since.entries, head.entries, grown, from_hex(since.root), root)
    if kept != since or not whole:
        return [f"the log is not the one that the checkpoint of entry {since.entries} saw"]
    return []
