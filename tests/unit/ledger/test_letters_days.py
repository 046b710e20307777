"""Days in letters are days where the law counts them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ledger.domain import Selector
from ledger.requests import Ledger, Verb
from tasks.pages.known import Known
from tasks.pages.letters import letters
from tasks.running.records import as_record

EVENING = datetime(2026, 6, 11, 3, 0, tzinfo=UTC)  # 10 June, 20:00 in Los Angeles


def test_an_extension_in_california_names_its_own_days(keys: Path) -> None:
    """Received on 10 June there: 45 days are 25 July, 90 are 8 September."""
    ledger = Ledger.open(keys.parent / "records", keys)
    ref = ledger.submit(
        Selector("subject", ("jane",)),
        received_at=EVENING,
        jurisdiction="ccpa",
        idempotency_key=None,
        examples=3,
        now=EVENING,
    ).ref
    found = ledger.say(Verb.EXTEND, ref, reason="very many", now=EVENING)
    entries = ledger.log.entries()
    at: Any = SimpleNamespace(ws=SimpleNamespace(root=keys.parent), ledger=ledger)
    known = Known(at, entries, (), EVENING, {ref: [*entries]}, {})
    told = {(kind, language): text for kind, language, text in letters(known, as_record(found))}
    assert "2026-06-10" in told["acknowledgement", "en"]
    assert "2026-07-25" in told["acknowledgement", "en"]
    assert "2026-07-25" in told["extension", "en"] and "2026-09-08" in told["extension", "en"]
    assert as_record(found)["acknowledge_by"].startswith("2026-06-24T23:59:59")
