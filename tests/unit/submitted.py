"""A request that unit tests begin a run over."""

from __future__ import annotations

from datetime import datetime

from ledger.domain import DeletionRequest, Selector
from ledger.requests import Ledger


def accepted(ledger: Ledger, now: datetime) -> DeletionRequest:
    """Record a request for one picture that is there."""
    return ledger.submit(
        Selector("example", ("a picture",)),
        received_at=now,
        jurisdiction="gdpr",
        idempotency_key=None,
        examples=1,
        now=now,
    )
