"""What was made from the model's versions, under any name: fine-tuned, quantised, exported.

Whoever registers such a version in MLflow says with a tag what it was made from. It has learned
what that has; Lethe did not make it and cannot erase it. So it is a line of the inventory, and the
requests of which it may know something wait until somebody says that it is out of use.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.log import recordable
from ledger.replay.lineage import Release, releases, taints, weighs_as
from ledger.replay.purged import DESCENDS
from systems.copies import Copy, Status, as_records
from systems.registry import models
from systems.registry.erasure import REGISTRY
from systems.registry.foreign import DERIVED, Foreign, Other, foreign, others
from tasks.running.opened import Opened
from tasks.running.records import utc_now

MANY = 10
"""Models of others, and versions of ours, that are named one by one; more of them are counted."""

WHY = "not Lethe's to erase: retire it, then `lethe purge REQUEST --confirm COPY --reason TEXT`"


@dataclass(frozen=True)
class Descendant:
    """A version of any name, and the versions of the model that it descends from, oldest first."""

    name: str
    version: int
    of: tuple[int, ...]

    @property
    def words(self) -> str:
        """Name it in lists of copies."""
        of = " and ".join(f"version {number}" for number in self.of)
        if len(self.of) > MANY:
            of = f"{len(self.of)} versions from version {self.of[0]} on"
        return f"version {self.version} of {recordable(self.name)}, which descends from {of}"

    @property
    def key(self) -> str:
        """Name it in keys of the log."""
        return f"{recordable(self.name)}/{self.version}"

    def tainted_by(self, made: Sequence[Release]) -> list[str]:
        """Name the runs whose people it may have learned from, oldest first."""
        by = {str(release.run) for number in self.of for release in taints(number, made)}
        return [str(release.run) for release in made if release.run in by]

    def copy(self, status: Status) -> Copy:
        """Give it as a line of the inventory."""
        return Copy(REGISTRY, self.words, status, WHY)


@dataclass(frozen=True)
class Family:
    """What descends from the model's versions, and what nobody can tell of, in lines."""

    descendants: tuple[Descendant, ...]
    unknown: tuple[str, ...]

    def as_listed(self, made: Sequence[Release]) -> list[dict[str, Any]]:
        """Give the descendants as the command line prints them."""
        return [
            {
                "model": one.name,
                "version": one.version,
                "descends_from": list(one.of),
                "tainted": bool(by := one.tainted_by(made)),
                "by": by,
            }
            for one in self.descendants
        ]


def family(at: Opened, made: Sequence[Release]) -> Family:
    """Look through the whole registry, of all names."""
    mlruns, name = at.ws.mlruns, at.params.model.name
    own = models.versions(mlruns, name)
    copied = [f for f in foreign(mlruns, name) if weighs_as(f.version, f.digests, made) is None]
    registered: list[Foreign | Other] = [*copied, *others(mlruns, name)]
    tree = _Tree(name, made, own, registered)
    found = [(one, tuple(sorted(tree.of(_ref(one))))) for one in registered]
    known = (Descendant(one.name, one.version, of) for one, of in found if of)
    return Family(tuple(known), tuple(_unknown(name, [one for one, of in found if not of])))


def _ref(one: Foreign | Other) -> str:
    return f"{one.name}/{one.version}"


class _Tree:
    """Which version was made from which, by tags, and by the stored model that each names."""

    def __init__(
        self,
        name: str,
        made: Sequence[Release],
        own: Sequence[models.ModelVersion],
        registered: Iterable[Foreign | Other],
    ) -> None:
        self._name, self._made = name, made
        self._numbers = {r.version for r in made} | {v.version for v in own}
        self._stored = {f"models:/{v.model_id}": v.version for v in own}
        self._registered = {_ref(one): one for one in registered}

    def of(self, ref: str) -> frozenset[int]:
        """Give the model's versions that one was made from; ref: MODEL/VERSION or a SHA-256.

        Each is looked at once, since the tags are others': they may go in circles.
        """
        found, seen, ahead = set[int](), {ref}, [ref]
        while ahead:
            at = ahead.pop()
            one = self._registered.get(at)
            if one is None:
                found.update(self._own(at))
            elif one.source in self._stored:
                found.add(self._stored[one.source])
            else:
                ahead += set(one.derived) - seen
                seen.update(one.derived)
        return frozenset(found)

    def _own(self, ref: str) -> Iterator[int]:
        model, _, number = ref.rpartition("/")
        if model == self._name and number in (known := {str(n): n for n in self._numbers}):
            yield known[number]
        elif re.fullmatch("[0-9a-f]{64}", ref):
            found = weighs_as(0, {ref}, self._made)
            yield from () if found is None else (found,)


def _unknown(name: str, found: Sequence[Foreign | Other]) -> Iterator[str]:
    """Say of what nobody can tell; those of the model's own name are told elsewhere."""
    for one in found:
        if one.derived:
            told = ", ".join(map(recordable, one.derived[:MANY]))
            more = f" and {len(one.derived) - MANY} more" if len(one.derived) > MANY else ""
            yield (
                f"version {one.version} of {recordable(one.name)}: unknown lineage: {DERIVED} "
                f"names {told}{more}, expected MODEL/VERSION or the SHA-256 of weights here"
            )
    silent = Counter(one.name for one in found if not one.derived and one.name != name)
    if len(silent) > MANY:
        yield f"{sum(silent.values())} versions of {len(silent)} other models: {_SILENT}"
        return
    for model, count in sorted(silent.items()):
        yield f"{count} of the versions of {recordable(model)}: {_SILENT}"


_SILENT = f"unknown lineage: no tag {DERIVED} says what they were made from"


def present(at: Opened) -> tuple[list[Copy], tuple[str, ...]]:
    """List what descends from any version, and what nobody can tell of."""
    found = family(at, releases(at.ledger.log.entries()))
    return [one.copy(Status.PRESENT) for one in found.descendants], found.unknown


def note_descendants(at: Opened, runs: Iterable[str]) -> None:
    """Log once for each of these runs what descends from a version that its release taints.

    It keeps the run's requests waiting, like all that cannot be verified, until it is confirmed.
    """
    wanted = set(runs)
    made = releases(at.ledger.log.entries())
    if not wanted & {release.run for release in made}:
        return
    for one in family(at, made).descendants:
        for run in (run for run in one.tainted_by(made) if run in wanted):
            key = f"{run}/{DESCENDS}/{one.key}"
            if at.ledger.log.find(key) is None:
                body = {"runs": [run], "copies": as_records([one.copy(Status.UNVERIFIED)])}
                at.ledger.record(DESCENDS, body, key=key, now=utc_now())
