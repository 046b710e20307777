"""The documentation site: whole, with what is written from code, and nothing from another host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from flows.cli import app
from systems.settings.params import TrainingParams
from tests import browser
from tests.looking import looking
from unlearning.methods import METHODS

ROOT = Path(__file__).parents[2]
FOREIGN = re.compile(r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=\"?(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    words = ["build", "--strict", "--quiet", "-f", "infra/mkdocs.yml", "-d", str(place)]
    line = [sys.executable, "-m", "mkdocs", *words]
    subprocess.run(line, cwd=ROOT, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    return place


def test_every_page_is_there(site: Path) -> None:
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    there = {page.relative_to(site) for page in site.rglob("*.html")}
    index = [p.with_name("index") if p.name == "README.md" else p for p in pages]
    assert {page.with_suffix(".html") for page in index} <= there


def test_no_page_asks_another_host(site: Path) -> None:
    asking = [page.name for page in site.rglob("*.html") if FOREIGN.search(page.read_text())]
    assert asking == []


def test_the_reference_has_every_command_setting_and_method(site: Path) -> None:
    def said(name: str) -> str:
        return (site / "reference" / f"{name}.html").read_text()

    group: Any = typer.main.get_command(app)
    commands = said("commands")
    assert [name for name in group.commands if f"lethe {name}" not in commands] == []
    options = {
        name for command in group.commands.values() for p in command.params for name in p.opts
    }
    assert [name for name in options if name.startswith("-") and name not in commands] == []
    settings = said("settings")
    assert [name for name in TrainingParams.__dataclass_fields__ if name not in settings] == []
    methods = said("methods")
    assert [name for name in METHODS if f'id="{name}"' not in methods] == []
    assert "/v1/erasure-requests" in said("http")


SEEN = ("index.html", "tutorial.html", "results/head.html")


@browser.needed
def test_nothing_stands_in_the_way_of_whoever_cannot_see(site: Path) -> None:
    with looking() as look:
        for page in SEEN:
            address = (site / page).as_uri()
            assert look.findings(address, "light") + look.findings(address, "dark") == []
        home = (site / SEEN[0]).as_uri()
        assert len(look.words(home).split()) > 100
        assert [one for one in look.unreachable(home) if "__palette" not in one] == []  # its label
