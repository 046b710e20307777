"""DVC's stages, `python -m flows.stages prepare|train|shadows`: the same code as the flows."""

from __future__ import annotations

import sys
from collections.abc import Callable

from systems.data import loading
from systems.settings.quiet import quiet_environment
from systems.settings.recording import alone
from systems.settings.workspace import Workspace, private
from tasks import train as originals
from tasks.requests.receive import settle_waiting
from tasks.running.opened import Opened, opened
from tasks.running.run import write_json


def prepare(at: Opened) -> None:
    """Check the data version against the manifest, shard by shard."""
    loading.verify(at.ws)


def train(at: Opened) -> None:
    """Train the original, unless it lies there already, and write its metrics."""
    made = originals.train(at)
    write_json(at.ws.artifacts / "train.json", {"sha256": made.sha256, **made.metrics})


def shadows(at: Opened) -> None:
    """Build or complete the shadow bank and write what it is."""
    described = originals.build_bank(at)
    write_json(at.ws.artifacts / "shadows.json", described)


STAGES: dict[str, Callable[[Opened], None]] = {
    "prepare": prepare,
    "train": train,
    "shadows": shadows,
}


def main(arguments: list[str]) -> int:
    """Run the stages named, in the workspace that is the current directory."""
    quiet_environment()
    ws = Workspace.at(".")
    with private(), alone(ws):
        settle_waiting(opened(str(ws.root)))  # nothing is trained on what was asked for meanwhile
        for name in arguments:
            STAGES[name](opened(str(ws.root)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
