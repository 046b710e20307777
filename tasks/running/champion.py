"""The champion: the version that serves, and whether the signed log vouches for it (I1, I6).

The champion is the version of the log's last release, over the bytes that were released, and
nothing taints it. Whoever reads, judges or serves the champion asks here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ledger.replay.lineage import Release, blemish, marks, origin, releases
from systems.registry import models
from systems.registry.models import CHAMPION, ModelVersion
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.domain import Decision
from unlearning.errors import IntegrityError, UsageError

TAINTED = "lethe.tainted."
"""Tag of a version, followed by a run: it learned from that run's examples. The value says when.

For reading in MLflow; what counts is the log."""


PUT_BACK = "champion_put_back"
"""Event of the log: the alias was on another version, and we gave it back to the last release."""


def put_back(at: Opened, last: Release, served: int | None) -> None:
    """Give the alias back to the log's last release.

    The log first: a crash between the two is put right by the next look. served: who has it now.
    """
    body = {"from": served, "version": last.version, "sha256": last.sha256}
    key = at.ledger.log.next_key("champion")
    at.ledger.record(PUT_BACK, body, key=key, now=utc_now())
    name = at.params.model.name
    models.promote(at.ws.mlruns, name, last.version, expected_parent=served)


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
    served, made = serving(at), releases(at.ledger.log.entries())
    if served is not None:
        _check_taint(at, served, made)
        models.verified(served)
    return served


def serving(at: Opened) -> ModelVersion | None:
    """Give the version that serves by log and alias, be it tainted; None before the first.

    IntegrityError if log and alias, bytes' digest or parent do not agree.
    """
    made = releases(at.ledger.log.entries())
    served = models.champion(at.ws.mlruns, at.params.model.name)
    if served is None and len(made) < 2:
        return None
    if not made:
        raise _alarm(served, "the log knows no release; restore records/ from your backup")
    if served is None:
        raise _alarm(None, _put_back(made[-1]))
    expected = _expected(at, served, made[-1])
    _check_served(served, expected, origin(expected.version, made) or expected)
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


def _check_served(served: ModelVersion, expected: Release, first: Release) -> None:
    if served.version != expected.version:
        raise _alarm(served, _put_back(expected, served))
    parent = None if first.parent is None else str(first.parent)
    got = {"SHA-256": served.sha256[:16], "parent": served.tags.get("lethe.parent")}
    released = {"SHA-256": expected.sha256[:16], "parent": parent}
    for name in (name for name in got if got[name] != released[name]):
        raise _alarm(
            served,
            f"its {name} is {got[name]}, the log released {released[name]}; serve nothing, and "
            "restore mlruns/ from your backup",
        )


def _check_taint(at: Opened, served: ModelVersion, made: Sequence[Release]) -> None:
    why = blemish(served.version, made, marks(at.ledger.log.entries()))
    tags = [key.removeprefix(TAINTED) for key in served.tags if key.startswith(TAINTED)]
    if why is None and tags:
        why = f"it is tainted by {tags[0]}, as its tag says"
    if why:
        raise _alarm(served, f"{why}; {INSTEAD}")


INSTEAD = (
    "serve nothing; `lethe list versions` says which may serve again, with `lethe rollback "
    "VERSION`; if none may, begin anew with the data and `lethe init --suppression`"
)


def _put_back(last: Release, served: ModelVersion | None = None) -> str:
    if last.again and served is not None and served.version == last.parent:
        return f"a rollback was cut off: repeat `lethe rollback {last.version}`"
    stranger = served is not None and served.sha256 == models.UNREGISTERED
    whose = "Lethe did not register it, and " if stranger else ""
    return (
        f"{whose}the log's last release is version {last.version}; point the alias `{CHAMPION}` "
        f"back to version {last.version} in MLflow, and find out who moved it"
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
