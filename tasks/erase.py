"""The examples leave the data version: its shards are rewritten without them."""

from __future__ import annotations

from typing import Any

from systems.data import erasing
from tasks.running.run import Run


def erase_examples(run: Run) -> dict[str, Any]:
    """Rewrite the shards without the examples and push the new data version."""
    return run.once("erased", lambda: _erase(run))


def _erase(run: Run) -> dict[str, Any]:
    erasure = erasing.erase(run.at.ws, run.all_ids())
    return {
        "old_version": erasure.old_version,
        "new_version": erasure.new_version,
        "replaced": list(erasure.replaced),
        "shards": None if erasure.shards is None else list(erasure.shards),
    }
