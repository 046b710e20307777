"""No run begins while examples that an earlier one was to erase may still be there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger import keys
from systems.settings.workspace import Workspace
from tasks.claim import refuse_cut_off
from tasks.running.opened import Opened
from tests.unit.submitted import accepted
from unlearning.errors import InfrastructureError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def at(tmp_path: Path) -> Opened:
    ws = Workspace.at(tmp_path)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    return Opened(str(ws.root))


def begun(at: Opened, *steps: tuple[str, dict[str, str]]) -> tuple[str, str]:
    """Start a run over one request, and log some of its steps."""
    request = accepted(at.ledger, NOW)
    run = at.ledger.start_run([request.ref], now=NOW)
    for step, body in steps:
        at.ledger.once(run, step, lambda body=body: body, clock=lambda: NOW)  # type: ignore[misc]
    return run, request.ref


@pytest.mark.parametrize("decision", ["released", "purge"])
def test_a_sealed_release_that_was_cut_off_comes_first(at: Opened, decision: str) -> None:
    run, request = begun(at, ("decided", {"decision": decision}), ("sealed", {}))
    with pytest.raises(InfrastructureError, match=f"first run `lethe forget {request}`"):
        refuse_cut_off(at)
    at.ledger.finish_run(run, now=NOW)
    refuse_cut_off(at)


@pytest.mark.parametrize("decision", ["refused", "inconclusive"])
def test_what_released_nothing_holds_up_nobody(at: Opened, decision: str) -> None:
    begun(at, ("decided", {"decision": decision}), ("sealed", {}))
    refuse_cut_off(at)


def test_nor_does_what_is_not_decided(at: Opened) -> None:
    begun(at)
    refuse_cut_off(at)
