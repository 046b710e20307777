"""`lethe log --export`: the log's own bytes, into a file that `lethe verify` reads anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger import durable, keys
from ledger.chain import read_chain
from ledger.errors import LogAltered
from systems.settings.recording import lines_of
from systems.settings.workspace import Workspace
from unlearning.digests import sha256_hex
from unlearning.errors import UsageError


def export(path: Path, to: Path) -> dict[str, Any]:
    """Write the log to a file, which grows if it is an earlier export; say where the log ends.

    LogAltered, and nothing is written, if the log is not genuine.
    """
    ws = Workspace.at(path)
    if not ws.has_log:
        raise UsageError(f"{ws.root.name}: is no workspace, expected one: run `lethe init` there")
    lines = lines_of(ws)
    content = lines.read()
    chain = read_chain(content, keys.load_public_keys(ws.public_key))
    if chain.problem:
        raise LogAltered(f"{lines.name}: {chain.problem}: nothing was exported; restore it")
    whole = content[: chain.length]
    _require_ours(ws, to, whole)
    durable.write(to, whole)
    return {
        "exported": str(to),
        "entries": len(chain.entries),
        "head": chain.head,
        "sha256": sha256_hex(whole),
    }


def _require_ours(ws: Workspace, to: Path, content: bytes) -> None:
    """Refuse a place that holds something else, or that is the workspace's own."""
    if to.resolve().is_relative_to(ws.records.resolve()):
        raise UsageError(f"--export: {to.name} lies in records/, expected a file elsewhere")
    if not to.absolute().parent.is_dir():
        raise UsageError(f"--export: {to.name} lies in no folder, expected one that is there")
    if to.is_dir() or (to.exists() and not content.startswith(durable.read(to))):
        raise UsageError(
            f"--export: {to.name} is there and is no earlier export of this log, expected a new "
            "name; it was left as it is"
        )
