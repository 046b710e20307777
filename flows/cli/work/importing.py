"""`lethe import`: new data for a workspace that is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.cli.work.opening import ready
from systems.data.sources import Columns


@dataclass(frozen=True)
class Asked:
    """What is to come in. accepted, leave_out: what becomes of rows that look like erased ones."""

    data: Path
    columns: Columns
    as_written: bool = False
    accepted: str | None = None
    leave_out: bool = False


def take_in(path: Path, asked: Asked) -> dict[str, Any]:
    """Take examples in under the lock, all or none."""
    with ready(path) as at:
        from tasks.data.alike import Decided
        from tasks.data.importing import take_in as add

        decided = Decided(asked.accepted, asked.leave_out)
        return add(at, asked.data, asked.columns, as_written=asked.as_written, decided=decided)
