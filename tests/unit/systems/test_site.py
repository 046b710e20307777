"""Pages of many records: hostile words are shown, nothing is loaded, and no script is needed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from systems.report.certificates import Part, Sheet, as_page
from systems.report.site import PAGES, POLICY, render

HOSTILE = "\"'><script>alert(1)</script><img src=http://evil/x onerror=alert(1)>{{ 7*7 }}"
CELL = {"words": HOSTILE, "page": "requests/x.html"}
FOOT = {"made": HOSTILE, "entries": 3}
NODE = {"x": 1, "y": 1, "width": 5, "words": HOSTILE, "kind": HOSTILE}
ENTRY = {
    **dict.fromkeys(
        ("at", "when", "event", "key", "body", "hash", "previous", "signature"), HOSTILE
    ),
    "seq": 1,
}
COUNTS = dict.fromkeys(("open", "late", "soon", "days", "ended"), 1)
VALUES: dict[str, dict[str, Any]] = {
    "board.html": {
        "header": [HOSTILE],
        "counts": COUNTS,
        "open": [[CELL, HOSTILE]],
        "ended": [],
        "records": [CELL],
    },
    "request.html": {
        "ref": HOSTILE,
        "known": [(HOSTILE, HOSTILE)],
        "history": [[HOSTILE, None]],
        "runs": [[HOSTILE, CELL]],
        "copies": [[HOSTILE]],
        "letters": [CELL],
        "certificates": [CELL],
    },
    "lineage.html": {
        "graph": {
            "width": 9,
            "height": 9,
            "nodes": [NODE],
            "lines": [{"kind": HOSTILE, "path": HOSTILE}],
        },
        "rows": [[HOSTILE]],
    },
    "log.html": {
        "number": 1,
        "parts": [{"number": 1, "page": "1.html", "words": HOSTILE}],
        "head": HOSTILE,
        "verdict": HOSTILE,
        "first": 1,
        "last": 1,
        "shown": [ENTRY],
    },
    "methods.html": {"tried": [[HOSTILE]], "methods": [[HOSTILE]], "method_header": [HOSTILE]},
}


class Read(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def shown(template: str) -> str:
    return render(template, "requests/x.html", **VALUES[template], **FOOT).decode()


@pytest.mark.parametrize("template", VALUES)
def test_hostile_words_are_words(template: str) -> None:
    page = shown(template)
    found = Read(page).tags
    assert not {tag for tag, _ in found} & {"script", "img", "iframe", "object", "link", "form"}
    assert not [name for _, attributes in found for name in attributes if name.startswith("on")]
    assert "&lt;script&gt;" in page and "{{ 7*7 }}" in page


@pytest.mark.parametrize("template", VALUES)
def test_nothing_is_loaded_and_a_browser_is_told_so(template: str) -> None:
    found = Read(shown(template)).tags
    (policy,) = [a["content"] for tag, a in found if a.get("http-equiv")]
    assert policy == POLICY and policy.startswith("default-src 'none'")
    targets = [a[name] for _, a in found for name in ("href", "src") if name in a]
    assert not [one for one in targets if re.match(r"[a-z]+:|//", str(one))]


@pytest.mark.parametrize("template", VALUES)
def test_a_page_is_read_by_keyboard_and_by_ear(template: str) -> None:
    found = Read(shown(template)).tags
    tags = [tag for tag, _ in found]
    assert found[0] == ("html", {"lang": "en"}) and tags.count("h1") == tags.count("main") == 1
    links = [a["href"] for tag, a in found if tag == "a"]
    assert links[0] == "#content"  # past the navigation
    assert links[1 : 1 + len(PAGES)] == [f"../{page}" for _, page in PAGES]
    assert all("scope" in a for tag, a in found if tag == "th")
    assert all(a.get("aria-label") for tag, a in found if tag in ("nav", "div"))
    assert all(a.get("role") == "img" for tag, a in found if tag == "svg")


def test_dark_and_light() -> None:
    page = shown("board.html")
    assert "color-scheme: light dark" in page and "prefers-color-scheme: dark" in page


def test_the_page_of_the_board_leads_nowhere_up() -> None:
    page = render("board.html", "index.html", **VALUES["board.html"], **FOOT).decode()
    assert 'href="index.html" aria-current="page"' in page


def test_a_certificate_takes_hostile_words_for_words_too() -> None:
    part = Part(HOSTILE, (HOSTILE,), ((HOSTILE, HOSTILE),), (HOSTILE,), (HOSTILE,))
    page = as_page(Sheet(HOSTILE, "en", (part,), HOSTILE)).decode()
    assert {tag for tag, _ in Read(page).tags}.isdisjoint({"script", "img", "link", "a"})
    assert POLICY in page.replace("&#39;", "'") and page.count("&lt;script&gt;") == 9
