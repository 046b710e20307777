"""Drift: what approximate releases may have left in a champion since it was last trained exactly.

A candidate is a function of its parent, of retained examples and of the bank. Nobody who was
erased before is in the last two, so what is left of such a person cannot grow from one release to
the next; but each release adds what its own gates let through, and by then nobody can look for it
any more. So it is counted, along the champion's own line and not over all that ever served.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.chain import Entry

FIRST = "initialised"
"""Key of the entry that vouches for the first champion, which no run made."""

PROMOTED = "/promoted"
"""End of the keys of entries on a release."""


@dataclass(frozen=True)
class Drift:
    """Approximate releases since the last exact training, and the examples that they forgot."""

    releases: int = 0
    examples: int = 0


def drift_of(entries: Sequence[Entry], version: int, exact: Collection[str]) -> Drift:
    """Count what lies between a version and the last exact training that it descends from.

    exact: the methods that train exactly. The first version, which no run made, counts as such a
    training. A release of which the log does not say how it was made counts as approximate.
    """
    found = {entry.key: entry.body for entry in entries}
    runs, _ = since_exact(found, version, exact)
    forgotten = [int(_body(found, f"{run}/extracted").get("train", 0)) for run in runs]
    return Drift(len(forgotten), sum(forgotten))


def since_exact(
    found: Mapping[str, Mapping[str, Any]], version: int, exact: Collection[str]
) -> tuple[list[str], str | None]:
    """Give the runs whose approximate releases lead to a version, and that of the exact training.

    found: what entries say, by their keys. None where the first version is that training.
    """
    made = {
        body["version"]: (key.removesuffix(PROMOTED), body["parent"])
        for key, body in found.items()
        if key.endswith(PROMOTED)
    }
    runs = list[str]()
    while version in made:
        run, version = made.pop(version)
        if _body(found, f"{run}/decided").get("method") in exact:
            return runs, run
        runs.append(run)
    return runs, None


def _body(found: Mapping[str, Mapping[str, Any]], key: str) -> Mapping[str, Any]:
    return found.get(key, {})
