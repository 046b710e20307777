"""An earlier log in which the clock went back untold: a person tells of it, once, by the role."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from flows.cli.work.timing import tell
from flows.cli.work.verifying import Expected, verify
from tasks.running.opened import opened
from tasks.running.operator import VARIABLE
from tasks.running.records import utc_now
from tests.integration.small_runs import small
from unlearning.errors import UsageError


def test_an_old_jump_is_told_by_whoever_answers_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "privacy-officer")
    at = opened(str(small(tmp_path / "site")))
    now = utc_now()
    for number, days in enumerate((40, *(0,) * 10)):  # as a ledger of before wrote: without a word
        at.ledger.log.append("noted", {}, key=f"noted/{number}", now=now + timedelta(days=days))
    back = at.ledger.log.entries()[-10].seq
    at = opened(at.root)

    def problems() -> list[str]:
        return list(verify(at.ws.root, None, True, None, Expected())["problems"])

    assert f"entry {back}, noted: is of" in problems()[0]
    for entry, reason in ((back + 1, "ahead"), (back, " ")):
        with pytest.raises(UsageError):
            tell(at.ws.root, entry, reason)
    # What comes late and without a reason tells nothing, and keeps nobody from telling.
    at.ledger.log.append("time_went_back", {"entry": back}, key=f"time_went_back/{back}", now=now)
    with pytest.raises(UsageError, match="e-mail"):
        tell(at.ws.root, back, "as ops@example.org says")
    found = tell(at.ws.root, back, "the clock was ahead by forty days")
    assert found["by"] == "privacy-officer"
    said = opened(at.root).ledger.log.entries()[-1]
    assert (said.seq, said.event, said.body["entry"]) == (found["entry"], "time_went_back", back)
    assert problems() == []
    with pytest.raises(UsageError, match="of which nothing tells"):
        tell(at.ws.root, back, "again")
