"""The doors that are asked instead of called: queues and folders, each a loop of its own."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from ledger.sources import SourceKeys
from systems.intake.folder import Watched
from systems.intake.receiving import Reception
from systems.intake.sqs import Consumer, client_of
from systems.settings.events import Intake
from systems.settings.workspace import Workspace

Loop = Callable[[Event], None]


def loops(ws: Workspace, settings: Intake, reception: Reception) -> list[Loop]:
    """Each takes requests in until its event is set, and ends within seconds of that."""
    keys = SourceKeys(ws.keys)
    consumers = [Consumer(q, reception, keys, client_of(q)) for q in settings.queues]
    folders = [
        Watched(ws.root / folder.path, folder.source, reception, keys, settings.body_bytes)
        for folder in settings.folders
    ]
    return [*(one.run for one in consumers), *(one.run for one in folders)]
