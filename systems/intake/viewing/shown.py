"""The pages at the door: files that were made, given by exactly the names that they have."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from ledger.errors import NotAuthentic
from systems.intake import problems
from systems.intake.answering import Call
from systems.intake.quotas import OverQuota
from systems.intake.viewing import forms
from systems.intake.viewing.fitting import fitted
from systems.intake.viewing.roles import FIRST, seen_by
from systems.intake.viewing.signing_in import ASK, SESSION, Signed, SignIn

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
KINDS = {"html": "text/html; charset=utf-8", "txt": "text/plain; charset=utf-8"}
COOKIE, BELOW = "lethe-pages", "/pages"

OURS = ("same-origin", "none")
"""Where a browser says that the form was; a program says nothing, and chooses its reader itself."""

_PLACE = re.compile(r"(?!.*\.\.)[\w][\w./-]{0,199}", re.ASCII)

Door = Callable[[Request, Callable[[Call], Response]], Awaitable[Response]]
"""Reads a call whole, within its limits, and hands it to a thread."""


@dataclass(frozen=True)
class Shown:
    """What is shown to whom. page: gives a page by its place, None where there is none."""

    page: Callable[[str], bytes | None]
    sign_in: SignIn


def add_pages(app: FastAPI, shown: Shown, door: Door) -> None:
    """Let the application answer below /pages."""

    @app.get("/pages/sign-in", include_in_schema=False)
    async def ask(to: str = "") -> Response:
        return _html(forms.sign_in(_checked(to)))

    @app.post("/pages/sign-in", include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        return await door(request, lambda call: _begun(shown.sign_in, call, request))

    @app.post("/pages/sign-out", include_in_schema=False)
    async def sign_out(request: Request) -> Response:
        shown.sign_in.end(request.cookies.get(COOKIE, ""))
        answer = _go_to("sign-in")
        answer.delete_cookie(COOKIE, path=BELOW, httponly=True, samesite="strict")
        return answer

    @app.get("/pages", include_in_schema=False)
    @app.get("/pages/{place:path}", include_in_schema=False)
    async def page(request: Request, place: str = "") -> Response:
        return await run_in_threadpool(_answer, shown, place, request)


def _begun(sign_in: SignIn, call: Call, request: Request) -> Response:
    """Answer the form: with a session, or with the form again and what is wrong."""
    if request.headers.get("sec-fetch-site", "none") not in OURS:
        return _html(
            forms.sign_in("", "That form was on a page of somebody else: sign in here."), 403
        )
    told = {name: values[0] for name, values in parse_qs(call.body.decode("latin-1")).items()}
    to = _checked(told.get("to", ""))
    try:
        session, signed = sign_in.begin(told.get("token", "").strip(), _client(request))
    except NotAuthentic:
        return _html(forms.sign_in(to, "That is no token of a reader."), 401)
    except OverQuota as problem:
        again = f"Too many wrong tokens: wait {problem.seconds} seconds."
        return _html(forms.sign_in(to, again), 429)
    answer = _go_to(to or FIRST[signed.role])
    kept: dict[str, Any] = {"max_age": SESSION, "path": BELOW, "httponly": True}
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, session, **kept, samesite="strict", secure=secure)
    return answer


def _answer(shown: Shown, place: str, request: Request) -> Response:
    try:
        signed = _signed(shown.sign_in, request)
        if signed is None:
            return _unsigned(place, request)
        if not place:
            return _go_to(FIRST[signed.role])
        if signed.role not in seen_by(place):
            return _html(forms.forbidden(place, signed), 403)
        content = shown.page(place)
    except Exception as problem:  # noqa: BLE001  # every one becomes an answer
        refused = problems.response_to(problem)
        if isinstance(problem, NotAuthentic):
            refused.headers.update(ASK)
        return refused
    kind = KINDS.get(place.rpartition(".")[2])
    if content is None or kind is None:
        return problems.answer(404, "no such page: see /pages")
    told = fitted(content, place, signed) if place.endswith(".html") else content
    return Response(told, headers={**HEADERS, "Content-Type": kind})


def _signed(sign_in: SignIn, request: Request) -> Signed | None:
    header = request.headers.get("authorization")
    if header is not None:
        return sign_in.by_header(header, _client(request))
    return sign_in.by_session(request.cookies.get(COOKIE, ""))


def _unsigned(place: str, request: Request) -> Response:
    """Send a browser to the form; a program is asked for the token as programs are."""
    if "text/html" in request.headers.get("accept", ""):
        to = _checked(place)
        return _go_to(f"sign-in?to={to}" if to else "sign-in")
    return problems.answer(401, "pages: expected a reader's token as the password", ASK)


def _checked(to: str) -> str:
    """Give a place below the pages, and none for what might lead elsewhere."""
    return to if _PLACE.fullmatch(to) else ""


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _go_to(place: str) -> Response:
    return Response(status_code=303, headers={**HEADERS, "Location": f"{BELOW}/{place}"})


def _html(content: str, status: int = 200) -> Response:
    return Response(content, status, {**HEADERS, "Content-Type": KINDS["html"]})
