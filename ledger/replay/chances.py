"""What became of a rung before: attempts in runs, and rehearsals, as the log tells of them.

Those alone are counted that asked for the like: the same method with the same settings under the
same gates, a forget set of about the same size and of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.chain import Entry

REHEARSED = "rehearsed"
"""Event of the log: a rung was tried on people who asked for nothing."""

ALIKE = 2
"""How often the smaller of two forget sets may go into the larger: a gate's power goes by size."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a rung: its digest, how many training examples go, and of which kind.

    likewise: all of a class or an attribute, not people or single examples.
    """

    rung: str
    examples: int
    likewise: bool

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
    attempts = dict[object, bool]()
    for key, released in _attempts(entries, asked):
        attempts[key] = attempts.get(key, False) or released
    rehearsals = [
        bool(e.body.get("passed"))
        for e in entries
        if e.event == REHEARSED
        and e.body.get("rung") == asked.rung
        and asked.alike(e.body.get("examples"), e.body.get("likewise"))
    ]
    if len(rehearsals) >= len(attempts):
        return Counted("rehearsals", sum(rehearsals), len(rehearsals))
    return Counted("attempts", sum(attempts.values()), len(attempts))


def _attempts(entries: Sequence[Entry], asked: Asked) -> Iterator[tuple[object, bool]]:
    """Give what each candidate of the rung was tried on, and whether it was released."""
    found = {entry.key: entry.body for entry in entries}
    for body in (e.body for e in entries if e.event == "run_started"):
        run, number = body["run"], 0
        extracted = found.get(f"{run}/extracted", {})
        while (judged := found.get(f"{run}/judged-{number}")) is not None:
            made = found.get(f"{run}/unlearned-{number}", {})
            number += 1
            if made.get("hindered"):
                continue
            if made.get("rung") == asked.rung and asked.alike(
                extracted.get("train"), extracted.get("likewise")
            ):
                parent = found.get(f"{run}/begun", {}).get("parent_sha256")
                yield (parent, *sorted(body["requests"])), judged.get("decision") == "released"
