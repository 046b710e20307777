"""The pages at the HTTP door: behind sign-in, by exactly their names, with strict headers."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from systems.intake.http import Surroundings, make_app
from systems.intake.shown import Shown
from systems.intake.signing_in import WRONG, SignIn
from tests.integration.intake.doors import made, opened

PAGES = {"index.html": b"<p>board", "requests/req-1.html": b"<p>one", "keys.pem": b"no page"}


def client(place: Path) -> TestClient:
    ws = made(place)
    around = Surroundings(shown=Shown(PAGES.get, SignIn("secret")))
    return TestClient(make_app(ws, lambda: opened(ws), around=around), follow_redirects=False)


def test_a_browser_is_asked_for_the_token(tmp_path: Path) -> None:
    answer = client(tmp_path).get("/pages/index.html")
    assert answer.status_code == 401 and "board" not in answer.text
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_a_page_comes_with_headers_that_let_it_load_nothing(tmp_path: Path) -> None:
    at = client(tmp_path)
    at.auth = ("dpo", "secret")
    assert at.get("/pages").headers["location"] == "/pages/index.html"
    answer = at.get("/pages/requests/req-1.html")
    assert (answer.status_code, answer.content) == (200, b"<p>one")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_what_is_no_page_is_not_there(tmp_path: Path) -> None:
    at = client(tmp_path)
    at.auth = ("dpo", "secret")
    for place in ("keys.pem", "../keys/signing.pem", "%2e%2e/keys", "requests", "nothing.html"):
        assert at.get(f"/pages/{place}").status_code == 404, place


def test_guessing_is_slow(tmp_path: Path) -> None:
    at = client(tmp_path)
    for _ in range(WRONG):
        assert at.get("/pages/index.html", auth=("dpo", "guess")).status_code == 401
    answer = at.get("/pages/index.html", auth=("dpo", "secret"))
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) <= 60


def test_without_pages_there_is_nothing(tmp_path: Path) -> None:
    ws = made(tmp_path)
    assert TestClient(make_app(ws, lambda: opened(ws))).get("/pages/index.html").status_code == 404
