"""The champion: the version that serves, and whether the signed log vouches for it (I1, I6).

The champion is the version of the log's last release, over the bytes that were released, and
nothing taints it. Whoever reads, judges or serves the champion asks here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledger.chain import Entry
from systems.registry import models
from systems.registry.models import CHAMPION, ModelVersion
from tasks.running.opened import Opened
from unlearning.domain import Decision
from unlearning.errors import IntegrityError, UsageError

FIRST = "initialised"
"""Key and event of the log's entry on the first champion."""

PROMOTED = "promoted"
"""Step of a run that let its candidate serve."""

TAINTED = "lethe.tainted."
"""Tag of a version, followed by a run: it learned from that run's examples. The value says when.

For reading in MLflow; what counts is the log."""


@dataclass(frozen=True)
class Release:
    """A version that the log says was let serve.

    parent: the version that it replaced, and run: the run that made it; None for the first.
    """

    version: int
    sha256: str
    parent: int | None
    run: str | None
    at: datetime


def releases(entries: Iterable[Entry]) -> tuple[Release, ...]:
    """Give what served, oldest first, from the log; IntegrityError if one does not follow.

    Each release replaced the one before it. A log that says otherwise is of two histories.
    """
    made: list[Release] = []
    for entry in entries:
        if entry.key == FIRST or entry.key.endswith(f"/{PROMOTED}"):
            made.append(_release(entry))
            _check_follows(made)
    return tuple(made)


def _release(entry: Entry) -> Release:
    run = None if entry.key == FIRST else entry.key.removesuffix(f"/{PROMOTED}")
    body, at = entry.body, datetime.fromisoformat(entry.at)
    return Release(body["version"], body["sha256"], body.get("parent"), run, at)


def _check_follows(made: Sequence[Release]) -> None:
    expected = made[-2].version if len(made) > 1 else None
    if made[-1].parent != expected:
        raise IntegrityError(
            f"log: version {made[-1].version} was promoted in place of version "
            f"{made[-1].parent}, expected version {expected}, the release before it; serve "
            "nothing, and restore records/ and mlruns/ from one backup"
        )


def taints(number: int, made: Sequence[Release]) -> tuple[Release, ...]:
    """Give the releases that taint a version, oldest first: they replaced what it belongs to.

    A version from before a run's release learned from that run's examples, or from a version that
    did, and nothing shows that it forgot them.
    """
    return tuple(release for release in made if release.run and number < release.version)


def sealed_champion(at: Opened) -> ModelVersion:
    """Give the champion; IntegrityError unless the signed log vouches for it (I1)."""
    found = standing(at)
    if found is None:
        raise UsageError("no champion: expected one from `lethe init`; run it first")
    return found


def standing(at: Opened) -> ModelVersion | None:
    """Give the champion, None before the first; IntegrityError if the log does not vouch for it.

    A release that a crash cut off just before its entry counts: `lethe forget` goes on with it.
    """
    made = releases(at.ledger.log.entries())
    served = models.champion(at.ws.mlruns, at.params.model.name)
    if served is None and len(made) < 2:
        return None
    if not made:
        raise _alarm(served, "the log knows no release; restore records/ from your backup")
    if served is None:
        raise _alarm(None, _put_back(made[-1]))
    _check_served(served, _expected(at, served, made[-1]))
    _check_taint(served, made)
    models.verified(served)
    return served


def _expected(at: Opened, served: ModelVersion, last: Release) -> Release:
    """Give the last release, or the one that only lacks its entry, if that one serves."""
    runs = at.ledger.unfinished_runs()
    coming = (found for run in runs if (found := _unlogged(at, run, served, last)))
    return next(coming, last)


def _unlogged(at: Opened, run: str, served: ModelVersion, last: Release) -> Release | None:
    begun, decided, sealed = (at.ledger.log.find(f"{run}/{s}") for s in _BEFORE)
    if not (begun and decided and sealed) or served.tags.get("lethe.run") != run:
        return None
    if begun.body["parent"] != last.version or decided.body["decision"] != Decision.RELEASED:
        return None
    when = datetime.fromisoformat(sealed.at)
    return Release(served.version, decided.body["candidate"], last.version, run, when)


_BEFORE = ("begun", "decided", "sealed")
"""Steps of a run before it promotes its candidate."""


def _check_served(served: ModelVersion, expected: Release) -> None:
    if served.version != expected.version:
        raise _alarm(served, _put_back(expected))
    parent = None if expected.parent is None else str(expected.parent)
    got = {"SHA-256": served.sha256[:16], "parent": served.tags.get("lethe.parent")}
    released = {"SHA-256": expected.sha256[:16], "parent": parent}
    for name in (name for name in got if got[name] != released[name]):
        raise _alarm(
            served,
            f"its {name} is {got[name]}, the log released {released[name]}; serve nothing, and "
            "restore mlruns/ from your backup",
        )


def _check_taint(served: ModelVersion, made: Sequence[Release]) -> None:
    by = [release.run for release in taints(served.version, made)]
    by += [key.removeprefix(TAINTED) for key in served.tags if key.startswith(TAINTED)]
    if by:
        raise _alarm(
            served,
            f"it is tainted by {by[0]}: it learned from examples that are to be forgotten; serve "
            "nothing, and compare the version's tags with `lethe list versions`",
        )


def _put_back(last: Release) -> str:
    return (
        f"the log's last release is version {last.version}; point the alias `{CHAMPION}` back to "
        f"version {last.version} in MLflow, and find out who moved it"
    )


def _alarm(served: ModelVersion | None, problem: str) -> IntegrityError:
    who = "no version serves" if served is None else f"version {served.version} serves"
    return IntegrityError(f"champion: {who}, but {problem}")


def as_champion(at: Opened) -> dict[str, Any]:
    """Show the version that is served, as the command line prints it."""
    found = sealed_champion(at)
    return {
        "name": found.name,
        "version": found.version,
        "sha256": found.sha256,
        "weights": str(found.weights),
    }
