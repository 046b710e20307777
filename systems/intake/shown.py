"""The pages behind sign-in: files that were made, given by exactly the names that they have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from ledger.errors import NotAuthentic
from systems.intake import problems
from systems.intake.signing_in import ASK, SignIn

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
KINDS = {"html": "text/html; charset=utf-8", "txt": "text/plain; charset=utf-8"}


@dataclass(frozen=True)
class Shown:
    """What is shown to whom. page: gives a page by its place, None where there is none."""

    page: Callable[[str], bytes | None]
    sign_in: SignIn


def add_pages(app: FastAPI, shown: Shown) -> None:
    """Let the application answer below /pages."""

    @app.get("/pages", include_in_schema=False)
    async def begin() -> Response:
        return Response(status_code=307, headers={"Location": "/pages/index.html"})

    @app.get("/pages/{place:path}", include_in_schema=False)
    async def page(place: str, request: Request) -> Response:
        client = request.client.host if request.client else ""
        given = request.headers.get("authorization")
        return await run_in_threadpool(_answer, shown, place or "index.html", given, client)


def _answer(shown: Shown, place: str, given: str | None, client: str) -> Response:
    try:
        shown.sign_in.check(given, client)
        content = shown.page(place)
    except Exception as problem:  # noqa: BLE001  # every one becomes an answer
        refused = problems.response_to(problem)
        if isinstance(problem, NotAuthentic):
            refused.headers.update(ASK)
        return refused
    kind = KINDS.get(place.rpartition(".")[2])
    if content is None or kind is None:
        return problems.answer(404, "no such page: see /pages/index.html")
    return Response(content, headers={**HEADERS, "Content-Type": kind})
