"""The files that `lethe init` is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Files:
    """What `init` reads.

    accepted, leave_out: what becomes of rows that look like erased ones, as in `tasks.data.alike`.
    """

    data: str
    test: Path | None
    holdout: Path | None
    weights: Path | None
    limit: int | None
    mean: str | None
    std: str | None
    as_written: bool = False
    suppression: Path | None = None
    suppression_key: Path | None = None
    backbone: Path | None = None
    statement: str | None = None
    head: str | None = None
    accepted: str | None = None
    leave_out: bool = False
