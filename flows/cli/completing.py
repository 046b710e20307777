"""What the shell offers for a value: read from files, since a key press waits for nothing heavy.

Nothing is checked here and no lock is taken: what is offered is a help for the fingers, the command
itself looks. Ids of people and of examples are offered nowhere.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer

from systems.settings.workspace import Workspace

Offer = list[tuple[str, str]]
"""Values, each with a word of help."""

NEWEST = 4 * 2**20
"""Bytes of the log that are read, from its end: a few thousand requests, a tenth of a second."""

ENDED = frozenset({"complete", "denied"})
KINDS = (
    *("requests", "methods", "attacks", "audits", "gates", "networks", "clippers", "ensembles"),
    *("coresets", "generation", "versions", "backups"),
)
NETWORKS = (
    *("conv-medium", "conv-small", "conv-whitened", "resnet18-cifar", "resnet20", "resnet56"),
    "vit-digits",
)
ROOT = Path(__file__).parents[2]
NAME = re.compile(r'^    name: ClassVar\[str\] = "(\w+)"', re.MULTILINE)


def requests(ctx: typer.Context, incomplete: str) -> Offer:
    """Every request, the newest first, with its state."""
    return _beginning(_states(_entries(ctx)).items(), incomplete)


def open_requests(ctx: typer.Context, incomplete: str) -> Offer:
    """Requests that have not ended."""
    waiting = [(ref, state) for ref, state in _states(_entries(ctx)).items() if state not in ENDED]
    return _beginning(waiting, incomplete)


def runs(ctx: typer.Context, incomplete: str) -> Offer:
    """Runs, the newest first, with how many requests each has."""
    begun = [entry["body"] for entry in _entries(ctx) if entry["event"] == "run_started"]
    found = [(str(body["run"]), f"of {len(body['requests'])}") for body in reversed(begun)]
    return _beginning(found, incomplete)


def versions(ctx: typer.Context, incomplete: str) -> Offer:
    """Versions that have served, the newest first."""
    bodies = (entry["body"] for entry in reversed(_entries(ctx)))
    numbers = dict.fromkeys(str(body["version"]) for body in bodies if body.get("version"))
    return _beginning(((number, "version") for number in numbers), incomplete)


def methods(incomplete: str) -> Offer:
    """Names of methods, by their sources: their package would load torch."""
    sources = sorted((ROOT / "unlearning" / "methods").glob("*.py"))
    names = [name for source in sources for name in NAME.findall(source.read_text("utf-8"))]
    return _beginning(((name, "method") for name in sorted(names)), incomplete)


def benchmarks(incomplete: str) -> Offer:
    """Names of benchmarks."""
    from flows.cli.work.benching import names

    return _beginning(((name, "benchmark") for name in names()), incomplete)


def laws(incomplete: str) -> Offer:
    """Names of jurisdictions."""
    known = tomllib.loads((ROOT / "ledger" / "jurisdictions.toml").read_text("utf-8"))
    return _beginning(((name, "law") for name in known), incomplete)


def grounds(incomplete: str) -> Offer:
    """Names of grounds on which a request may be denied, with the laws that know them."""
    known = tomllib.loads((ROOT / "ledger" / "requests" / "grounds.toml").read_text("utf-8"))
    return _beginning(((name, ", ".join(laws)) for name, laws in known.items()), incomplete)


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Offer fixed words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _beginning(found: Any, incomplete: str) -> Offer:
    return [(value, words) for value, words in found if value.startswith(incomplete)]


def _states(entries: list[dict[str, Any]]) -> Mapping[str, str]:
    """Give the last state of each request that the entries tell of, the newest request first."""
    known: dict[str, str] = {}
    for entry in entries:
        body = entry["body"]
        if isinstance(body.get("request"), str) and "state" in body:
            known[body["request"]] = str(body["state"])
    return dict(reversed(known.items()))


def _entries(ctx: typer.Context) -> list[dict[str, Any]]:
    """Give the last entries of a log in a file; none of one in a database, or where none is."""
    try:
        with _workspace(ctx).log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - NEWEST))
            lines = file.read().splitlines()
    except OSError:
        return []
    return list(_parsed(lines[size > NEWEST :]))


def _parsed(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:  # an entry that is being written
            continue


def _workspace(ctx: typer.Context) -> Workspace:
    """Find the workspace that the line names, wherever it does, or the environment, or this one."""
    words = os.environ.get("COMP_WORDS", os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()
    after = [word for name, word in pairwise(words) if name == "--workspace"]
    given = ctx.find_root().params.get("workspace")
    return Workspace.at(after[0] if after else given or ".")
