"""A workspace with a ledger, and a request that tests begin a run over."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from ledger import keys
from ledger.domain import DeletionRequest, Selector
from ledger.requests import Ledger
from systems.settings.workspace import Workspace, write_templates


def workspace(root: Path) -> Workspace:
    """Make a workspace of settings and keys alone."""
    made = Workspace.at(root)
    write_templates(made)
    made.records.mkdir()
    keys.create_keys(made.keys, made.records)
    return made


def accepted(
    ledger: Ledger, now: datetime, *, examples: int = 1, asks: str | None = None
) -> DeletionRequest:
    """Record a request for a picture that is there; asks: who asks is to be confirmed first."""
    return ledger.submit(
        Selector("example", ("a picture",)),
        received_at=now,
        jurisdiction="gdpr",
        idempotency_key=None,
        examples=examples,
        now=now,
        asks=asks,
    )
