"""Other systems' webhooks at the HTTP door."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ledger import sources
from ledger.domain import Selector
from ledger.requests import Ledger
from systems.intake.http import make_app
from systems.settings.events import Intake
from tests.integration.intake.doors import made, opened

MAPPINGS = Path(__file__).parents[3] / "docs" / "mappings"
SECRET = "drawn by the other party"
BODY: dict[str, Any] = {
    "privacy_request_id": "pri_1",
    "callback_type": "pre",
    "policy_action": "erasure",
    "identity": {"email": "jane@example.com"},
}


@pytest.fixture
def door(tmp_path: Path) -> Any:
    ws = made(tmp_path)
    shutil.copy(MAPPINGS / "fides.yaml", ws.root)
    ledger = Ledger.open(ws.records, ws.keys)
    sources.add(ledger, ws.keys, "fides", now=datetime.now(UTC), secret=SECRET)
    client = TestClient(make_app(ws, lambda: opened(ws), Intake(mappings=("fides.yaml",))))

    def call(body: Any = BODY, secret: str = SECRET, source: str = "fides") -> Any:
        headers = {"Authorization": secret}
        return client.post(f"/v1/webhooks/{source}", content=json.dumps(body), headers=headers)

    call.ws = ws  # type: ignore[attr-defined]
    with client:
        yield call


def test_a_webhook_is_one_request_however_often_it_comes(door: Any) -> None:
    answers = [door() for _ in range(3)]
    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["request"] for a in answers}) == 1
    inbox = opened(door.ws)
    (one,) = inbox.waiting()
    incoming = inbox.opened(one.ref)
    inbox.close()
    assert incoming.selector == Selector("subject", ("jane@example.com",))
    assert incoming.source == "fides"


def test_what_asks_for_no_erasure_is_answered_and_left(door: Any) -> None:
    answer = door(BODY | {"policy_action": "access"})
    assert (answer.status_code, answer.json()) == (202, {"state": "ignored"})
    inbox = opened(door.ws)
    assert inbox.waiting() == ()
    inbox.close()


def test_a_forged_one_and_one_of_nobody_are_refused_alike(door: Any) -> None:
    forged, nobodys = door(secret="another"), door(source="nobody")
    assert (forged.status_code, forged.json()) == (nobodys.status_code, nobodys.json())
    assert forged.status_code == 401


def test_the_same_key_for_another_person_is_409(door: Any) -> None:
    door()
    assert door(BODY | {"identity": {"email": "joe@example.com"}}).status_code == 409


def test_a_body_without_a_person_is_422(door: Any) -> None:
    answer = door(BODY | {"identity": {}})
    assert answer.status_code == 422 and "jane" not in answer.text
