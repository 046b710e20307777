"""Every page of ours as people use it: by keyboard, in the dark, without scripts, read aloud."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from flows.cli.work import paging
from systems.intake.viewing import forms
from systems.intake.viewing.fitting import fitted
from systems.intake.viewing.roles import Role
from systems.intake.viewing.signing_in import Signed
from systems.report.page import write_report
from tests import browser
from tests.integration import small_runs
from tests.looking import Looking, looking
from tests.unit.reported import refused_attempt
from unlearning.domain import Decision

pytestmark = [browser.needed]

SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def look() -> Iterator[Looking]:
    with looking() as made:
        yield made


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One page of each kind, by its kind: somebody was erased, a report is beside it."""
    folder = tmp_path_factory.mktemp("pages")
    root = small_runs.small(folder / "workspace")
    at = small_runs.opened(str(root))
    run = small_runs.extracted(at, small_runs.person(at))
    small_runs.go_on(run)
    small_runs.asked(at, small_runs.person(at, 1))
    paging.write(root, folder / "out")
    return {**_of_each_kind(folder / "out"), **_signing_in(folder), "report": _report(folder)}


def _of_each_kind(out: Path) -> dict[str, str]:
    (served, *_) = (out / "requests").glob("*.html")
    names = {"board": "index.html", "versions": "lineage.html", "methods": "methods.html"}
    names |= {"log": "log/1.html", "request": f"requests/{served.name}"}
    return {kind: (out / name).as_uri() for kind, name in names.items()}


def _signing_in(folder: Path) -> dict[str, str]:
    """The form with all that may stand in it, what a role may not see, a page with its reader."""
    signed = Signed("audit-7", Role.AUDITOR, session=True)
    log = folder / "out" / "log" / "1.html"
    content = {
        "sign-in": forms.sign_in("log/1.html").encode(),
        "wrong": forms.sign_in("", "That is no token of a reader.").encode(),
        "forbidden": forms.forbidden("letters/x", signed).encode(),
        "signed": fitted(log.read_bytes(), "log/1.html", signed),
    }
    for name, page in content.items():
        (folder / f"{name}.html").write_bytes(page)
    return {name: (folder / f"{name}.html").as_uri() for name in content}


def _report(folder: Path) -> str:
    made = write_report(
        folder / "report",
        reference="run-1",
        decision=Decision.REFUSED,
        attempts=[refused_attempt(np.random.default_rng(1))],
        facts={"Data version": "0f" * 16},
        written_at=datetime(2026, 2, 28, tzinfo=UTC),
    )
    return made.page.as_uri()


OURS = ("board", "request", "versions", "methods", "log", "report")
KINDS = (*OURS, "sign-in", "wrong", "forbidden", "signed")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_stands_in_the_way_of_whoever_cannot_see(
    look: Looking, pages: dict[str, str], kind: str, scheme: str
) -> None:
    assert look.findings(pages[kind], scheme) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_keyboard_comes_to_all_and_is_seen(
    look: Looking, pages: dict[str, str], kind: str
) -> None:
    assert look.unreachable(pages[kind]) == []


@pytest.mark.parametrize("kind", OURS)
def test_it_reads_without_scripts(look: Looking, pages: dict[str, str], kind: str) -> None:
    assert len(look.words(pages[kind]).split()) > 60


FAULTY = """<!doctype html><html lang="en"><title>x</title><style>#b:focus { outline: none; }
@media (prefers-color-scheme: dark) { body { background: #222; color: #444; } }</style>
<main><h1>Words</h1><p>words</p><img src="data:,"><a href="#b" id="b">a link</a></main></html>"""


def test_planted_faults_are_found(look: Looking, tmp_path: Path) -> None:
    page = tmp_path / "faulty.html"
    page.write_text(FAULTY)
    light, dark = (
        {line.split(":")[0] for line in look.findings(page.as_uri(), one)} for one in SCHEMES
    )
    assert light == {"image-alt"} and dark == {"image-alt", "color-contrast"}
    assert look.unreachable(page.as_uri()) == ["a link"]
