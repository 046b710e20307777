"""The log for others: all of its bytes, or a proof of one entry; `lethe verify` reads both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger import checkpoint, durable, keys
from ledger.chain import Chain, Entry, read_chain
from ledger.checkpoint import proofs
from ledger.errors import LogAltered
from ledger.keyring import Keyring
from systems.settings.recording import lines_of
from systems.settings.workspace import Workspace
from unlearning.digests import sha256_hex
from unlearning.errors import UsageError


def export(path: Path, to: Path) -> dict[str, Any]:
    """Write the log to a file, which grows if it is an earlier export; say where the log ends.

    LogAltered, and nothing is written, if the log is not genuine.
    """
    ws = Workspace.at(path)
    content, chain, _ = _genuine(ws, "nothing was exported")
    whole = content[: chain.length]
    _require_ours(ws, to, whole)
    durable.write(to, whole)
    return {
        "exported": str(to),
        "entries": len(chain.entries),
        "head": chain.head,
        "sha256": sha256_hex(whole),
    }


def prove(path: Path, named: str, to: Path, since: Path | None) -> dict[str, Any]:
    """Write a proof that an entry, by its number or its key, is in the log; say of what.

    since: a checkpoint that somebody has kept, from which on the log is proved to have grown only.
    """
    ws = Workspace.at(path)
    _, chain, ring = _genuine(ws, "nothing is proved")
    _require_elsewhere(ws, to, "log --out")
    kept = None if since is None else checkpoint.checked(durable.read(since), ring)
    entry = _named(chain.entries, named)
    content = proofs.proved(chain.entries, entry, keys.load_signing_key(ws.keys), kept)
    _require_free(to, content)
    durable.write(to, content)
    return {"proof": str(to), "entry": entry.seq, "key": entry.key, "entries": len(chain.entries)}


def _genuine(ws: Workspace, so: str) -> tuple[bytes, Chain, Keyring]:
    """Read a workspace's log with the keys that it led to; LogAltered if it is not genuine.

    so: what comes of that.
    """
    if not ws.has_log:
        raise UsageError(f"{ws.root.name}: is no workspace, expected one: run `lethe init` there")
    lines, ring = lines_of(ws), keys.load_public_keys(ws.public_key)
    content = lines.read()
    chain = read_chain(content, ring)
    if chain.problem:
        raise LogAltered(f"{lines.name}: {chain.problem}: {so}; restore it")
    return content, chain, ring.with_keys(chain.keys)


def _named(entries: Sequence[Entry], named: str) -> Entry:
    found = [e for e in entries if named in (e.key, str(e.seq))]
    if not found:
        raise UsageError(
            f"log --prove: got {named!r}, expected the number or the key of an entry, such as "
            f"{entries[-1].seq} or {entries[-1].key}; `lethe pages` lists them"
        )
    return found[0]


def _require_free(to: Path, content: bytes) -> None:
    """Refuse to write over what is no proof."""
    if to.exists() and not (to.is_file() and proofs.is_proof(durable.read(to))):
        raise UsageError(f"log --out: got {to.name}, which is something else, expected a new file")


def _require_ours(ws: Workspace, to: Path, content: bytes) -> None:
    """Refuse a place that holds something else, or that is the workspace's own."""
    _require_elsewhere(ws, to, "--export")
    if to.is_dir() or (to.exists() and not content.startswith(durable.read(to))):
        raise UsageError(
            f"--export: {to.name} is there and is no earlier export of this log, expected a new "
            "name; it was left as it is"
        )


def _require_elsewhere(ws: Workspace, to: Path, option: str) -> None:
    """Refuse a place in no folder, or where a new file would mean something to the workspace."""
    for own in (ws.records, ws.keys):
        if to.resolve().is_relative_to(own.resolve()):
            raise UsageError(f"{option}: {to.name} lies in {own.name}/, expected a file elsewhere")
    if not to.absolute().parent.is_dir():
        raise UsageError(f"{option}: {to.name} lies in no folder, expected one that is there")
