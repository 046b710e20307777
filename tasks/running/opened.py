"""A workspace that is open: one value, handed on from step to step."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ledger import durable
from ledger.requests import Ledger
from systems.settings.ownership import mark_place
from systems.settings.params import Params, load_params
from systems.settings.recording import ledger_at
from systems.settings.workspace import Workspace
from tasks.running.growth import refuse_half, settle
from tasks.running.standing import check_standing
from unlearning.errors import UsageError


@dataclass(frozen=True)
class Opened:
    """A workspace that is open; what is read from it is read once, and kept as long as this value.

    reading: nothing is written, and no lock is needed. kept: what is dear to compute (the decoded
    data, what a run is judged on), under its key.
    """

    root: str
    reading: bool = False
    kept: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def ws(self) -> Workspace:
        """Its places."""
        return Workspace(Path(self.root))

    @cached_property
    def ledger(self) -> Ledger:
        """Its ledger."""
        return ledger_at(self.ws, read_only=self.reading)

    @cached_property
    def params(self) -> Params:
        """Its settings."""
        return load_params(self.ws.root)


def opened(root: str, *, reading: bool = False) -> Opened:
    """Open a workspace; the caller holds its lock, unless it is only read.

    IntegrityError if the data or the suppression list are others than the log tells of.
    """
    ws = Workspace.at(root)
    if not ws.records.is_dir():
        raise UsageError(f"{ws.root.name}: is no workspace, expected one made by `lethe init`")
    ws.require_whole()
    found = Opened(str(ws.root), reading)
    if not reading:
        mark_place(ws)
        durable.clear_unfinished(ws.artifacts)  # a half index names people who may be erased since
    if ws.has_log:
        (refuse_half if reading else settle)(ws, found.ledger)
        check_standing(ws, found.ledger)
    return found


def looked_at(root: str) -> Opened:
    """Open a workspace to be read only, without its lock."""
    ws = Workspace.at(root)
    if not ws.has_log:
        raise UsageError(f"{ws.root.name}: is no workspace, expected one made by `lethe init`")
    return Opened(str(ws.root), reading=True)
