"""`python -m benchmarks.intake.consuming WORKSPACE URL`: a queue's consumer alone, in a process."""

from __future__ import annotations

import sys
from threading import Event

from benchmarks.intake.serving import told
from ledger.inbox import Inbox
from ledger.sources import SourceKeys
from systems.intake.receiving import Reception
from systems.intake.sqs import Consumer, client_of
from systems.settings.events import Queue
from systems.settings.workspace import Workspace


def main() -> None:
    """Consume until killed."""
    ws, queue = Workspace.at(sys.argv[1]), Queue(sys.argv[2])
    inbox = Inbox.open(ws.root / "inbox", ws.keys)
    Consumer(queue, Reception(inbox, told), SourceKeys(ws.keys), client_of(queue)).run(Event())


if __name__ == "__main__":
    main()
