"""Releases: each replaces the version that serves, and none is let serve that must not."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.chain import Entry
from ledger.replay.semantics.standing import History, Run, Version


def first(history: History, entry: Entry) -> Iterator[str]:
    """The first version serves, in place of none."""
    if history.serving is not None:
        yield _in_place(entry, None, history.serving)
    _let_serve(history, entry, None, exact=False)


def promoted(history: History, run: Run, entry: Entry) -> Iterator[str]:
    """A run's candidate serves: the one that it decided on, in place of the one it began with."""
    version, parent = entry.body["version"], entry.body["parent"]
    if parent != history.serving:
        yield _in_place(entry, parent, history.serving)
    if parent != run.parent:
        yield f"run {run.ref}: released in place of version {parent}, it began from {run.parent}"
    if run.decision != "released":
        yield f"run {run.ref}: released version {version}, it decided: {run.decision}"
    elif entry.body["sha256"] != run.candidate:
        yield f"run {run.ref}: released version {version}, which is not what it decided on"
    if run.finished:
        yield f"run {run.ref}: released version {version}, and was finished"
    if version in history.versions:
        yield f"run {run.ref}: released version {version}, which had served before"
    _let_serve(history, entry, parent, exact=run.assurance == "A3")
    if (marked := history.mark_under(version)) is not None:
        yield f"run {run.ref}: released version {version}, built upon {marked}, marked as tainted"


def rolled_back(history: History, entry: Entry) -> Iterator[str]:
    """An earlier version serves again, while no run is at work; whether it may, lineage says."""
    version, parent = entry.body["version"], entry.body["parent"]
    known = history.versions.get(version)
    if parent != history.serving:
        yield _in_place(entry, parent, history.serving)
    if known is None or known.sha256 != entry.body["sha256"]:
        yield f"version {version}: was put back, and these bytes never served"
    if version == history.serving:
        yield f"version {version}: was put back, and serves already"
    if history.unfinished:
        yield f"version {version}: was put back, and run {min(history.unfinished)} is unfinished"
    history.serving = version


def put_back(history: History, entry: Entry) -> Iterator[str]:
    """The alias is given back to the version that serves, and to no other."""
    if entry.body["version"] != history.serving:
        yield (
            f"version {entry.body['version']}: was given the alias back, expected version "
            f"{history.serving}, which was let serve last"
        )


def tainted(history: History, entry: Entry) -> Iterator[str]:
    """A version is marked as one that must never serve or be built upon."""
    history.marked.add(entry.body["version"])
    yield from ()


def _let_serve(history: History, entry: Entry, parent: int | None, *, exact: bool) -> None:
    version = entry.body["version"]
    history.versions.setdefault(version, Version(entry.body["sha256"], parent, exact))
    history.serving = version


def _in_place(entry: Entry, got: object, expected: object) -> str:
    return (
        f"version {entry.body['version']}: was let serve in place of {_named(got)}, expected in "
        f"place of {_named(expected)}, which served"
    )


def _named(version: object) -> str:
    return "none" if version is None else f"version {version}"
