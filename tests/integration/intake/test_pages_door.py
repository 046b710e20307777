"""The pages at the HTTP door: behind sign-in, each role its own, by exactly their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from flows.cli.work import reading
from systems.intake.http import Surroundings, make_app
from systems.intake.viewing.readers import readers
from systems.intake.viewing.roles import FIRST, Role
from systems.intake.viewing.shown import COOKIE, Shown
from systems.intake.viewing.signing_in import WRONG, SignIn
from systems.report.site import render
from systems.settings.workspace import Workspace
from tests.integration.intake.doors import made, opened

BROWSER = {"accept": "text/html,application/xhtml+xml"}
LOG = {"number": 1, "parts": [], "head": "0", "verdict": "", "first": 1, "last": 0, "shown": []}
PAGES = {
    "index.html": b"<p>board",
    "requests/req-1.html": b"<p>one",
    "record-en.txt": b"record",
    "letters/req-1-refusal-en.txt": b"Dear",
    "certificates/req-1-person-en.html": b"<p>for the person",
    "certificates/req-1-auditor.html": b"<p>for the auditor",
    "runs/run-1.html": b"<p>report",
    "methods.html": b"<p>methods",
    "lineage.html": b"<p>versions",
    "log/1.html": render("log.html", "log/1.html", **LOG, made="today", entries=0),
    "keys.pem": b"no page",
}
HTML = {"index.html", "requests/req-1.html", "record-en.txt"}
SEES = {
    Role.OFFICER: {
        *HTML,
        *("letters/req-1-refusal-en.txt", "runs/run-1.html"),
        *("certificates/req-1-person-en.html", "certificates/req-1-auditor.html"),
    },
    Role.SCIENTIST: {"runs/run-1.html", "methods.html", "lineage.html"},
    Role.AUDITOR: {
        *HTML,
        *("certificates/req-1-auditor.html", "runs/run-1.html"),
        *("methods.html", "lineage.html", "log/1.html"),
    },
    Role.ADMINISTRATOR: set(PAGES) - {"keys.pem"},
}


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return made(tmp_path)


@pytest.fixture
def at(ws: Workspace) -> TestClient:
    shown = Shown(PAGES.get, SignIn("secret", lambda: readers(ws.service)))
    app = make_app(ws, lambda: opened(ws), around=Surroundings(shown=shown))
    return TestClient(app, follow_redirects=False, headers=BROWSER)


def signed_in(at: TestClient, token: str, to: str = "") -> Response:
    return at.post("/pages/sign-in", data={"token": token, "to": to})


def test_a_program_is_asked_for_the_token_and_a_browser_led_to_the_form(at: TestClient) -> None:
    answer = at.get("/pages/index.html", headers={"accept": "*/*"})
    assert answer.status_code == 401 and "board" not in answer.text
    assert answer.headers["www-authenticate"].startswith("Basic ")
    answer = at.get("/pages/requests/req-1.html")
    assert answer.status_code == 303 and "www-authenticate" not in answer.headers
    form = at.get(answer.headers["location"])
    assert 'name="to" value="requests/req-1.html"' in form.text and "<script" not in form.text
    assert at.get("/pages").headers["location"] == "/pages/sign-in"


def test_the_owners_token_goes_on_working_as_a_password(at: TestClient) -> None:
    at.auth = ("dpo", "secret")
    assert at.get("/pages").headers["location"] == "/pages/index.html"
    for place in SEES[Role.ADMINISTRATOR]:
        assert at.get(f"/pages/{place}").status_code == 200, place
    assert at.get("/pages/index.html").content == b"<p>board"


def test_a_page_comes_with_headers_that_let_it_load_nothing(at: TestClient) -> None:
    at.auth = ("dpo", "secret")
    for place in ("requests/req-1.html", "sign-in"):
        answer = at.get(f"/pages/{place}")
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_what_is_no_page_is_not_there(at: TestClient) -> None:
    at.auth = ("dpo", "secret")
    for place in ("keys.pem", "../keys/signing.pem", "%2e%2e/keys", "requests", "nothing.html"):
        assert at.get(f"/pages/{place}").status_code == 404, place


@pytest.mark.parametrize("role", Role)
def test_a_role_sees_its_pages_and_is_told_what_others_need(
    at: TestClient, ws: Workspace, role: Role
) -> None:
    token = str(reading.add(ws.root, "somebody", role)["token"])
    assert signed_in(at, token).headers["location"] == f"/pages/{FIRST[role]}"
    answers = {place: at.get(f"/pages/{place}") for place in PAGES if place != "keys.pem"}
    assert {place for place, one in answers.items() if one.status_code == 200} == SEES[role]
    refused = [one for place, one in answers.items() if place not in SEES[role]]
    for answer in refused:
        assert answer.status_code == 403 and "This page needs the role" in answer.text
        assert "administrator" in answer.text and f"somebody, {role}" in answer.text
    # (that a page does not exist is told to nobody who may not see it)
    missing = at.get("/pages/letters/req-9-refusal-en.txt").status_code
    assert missing == (404 if role in (Role.OFFICER, Role.ADMINISTRATOR) else 403)


def test_the_session_is_the_browsers_alone_and_ends(at: TestClient, ws: Workspace) -> None:
    token = str(reading.add(ws.root, "audit", Role.AUDITOR)["token"])
    cookie = signed_in(at, token).headers["set-cookie"].lower()
    for word in ("httponly", "samesite=strict", "path=/pages", "max-age=28800"):
        assert word in cookie
    assert "secure" not in cookie and token.lower() not in cookie
    page = at.get("/pages/log/1.html").text
    assert "Signed in as audit, auditor." in page and 'action="/pages/sign-out"' in page
    session = at.cookies[COOKIE]
    gone = at.post("/pages/sign-out")
    assert (
        gone.headers["location"] == "/pages/sign-in" and "Max-Age=0" in gone.headers["set-cookie"]
    )
    at.cookies.set(COOKIE, session, path="/pages")
    assert at.get("/pages/log/1.html").status_code == 303


def test_over_tls_the_cookie_is_for_tls_alone(at: TestClient) -> None:
    at.base_url = at.base_url.copy_with(scheme="https")
    assert "secure" in signed_in(at, "secret").headers["set-cookie"].lower()


def test_whoever_is_removed_is_out_at_the_next_page(at: TestClient, ws: Workspace) -> None:
    signed_in(at, str(reading.add(ws.root, "audit", Role.AUDITOR)["token"]))
    assert at.get("/pages/log/1.html").status_code == 200
    reading.remove(ws.root, "audit")
    assert at.get("/pages/log/1.html").status_code == 303
    assert reading.listed(ws.root) == {"readers": []}


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "../healthz", "a\nb"])
def test_sign_in_leads_nowhere_else(at: TestClient, to: str) -> None:
    assert signed_in(at, "secret", to).headers["location"] == "/pages/index.html"
    assert "evil" not in at.get("/pages/sign-in", params={"to": to}).text
    assert signed_in(at, "secret", "log/1.html").headers["location"] == "/pages/log/1.html"


def test_guessing_is_slow_by_header_and_by_form(at: TestClient) -> None:
    for n in range(WRONG):
        by_header = n % 2
        answer = (
            at.get("/pages/index.html", auth=("dpo", "guess"))
            if by_header
            else signed_in(at, "<guess>")
        )
        assert answer.status_code == 401 and "guess" not in answer.text
    answer = at.get("/pages/index.html", auth=("dpo", "secret"))
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) <= 60
    answer = signed_in(at, "secret")
    assert answer.status_code == 429 and "Too many wrong tokens" in answer.text


@pytest.mark.parametrize("where", ["cross-site", "same-site"])
def test_nobody_is_signed_in_by_the_page_of_somebody_else(at: TestClient, where: str) -> None:
    answer = at.post("/pages/sign-in", data={"token": "secret"}, headers={"sec-fetch-site": where})
    assert answer.status_code == 403 and COOKIE not in answer.headers.get("set-cookie", "")
    own = at.post(
        "/pages/sign-in", data={"token": "secret"}, headers={"sec-fetch-site": "same-origin"}
    )
    assert own.status_code == 303


def test_without_pages_there_is_nothing(ws: Workspace) -> None:
    assert TestClient(make_app(ws, lambda: opened(ws))).get("/pages/index.html").status_code == 404
