"""An import that was cut off: taken back if the log has it not, else carried to its end."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.chain import Entry
from ledger.requests import Ledger
from systems.data import growing
from systems.settings.workspace import Workspace
from unlearning.errors import InfrastructureError

IMPORTED = "imported"
"""Event of the log, and what ends its key: examples came in; from here on they are in."""


def settle(ws: Workspace, ledger: Ledger) -> None:
    """Finish or take back what was cut off; the caller holds the workspace's lock."""
    plan = growing.under_way(ws)
    if plan is not None and told_of(ledger, plan.after):
        growing.carry(ws)
    else:
        growing.drop(ws)


def refuse_half(ws: Workspace, ledger: Ledger) -> None:
    """InfrastructureError for whoever only reads, where the data are not those of the log yet."""
    plan = growing.under_way(ws)
    if plan is not None and told_of(ledger, plan.after):
        raise InfrastructureError(
            "data/: an import was cut off after the log had it, expected it carried to its end: "
            "the next command that works here does so, such as `lethe purge`"
        )


def since_import(entries: Sequence[Entry]) -> frozenset[str] | None:
    """Give the data versions since examples last came in; None if none ever did after `init`.

    What was derived from an earlier one has nothing of these examples.
    """
    told = [e for e in entries if e.event == IMPORTED or e.key.endswith("/erased")]
    last = max((at for at, e in enumerate(told) if e.event == IMPORTED), default=None)
    if last is None:
        return None
    return frozenset(
        str(e.body.get("data_version", e.body.get("new_version"))) for e in told[last:]
    )


def told_of(ledger: Ledger, version: str) -> bool:
    """Whether the log's last word on the data is that this version came to be by an import."""
    entries = (e for e in reversed(ledger.log.entries()) if "data_version" in e.body)
    last = next((e for e in entries if e.event == IMPORTED), None)
    return last is not None and last.body["data_version"] == version
