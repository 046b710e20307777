"""A clock that went back in an earlier log: told afterwards, by whom and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.cli.work.opening import ready
from ledger.clock import WENT_BACK, jumps
from ledger.domain import require_reason
from tasks.running.operator import operator
from tasks.running.records import utc_now
from unlearning.errors import UsageError


def tell(path: Path, entry: int, reason: str) -> dict[str, Any]:
    """Log that the clock had gone back before an entry, which nothing tells of yet.

    reason: goes into the log, so it names nobody. UsageError for any other entry.
    """
    require_reason(reason, "why the clock went back")
    with ready(path) as at:
        untold = [one.seq for one in jumps(at.ledger.log.entries())]
        if entry not in untold:
            known = ", ".join(map(str, untold)) or "none"
            raise UsageError(
                f"log --went-back: got entry {entry}, expected one whose time lies more than a day "
                f"before an earlier one's, and of which nothing tells ({known}): see `lethe verify "
                "--log`"
            )
        body = {"entry": entry, "reason": reason, "by": operator()}
        key = at.ledger.log.next_key(f"{WENT_BACK}/{entry}")
        said = at.ledger.record(WENT_BACK, body, key=key, now=utc_now())
        return {"told": entry, "entry": said.seq, "by": body["by"]}
