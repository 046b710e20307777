"""What lies in artifacts/trained of a generator's workspace, and learned from its examples."""

from __future__ import annotations

from systems.copies import Copy, Status
from tasks.running.opened import Opened
from tasks.running.trained import TRAINED

WHERE = "artifacts/trained"
WHAT = (
    ("judge-*.safetensors", "judges, which learned from holdout pictures of every class"),
    ("[0-9a-f]*.safetensors", "generators, the first one among them or models to compare with"),
)


def models_kept(at: Opened, status: Status = Status.PRESENT) -> list[Copy]:
    """List them by kind: each goes with the next erasure, whether it learned from the examples."""
    folder = at.ws.artifacts / TRAINED
    counts = [(len(list(folder.glob(pattern))), what) for pattern, what in WHAT]
    return [Copy(WHERE, f"{count} {what}", status) for count, what in counts if count]
