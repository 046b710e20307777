"""Drift: what approximate releases may have left in a champion since it was last trained exactly.

A candidate is a function of its parent, of retained examples and of the bank. Nobody who was
erased before is in the last two, so what is left of such a person cannot grow from one release to
the next; but each release adds what its own gates let through, and by then nobody can look for it
any more. So it is counted, along the champion's own line and not over all that ever served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Forgotten:
    """What releases forgot since a person approved one.

    since: the run of that release, FIRST where nobody did. classes: examples of each class, by its
    token under `since`; runs that nobody was to be asked about by class say none.
    """

    since: str
    examples: int = 0
    classes: Counter[str] = field(default_factory=Counter)


def drift_of(entries: Sequence[Entry], version: int, exact: Collection[str]) -> Drift:
    """Count what lies between a version and the last exact training that it descends from.

    exact: the methods that train exactly. The first version, which no run made, counts as such a
    training. A release of which the log does not say how it was made counts as approximate.
    """
    return Line.of(entries).drift(version, exact)


class Line:
    """What entries say, read once for the lines of many versions."""

    def __init__(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Take what entries say, by their keys."""
        self.found = found
        self._made: dict[int, tuple[str, int]] = {
            body["version"]: (key.removesuffix(PROMOTED), body["parent"])
            for key, body in found.items()
            if key.endswith(PROMOTED)
        }

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Line:
        """Read entries."""
        return cls({entry.key: entry.body for entry in entries})

    def body(self, key: str) -> Mapping[str, Any]:
        """Give what the entry of a key says, nothing where there is none."""
        return self.found.get(key, {})

    def since_exact(self, version: int, exact: Collection[str]) -> tuple[list[str], str | None]:
        """Give the runs whose approximate releases lead to a version, and the exact training's.

        None where the first version is that training.
        """
        runs, seen = list[str](), set[int]()
        while version in self._made and version not in seen:
            seen.add(version)
            run, version = self._made[version]
            if self.body(f"{run}/decided").get("method") in exact:
                return runs, run
            runs.append(run)
        return runs, None

    def drift(self, version: int, exact: Collection[str]) -> Drift:
        """Count approximate releases since the last exact training before a version."""
        runs, _ = self.since_exact(version, exact)
        return Drift(len(runs), sum(self._train(run) for run in runs))

    def forgotten(self, before: str | None = None) -> Forgotten:
        """Count what was forgotten since a person last approved a release, as the log goes.

        before: the run before whose beginning; None for now. Exact releases count too, and those
        that were rolled back: what is asked is how much goes, not what may be left of it.
        """
        runs, since = list[str](), FIRST
        for key in self.found:
            if before is not None and key == f"{before}/begun":
                break
            if key.endswith(PROMOTED):
                runs.append(key.removesuffix(PROMOTED))
                if self.body(f"{runs[-1]}/decided").get("approval"):
                    runs, since = [], runs[-1]
        classes = Counter[str]()
        for run in runs:
            classes.update(self.body(f"{run}/extracted").get("of_classes", {}))
        return Forgotten(since, sum(self._train(run) for run in runs), classes)

    def _train(self, run: str) -> int:
        return int(self.body(f"{run}/extracted").get("train", 0))
