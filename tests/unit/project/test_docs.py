"""What the pages point to is there: files, headings, commands and their options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from flows.cli import app

ROOT = Path(__file__).parents[3]
FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(lethe\s[^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(
    r"`((?:flows|tasks|systems|unlearning|ledger|benchmarks|tests|infra|docs)/[\w./*-]+\.\w+)[^`]*`"
)
FOLDER = re.compile(
    r"`((?:flows|tasks|systems|unlearning|ledger|benchmarks|tests|infra|docs)/(?:[\w.-]+/?)*)`"
)
TEST = re.compile(r"`(test_\w+\.py)`")
DOTTED = re.compile(r"`((?:flows|tasks|systems|unlearning|ledger|benchmarks)(?:\.\w+)+)`")
RESULTS = "benchmarks/results"
ELSEWHERE = re.compile(r"^[a-z]+:")
OF_THE_PROJECT = ("", "docs", "docs/howto", "docs/results", "benchmarks", "infra", "mlruns")
"""Folders with pages of ours; below others lie environments and workspaces."""


def all_pages() -> list[Path]:
    """Give every page of the project."""
    return sorted(page for folder in OF_THE_PROJECT for page in (ROOT / folder).glob("*.md"))


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Give the relative links of a page that lead to no file, or to no heading of it."""
    for link in LINK.findall(FENCED.sub("", text)):
        if ELSEWHERE.match(link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and anchor not in headings(target.read_text("utf-8"))):
            yield link


def headings(text: str) -> set[str]:
    """Give the anchors of a page, as GitHub makes them of its headings."""
    lines = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def named_commands(text: str) -> Iterator[str]:
    """Give every `lethe ...` of a page: lines of its blocks, continued ones whole, and inline."""
    for fenced in FENCED.findall(text):
        lines = fenced.replace("\\\n", " ").splitlines()
        bare = (re.sub(r"^(\$ )?(\S*/)?", "", line.strip()) for line in lines)
        yield from (line.split(" #")[0].strip() for line in bare if line.startswith("lethe "))
    plain = FENCED.sub("", text)
    yield from (" ".join(line.split()) for line in INLINE.findall(plain))


def unknown_words(line: str) -> list[str]:
    """Give what the command line would not know of a command: its name, or its options."""
    group: Any = typer.main.get_command(app)
    plain = re.sub(r"[\[\]|]|\.\.\.", " ", line)
    _, *words = re.sub(r"--workspace[ =]\S+", "", plain).split()
    names = [word for word in words if not word.startswith("-")]
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    command = group.commands.get(names[0]) if names else group
    if command is None:
        return names[:1]
    if command.name == "bench":  # each study has its own options
        return []
    known = {"--help", *(option for p in (*group.params, *command.params) for option in p.opts)}
    return sorted(options - known)


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page, page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_exists_with_its_options(page: Path) -> None:
    named = named_commands(page.read_text(encoding="utf-8"))
    assert {line: wrong for line in named if (wrong := unknown_words(line))} == {}


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_and_name_of_the_code_is_there(page: Path) -> None:
    assert missing_code(page.read_text(encoding="utf-8")) == []


def test_the_site_leads_to_every_page() -> None:
    """But to those of results, which their own list leads to."""
    site = (ROOT / "infra/mkdocs.yml").read_text()
    docs = ROOT / "docs"
    found = [*docs.glob("*.md"), *(docs / "howto").glob("*.md")]
    pages = [page.relative_to(docs).as_posix() for page in found]
    assert [name for name in pages if f"- {name}\n" not in site] == []


def missing_code(text: str) -> list[str]:
    """Give the files, folders and dotted names that a page names in backticks and are not there.

    Results may be absent; NAME stands for any. A test may be named without its folder.
    """
    plain = FENCED.sub("", text)
    named = dict.fromkeys([*FILE.findall(plain), *FOLDER.findall(plain)])
    asked = [path for path in named if not path.startswith(RESULTS + "/") and "NAME" not in path]
    files = [path for path in asked if not any(ROOT.glob(path))]
    files += [name for name in TEST.findall(plain) if not any((ROOT / "tests").rglob(name))]
    return files + [name for name in DOTTED.findall(plain) if not resolves(name)]


def resolves(name: str) -> bool:
    """Say whether a dotted name is a module of ours, or something in one; nothing is imported."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        for module in (place.with_suffix(".py"), place / "__init__.py"):
            if module.is_file():
                rest = parts[count:]
                return not rest or re.search(rf"\b{rest[0]}\b", module.read_text()) is not None
    return False


def test_planted_names_of_code_are_found() -> None:
    text = (
        "`flows/forget.py` `flows/vanished.py` `benchmarks/results/none-*.json` `tests/unit/*.py`\n"
        "`tests/unit/` `flows/cli` `flows/gone/` `test_docs.py` `test_vanished.py`\n"
        "`unlearning.digests.sha256_hex` `unlearning.digests.md5_hex` `ledger.nothing`\n"
    )
    assert missing_code(text) == [
        "flows/vanished.py",
        "flows/gone/",
        "test_vanished.py",
        "unlearning.digests.md5_hex",
        "ledger.nothing",
    ]


def test_planted_links_are_found() -> None:
    """Relative to the page; a heading counts, what stands in a code block does not."""
    text = (
        "[a](../SECURITY.md) [b](SECURITY.md) [c](https://example.org/x)\n"
        "[d](../README.md#try-it) [e](../README.md#vanished) [f](results)\n"
        "```\n[g](gone.md)\n```\n"
    )
    found = broken_links(ROOT / "docs" / "planted.md", text)
    assert list(found) == ["SECURITY.md", "../README.md#vanished"]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("lethe init --data digits", []),
        ("lethe --workspace DIR submit --subject person/0148", []),
        ("lethe forget REQUEST... [--policy FILE]", []),
        ("lethe init --dataset digits", ["--dataset"]),
        ("lethe vanish --all", ["vanish"]),
        ("lethe --help", []),
        ("lethe bench gates --data digits", []),
    ],
)
def test_planted_commands_are_found(line: str, wrong: list[str]) -> None:
    assert unknown_words(line) == wrong


def test_commands_are_found_wherever_they_stand() -> None:
    text = (
        "Say `lethe\nplan` or `lethe show REQ`.\n```\n$ lethe submit --subject a  # a request\n"
        ".venv/bin/lethe init \\\n  --data digits\nrequest: req-1\n```\n"
    )
    assert [line.split() for line in named_commands(text)] == [
        ["lethe", "submit", "--subject", "a"],
        ["lethe", "init", "--data", "digits"],
        ["lethe", "plan"],
        ["lethe", "show", "REQ"],
    ]
