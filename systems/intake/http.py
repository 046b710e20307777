"""The HTTP door: requests in, states and certificates out, all in one described API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.requests import ClientDisconnect

from ledger.inbox import Inbox
from ledger.sources import SourceKeys
from systems.intake import described, pages, problems
from systems.intake.answering import Answering, Call
from systems.intake.mapping import readings
from systems.intake.metrics import MEDIA_TYPE, Metrics
from systems.intake.quotas import Quotas
from systems.intake.receiving import Reception
from systems.intake.standing import Records
from systems.intake.viewing.shown import Shown, add_pages
from systems.settings.events import Intake
from systems.settings.workspace import Workspace

DOOR = "http"
Work = Callable[[Call], Response]


BODY_SECONDS = 10
"""Seconds for a call's body to come: who sends slower holds a connection that others need."""


@dataclass(frozen=True)
class Surroundings:
    """What the service around this door gives it.

    notify: told of each request that was received. health: `ok`, and what each part does. metrics:
    in which other doors count too. witnesses: addresses of those who are to see the evidence.
    shown: pages for people, None if there are none.
    """

    notify: Callable[[str], None] = lambda ref: None
    health: Callable[[], Mapping[str, Any]] = lambda: {"ok": True}
    metrics: Metrics = field(default_factory=Metrics)
    witnesses: tuple[str, ...] = ()
    shown: Shown | None = None


def make_app(
    ws: Workspace,
    inbox: Callable[[], Inbox],
    settings: Intake = Intake(),  # noqa: B008  # frozen
    around: Surroundings | None = None,
) -> FastAPI:
    """The application for one process; it opens the inbox, and closes it as it ends."""
    opened, around = inbox(), around or Surroundings()
    records = Records(ws, opened, settings.certificates, around.witnesses)
    reception = Reception(opened, around.notify)
    around.metrics.watch(lambda: records.numbers(reception.clock()))
    around.metrics.watch_parts(around.health)
    answering = Answering(
        reception,
        SourceKeys(ws.keys),
        records,
        Quotas(settings.per_second, settings.burst),
        readings(ws.root, settings.mappings),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        opened.close()

    app = FastAPI(
        title="Lethe",
        version=described.VERSION,
        description=described.ABOUT,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from another host
        redoc_url=None,
    )
    door = _Door(settings.body_bytes, around.metrics)
    _add_requests(app, answering, door)
    _add_looks(app, answering, door, around)
    if around.shown is not None:
        add_pages(app, around.shown, door)
    for status in (404, 405):
        app.add_exception_handler(status, _no_such_call)
    return app


@dataclass(frozen=True)
class _Door:
    """Reads calls, hands each to a thread, and counts what became of it."""

    body_bytes: int
    metrics: Metrics

    async def __call__(self, request: Request, work: Work) -> Response:
        began = time.perf_counter()
        try:
            call = Call(request.headers, request.url.path, await self._body(request))
            answer = await run_in_threadpool(work, call)
        except Exception as problem:  # noqa: BLE001  # every one becomes an answer
            answer = problems.response_to(problem)
        self.metrics.count(DOOR, str(answer.status_code), time.perf_counter() - began)
        return answer

    async def _body(self, request: Request) -> bytes:
        """The body, read no further than it may be long."""
        pieces, length = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for piece in request.stream():
                    pieces.append(piece)
                    length += len(piece)
                    if length > self.body_bytes:
                        limit = f"{self.body_bytes} bytes"
                        raise problems.TooLarge(f"body: is longer than {limit}: send less")
        except (TimeoutError, ClientDisconnect) as problem:
            raise problems.NotSent(
                f"body: did not come whole within {BODY_SECONDS} seconds: send it at once"
            ) from problem
        return b"".join(pieces)


def _add_requests(app: FastAPI, answering: Answering, door: _Door) -> None:
    @app.post("/v1/erasure-requests", status_code=202, **described.RECEIVE)
    async def receive(request: Request) -> Response:
        """Receive a request: a JSON object, or a CloudEvent whose data is one."""
        return await door(request, answering.receive)

    @app.post("/v1/webhooks/{source}", status_code=202, **described.WEBHOOK)
    async def webhook(source: str, request: Request) -> Response:
        """Receive another system's webhook, as a mapping file says how to read it."""
        return await door(request, lambda call: answering.webhook(call, source))

    @app.get("/v1/erasure-requests/{ref}", **described.STANDING)
    async def standing(ref: str, request: Request) -> Response:
        """How one of the source's own requests stands."""
        return await door(request, lambda call: answering.standing(call, ref))

    @app.get("/v1/erasure-requests/{ref}/certificate", **described.CERTIFICATE)
    async def certificate(ref: str, request: Request) -> Response:
        """The sealed evidence on one of the source's own requests, once it is complete."""
        return await door(request, lambda call: answering.certificate(call, ref))


def _add_looks(app: FastAPI, answering: Answering, door: _Door, around: Surroundings) -> None:
    @app.get("/v1/log/checkpoint", **described.CHECKPOINT)
    async def checkpoint(request: Request) -> Response:
        """Where the log ends, signed: kept elsewhere, it shows later whether the log was cut."""
        return await door(request, answering.checkpoint)

    @app.get("/healthz", **described.HEALTH)
    async def health() -> Response:
        """What each part of the service does."""
        found = dict(await run_in_threadpool(around.health))
        return JSONResponse(found, 200 if found.get("ok") else 503)

    @app.get("/metrics", **described.METRICS)
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(await run_in_threadpool(door.metrics.text), media_type=MEDIA_TYPE)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(pages.page(app.openapi()))


async def _no_such_call(request: Request, problem: Exception) -> Response:
    status = getattr(problem, "status_code", 404)
    return problems.answer(status, "no such call: see /docs", getattr(problem, "headers", None))
