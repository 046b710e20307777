"""A workspace whose doors are open, and a source that knows its secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from ledger import keys, sources
from ledger.inbox import Inbox
from ledger.requests import Ledger
from ledger.sources import signing
from systems.intake.http import Surroundings, make_app
from systems.settings.events import Intake
from systems.settings.workspace import Workspace

BODY: Mapping[str, Any] = {"subjects": ["s-1"]}
POST = "/v1/erasure-requests"


def made(place: Path) -> Workspace:
    """Keys, records and one entry in the log; receiving needs no data."""
    ws = Workspace.at(place)
    keys.create_keys(ws.keys, ws.records)
    Ledger.open(ws.records, ws.keys).record("made", {}, key="made", now=datetime.now(UTC))
    return ws


def opened(ws: Workspace) -> Inbox:
    return Inbox.open(ws.root / "inbox", ws.keys)


def with_source(ws: Workspace, name: str) -> str:
    ledger = Ledger.open(ws.records, ws.keys)
    return sources.add(ledger, ws.keys, name, now=datetime.now(UTC))


@dataclass
class Desk:
    """One source at the HTTP door."""

    ws: Workspace
    name: str
    secret: str
    client: TestClient
    told: list[str] = field(default_factory=list)

    def signed(self, content: bytes, **changes: Any) -> dict[str, str]:
        now = changes.pop("now", datetime.now(UTC))
        return signing.headers_for(self.name, self.secret, content, now=now, **changes)

    def post(self, body: Any = BODY, headers: Mapping[str, str] | None = None, **more: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        told = self.signed(content) if headers is None else headers
        return self.client.post(POST, content=content, headers={**told, **more})

    def get(self, path: str) -> Any:
        return self.client.get(path, headers=self.signed(path.encode()))


def desk(ws: Workspace, name: str = "crm", app: FastAPI | None = None, **settings: Any) -> Desk:
    """A new source of a workspace, at an application of its own unless one is given."""
    told: list[str] = []
    around = Surroundings(notify=told.append)
    made = app or make_app(ws, lambda: opened(ws), Intake(**settings), around)
    return Desk(ws, name, with_source(ws, name), TestClient(made), told)
