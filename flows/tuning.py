"""Search a method's settings on a rehearsal; nothing is promoted and no policy is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.commands import working
from flows.progress import counter
from tasks.steps import tuning
from tasks.steps.running import opened
from tasks.tuning import Limits


def tune(
    path: Path,
    method: str,
    class_name: str | None,
    examples: int | None,
    *,
    limits: tuple[int, float],
    seed: int,
) -> dict[str, Any]:
    """Tune a method within `limits`: trials, and retrainings' worth of passes."""
    within, shown = Limits(*limits), counter("tuning", "trials")
    rehearsal = tuning.Rehearsal(class_name, examples)
    with working(path) as ws:
        return tuning.tune(
            opened(str(ws.root)),
            method,
            rehearsal,
            within,
            seed,
            lambda done, total, record: shown(done, total),
        )
