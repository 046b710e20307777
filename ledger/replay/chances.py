"""What became of a rung before: attempts in runs, and rehearsals, as the log tells of them.

Those alone are counted that asked for the like: the same method with the same settings under the
same gates, of networks trained in the same way and judged by a bank of the same size, a forget set
of about the same size and of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from ledger.adoptions import PARAMS, in_force
from ledger.chain import Entry
from ledger.replay.drift import FIRST, Line

REHEARSED = "rehearsed"
"""Event of the log: a rung was tried on people who asked for nothing."""

ALIKE = 2
"""How often the smaller of two forget sets may go into the larger: a gate's power goes by size."""

Conditions = Mapping[str, str]
"""Digests of what a result depends on beside the rung: `training`, of networks, and the `bank`."""

Found = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Under:
    """What a rung is asked under: conditions, and the champion, by version.

    params: SHA-256 of the params.yaml that they are of. An entry of before conditions were noted
    has them if these very bytes were in force then, and is not counted otherwise: what of a file
    that is not at hand was the same, nobody can tell. exact: the methods that train exactly.
    """

    conditions: Conditions
    params: str
    version: int
    exact: Collection[str]

    def of(self, body: Mapping[str, Any], params: object) -> Conditions:
        """Give an entry's conditions, or what stands for those that nobody knows."""
        known = self.conditions if params == self.params else {"training": f"params {params}"}
        told: Conditions = body.get("conditions", known)
        return told

    def trained(self, found: Found, version: int) -> str:
        """Give the digest of how that was trained exactly which a version descends from."""
        _, run = Line(found).since_exact(version, self.exact)
        if run is not None:
            return self.of_run(found, run)["training"]
        return self.of(found.get(FIRST, {}), found.get(f"{PARAMS}/1", {}).get("sha256"))["training"]

    def of_run(self, found: Found, run: str) -> Conditions:
        """Give a run's conditions."""
        params = found.get(f"{run}/begun", {}).get("params")
        return self.of(found.get(f"{run}/extracted", {}), params)


@dataclass(frozen=True)
class Asked:
    """What is asked of a rung: its digest, how many training examples go, and of which kind.

    likewise: all of a class or an attribute, not people or single examples. under: None in a run of
    before conditions were noted, which counted all.
    """

    rung: str
    examples: int
    likewise: bool
    under: Under | None = None

    def alike(self, examples: object, likewise: object) -> bool:
        """Say whether another forget set asked for the like."""
        if not isinstance(examples, int) or likewise is not self.likewise:
            return False
        small, large = sorted((examples, self.examples))
        return small > 0 and large <= ALIKE * small


@dataclass(frozen=True)
class Counted:
    """How many were released, or would have been, of those that were tried; `of` says of what."""

    of: str
    released: int
    tried: int


def counted(entries: Sequence[Entry], asked: Asked) -> Counted:
    """Count what these entries tell: of rehearsals or attempts that of which there are more.

    A run that tries the same again, from the same champion over the same requests, makes the same
    candidate, so that it counts once; likewise a rehearsal. One that memory or a lost file kept
    from any candidate tells nothing of the rung.
    """
    found = {entry.key: entry.body for entry in entries}
    attempts = dict[object, bool]()
    for key, released in _attempts(entries, found, asked):
        attempts[key] = attempts.get(key, False) or released
    rehearsals = dict(_rehearsals(entries, found, asked))
    if len(rehearsals) >= len(attempts):
        return Counted("rehearsals", sum(rehearsals.values()), len(rehearsals))
    return Counted("attempts", sum(attempts.values()), len(attempts))


def _rehearsals(
    entries: Sequence[Entry], found: Found, asked: Asked
) -> Iterator[tuple[object, bool]]:
    """Give who forgot what, and whether that passed; its original was trained for it."""
    same = _conditions_told(found, asked.under)
    for entry in (entry for entry in entries if entry.event == REHEARSED):
        body = entry.body
        if body.get("rung") != asked.rung:
            continue
        if asked.alike(body.get("examples"), body.get("likewise")) and same(
            _of_rehearsal(entries, entry, asked.under), None
        ):
            yield (body.get("seed", entry.key), body.get("examples")), bool(body.get("passed"))


def _of_rehearsal(entries: Sequence[Entry], entry: Entry, under: Under | None) -> Conditions:
    if under is None or "conditions" in entry.body:
        return entry.body.get("conditions", {})  # type: ignore[no-any-return]  # JSON
    held = in_force(entries, PARAMS, before=entry.seq)
    return under.of(entry.body, held and held.sha256)


def _attempts(
    entries: Sequence[Entry], found: Found, asked: Asked
) -> Iterator[tuple[object, bool]]:
    """Give what each candidate of the rung was tried on, and whether it was released."""
    same, under = _conditions_told(found, asked.under), asked.under
    for body in (e.body for e in entries if e.event == "run_started"):
        run = str(body["run"])
        extracted, begun = found.get(f"{run}/extracted", {}), found.get(f"{run}/begun", {})
        tried = [
            judged.get("decision") == "released"
            for made, judged in _judged(found, run)
            if made.get("rung") == asked.rung and not made.get("hindered")
        ]
        if not tried or not asked.alike(extracted.get("train"), extracted.get("likewise")):
            continue
        if same(under.of_run(found, run) if under else {}, begun.get("parent")):
            key = (begun.get("parent_sha256"), *sorted(body["requests"]))
            yield from ((key, released) for released in tried)


def _conditions_told(found: Found, under: Under | None) -> Callable[[Conditions, int | None], bool]:
    """Give the question whether conditions, and the parent's training, are those of `under`.

    parent: a version; None where the original was trained for it, under these conditions.
    """
    if under is None:
        return lambda conditions, parent: True
    trained = cache(partial(under.trained, found))

    def same(conditions: Conditions, parent: int | None) -> bool:
        if conditions != under.conditions:
            return False
        own = conditions["training"] if parent is None else trained(parent)
        return own == trained(under.version)

    return same


def _judged(found: Found, run: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Give what the log has of each of a run's candidates: how it was made, and judged."""
    number = 0
    while (judged := found.get(f"{run}/judged-{number}")) is not None:
        yield found.get(f"{run}/unlearned-{number}", {}), judged
        number += 1
