"""Every `lethe init` that README and docs show takes the data that it speaks of, as it stands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flows.cli import app
from flows.cli.work import initialising
from systems.data.gathering import gather
from systems.data.sources import Source
from systems.settings.params import Params, change_params
from systems.settings.workspace import Workspace, write_templates
from tests.unit.input.forms import N, put
from tests.unit.input.tables import PAIR, by_class, parts, written

ROOT = Path(__file__).parents[3]


def shown() -> Iterator[list[str]]:
    """Give the words of every such command, once."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    lines = {
        line.strip().removeprefix("$ ")
        for page in pages
        for line in page.read_text().replace("\\\n", " ").splitlines()
    }
    for line in sorted(line for line in lines if line.startswith("lethe init")):
        yield shlex.split(line, comments=True)[1:]


def offered(folder: Path, name: str) -> None:
    """Make what a path of the docs promises."""
    if name.endswith(".parquet"):
        people = [f"{name}/{i % 10}" for i in range(N)]
        put(
            folder / name,
            subject_id=people,
            person=people,
            example_id=[f"{name}{i}" for i in range(N)],
        )
    elif name.endswith("/"):
        make = {"classes/": by_class, "parts/": parts(*PAIR)}.get(name, written())
        made = Path(make(folder).data)
        if made != folder / name:
            made.rename(folder / name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Keep what `init` was asked for, instead of doing it."""
    kept: list[tuple[Any, ...]] = []

    def keep(*words: Any) -> dict[str, Any]:
        kept.append(words)
        return {}

    monkeypatch.setattr(initialising, "init", keep)
    return kept


@pytest.mark.parametrize("words", list(shown()), ids=" ".join)
def test_a_command_of_the_docs(
    words: list[str], asked: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for option, value in pairwise(words):
        if option in ("--data", "--test", "--holdout"):
            offered(tmp_path, value)
    app(words, standalone_mode=False)
    ((_, files, columns, changes),) = asked
    found = gather(source_of(files, columns), settings(tmp_path, changes))
    assert set(found.table["split"].to_pylist()) == {"train", "holdout", "test"}
    assert found.dataset.size == changes.get("data.size", 8)


def source_of(files: initialising.Files, columns: Any) -> Source:
    return Source(files.data, files.test, files.holdout, columns, files.limit, files.as_written)


def settings(folder: Path, changes: dict[str, Any]) -> Params:
    ws = Workspace.at(folder / "workspace")
    write_templates(ws)
    return change_params(ws.root, changes)
