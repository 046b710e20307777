"""The signed log vouches for a shadow bank: for its index, and through it for every shadow."""

from __future__ import annotations

from pathlib import Path

from ledger.intoto.steps import BANK_COMPLETE
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.bank.files import altered, index_digest


def vouch(at: Opened, folder: Path, sha256: str) -> None:
    """Log the SHA-256 of a bank's index before the index is written; the same one only once."""
    if _vouched(at, folder.name) == sha256:
        return
    body = {"bank": folder.name, "sha256": sha256}
    key = at.ledger.log.next_key(f"bank/{folder.name}")
    at.ledger.record(BANK_COMPLETE, body, key=key, now=utc_now())


def named(at: Opened, folder: Path) -> dict[str, str]:
    """Give a finished bank's name and its index' SHA-256, for evidence.

    IntegrityError unless it is the one that the log vouches for.
    """
    got, expected = index_digest(folder), _vouched(at, folder.name)
    if got != expected:
        wanted = expected[:16] if expected else "none, the log does not know it"
        raise altered(folder, f"its index has SHA-256 {got[:16]}, expected {wanted}")
    return {"name": folder.name, "sha256": got}


def _vouched(at: Opened, bank: str) -> str | None:
    entries = (entry for entry in at.ledger.log.entries() if entry.event == BANK_COMPLETE)
    digests = [str(entry.body["sha256"]) for entry in entries if entry.body["bank"] == bank]
    return digests[-1] if digests else None
