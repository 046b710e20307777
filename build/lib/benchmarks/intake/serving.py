"""`python -m benchmarks.intake.serving WORKSPACE PORT`: the HTTP door alone, in a process."""

from __future__ import annotations

import sys

import uvicorn

from ledger.inbox import Inbox
from systems.intake.http import Surroundings, make_app
from systems.settings.events import Intake
from systems.settings.workspace import Workspace


def told(ref: str) -> None:
    """Say that a request was received, on a line of its own."""
    sys.stdout.write("received\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until killed; no source is over its quota here."""
    ws = Workspace.at(sys.argv[1])
    app = make_app(
        ws,
        lambda: Inbox.open(ws.root / "inbox", ws.keys),
        Intake(per_second=1e6, burst=1_000_000),
        Surroundings(notify=told if "--tell" in sys.argv else lambda ref: None),
    )
    port = int(sys.argv[2])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
