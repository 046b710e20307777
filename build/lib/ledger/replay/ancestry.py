"""Exact by lineage: a candidate that began from stored bases which never saw the forgotten.

A base is trained on some shards of the data, and the log says which when it is built, before its
file has its name. A run's log says, before anything is trained, in which shards lie the examples of
its requests and of all others that it leaves out, without an id. So it can be seen offline that no
base on the path learned from them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.chain import Entry

BUILT, REMOVED = "base_built", "base_removed"
"""Events of the log: a base was trained; it was removed, since it learned from the erased."""

BY_ANCESTORS = frozenset({"warm_retrain"})
"""Methods that begin from bases."""

Shards = Mapping[str, Collection[str]]
"""By request, the names of the shards of data/ that hold its examples."""


@dataclass(frozen=True)
class Base:
    """A stored network that learned from every `of`-th shard alone, those that leave `number`.

    left_out: requests that were open when it was built, whose examples it never saw. recipe: digest
    of the network's description.
    """

    sha256: str
    number: int
    of: int
    left_out: frozenset[str]
    recipe: str

    def holds(self, shard: str) -> bool:
        """Whether a shard, named by its number in hexadecimal, is one that it learned from."""
        return int(shard, 16) % self.of == self.number

    def saw(self, shards: Shards) -> bool:
        """Whether it may have learned from the examples of any of these requests."""
        return any(
            any(map(self.holds, names))
            for request, names in shards.items()
            if request not in self.left_out
        )

    @property
    def words(self) -> str:
        """Name it in lists of copies."""
        return f"weights of base {self.number + 1} of {self.of} ({self.sha256[:16]})"


def base_of(body: Mapping[str, Any]) -> Base:
    """Read what the log tells of a base that was built."""
    return Base(
        str(body["sha256"]),
        int(body["base"]),
        int(body["of"]),
        frozenset(body["left_out"]),
        str(body["recipe"]),
    )


def standing_bases(entries: Iterable[Entry]) -> tuple[Base, ...]:
    """Give the bases that were built and not removed, by these entries."""
    found: dict[str, Base] = {}
    for entry in entries:
        if entry.event == BUILT:
            found[str(entry.body["sha256"])] = base_of(entry.body)
        elif entry.event == REMOVED:
            found.pop(str(entry.body["sha256"]), None)
    return tuple(found.values())


def ancestry_contradictions(
    statement: Mapping[str, Any], entries: Sequence[Entry], run: object
) -> Iterator[str]:
    """Where an attempt that began from bases is not clean by the log, one line each.

    entries: of the excerpt. That the statement's forget set is the log's is checked elsewhere.
    """
    attempts = statement.get("attempts")
    for number, attempt in enumerate(attempts if isinstance(attempts, list) else [], 1):
        if isinstance(attempt, dict) and attempt.get("method") in BY_ANCESTORS:
            for problem in _unclean(attempt, _lineage(statement), _before(entries, run)):
                yield f"attempt {number}: {problem}"


def _lineage(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    forgets = statement.get("forget_set")
    found = forgets.get("lineage") if isinstance(forgets, dict) else None
    return found if isinstance(found, dict) else {}


def _before(entries: Sequence[Entry], run: object) -> tuple[Base, ...]:
    """Give the bases that stood when the run wrote down its forget set."""
    ends = [e.seq for e in entries if e.key == f"{run}/extracted"]
    return standing_bases(e for e in entries if ends and e.seq < ends[0])


def _unclean(
    attempt: Mapping[str, Any], lineage: Mapping[str, Any], bases: Collection[Base]
) -> Iterator[str]:
    named, known = lineage.get("ancestors") or [], {base.sha256: base for base in bases}
    if not named or attempt.get("ancestors") != named:
        yield "ancestors: are not those that the log names before the training"
    for sha256 in map(str, named):
        if sha256 not in known:
            yield f"ancestors: the log has no base {sha256[:16]} at that time"
        elif known[sha256].saw(lineage.get("shards") or {}):
            yield f"ancestors: base {sha256[:16]} may have learned from what was to be forgotten"


def shard_contradictions(first: Mapping[str, Any], erasure: Mapping[str, Any]) -> Iterator[str]:
    """Where an erasure rewrote more shards than those that the ancestry was judged by."""
    lineage, erased = _lineage(first), erasure.get("erased")
    rewritten = erased.get("shards") if isinstance(erased, dict) else None
    requests = first.get("requests") or ()
    named = {
        s for ref, names in (lineage.get("shards") or {}).items() if ref in requests for s in names
    }
    if lineage and rewritten is not None and not set(rewritten) <= named:
        yield f"erased: {len(set(rewritten) - named)} shards that the forget set did not name"
