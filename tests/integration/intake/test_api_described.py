"""The API does what its description says: no 5xx, and no answer that is not described."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from fastapi.testclient import TestClient
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from ledger.sources import signing
from systems.intake.http import make_app
from systems.settings.events import Intake
from tests.integration.intake.doors import made, opened, with_source

EXAMPLES = 25
"""For each operation."""


class Signing:
    """An application in front of ours that signs what passes, as a genuine source would."""

    def __init__(self, app: Any, secret: str) -> None:
        self._app, self._secret = app, secret

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        content = body if scope["method"] == "POST" else scope["path"].encode()
        signed = signing.headers_for("crm", self._secret, content, now=datetime.now(UTC))
        names = {name.lower().encode() for name in signed}
        kept = [(name, value) for name, value in scope["headers"] if name.lower() not in names]
        added = [(name.lower().encode(), value.encode()) for name, value in signed.items()]

        async def once() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app({**scope, "headers": kept + added}, once, send)


@pytest.fixture(scope="module", params=["signed", "unsigned"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    ws = made(tmp_path_factory.mktemp("api"))
    secret = with_source(ws, "crm")
    app = make_app(ws, lambda: opened(ws), Intake(per_second=1e6, burst=10**6))
    served = Signing(app, secret) if request.param == "signed" else app
    with TestClient(app):
        yield schemathesis.openapi.from_asgi("/openapi.json", served)


CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


def tried(operation: Any) -> None:
    """Hold the answers to one call to what its description says."""

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=hypothesis.strategies.one_of(*map(operation.as_strategy, MODES)))
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    check()


def test_every_answer_is_one_of_those_described(api: Any) -> None:
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) == 7
    for operation in operations:
        tried(operation)


def test_a_genuine_request_is_taken_through_the_same_application(tmp_path: Path) -> None:
    """The signing in front works, so the cases above reach what lies behind it."""
    ws = made(tmp_path)
    app = make_app(ws, lambda: opened(ws))
    client = TestClient(Signing(app, with_source(ws, "crm")))
    body = json.dumps({"subjects": ["s-1"]}).encode()
    with TestClient(app):
        assert client.post("/v1/erasure-requests", content=body).status_code == 202
