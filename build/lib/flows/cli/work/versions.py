"""The commands that decide on versions of the model: under the lock, each an entry of the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.cli.work.opening import ready


def taint(path: Path, number: int, reason: str | None) -> dict[str, Any]:
    """Mark a version; the answer has the alarm if the champion must not serve any more."""
    with ready(path) as at:
        from tasks.versions.taint import taint as mark

        return mark(at, number, reason)


def rollback(path: Path, number: int, reason: str | None) -> dict[str, Any]:
    """Let an earlier version serve again."""
    with ready(path) as at:
        from tasks.versions.rollback import rollback as put_back

        return put_back(at, number, reason)
