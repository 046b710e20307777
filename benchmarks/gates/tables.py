"""What the gates said, counted, pooled, and held against what is demanded of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from benchmarks.markdown import table as markdown
from systems.settings.policy import ELSEWHERE
from unlearning.domain import Decision
from unlearning.statistics.intervals import Interval, clopper_pearson

T = TypeVar("T")

DECISIONS = (Decision.RELEASED, Decision.REFUSED, Decision.INCONCLUSIVE)

GROSS_RELEASED, BAD_RELEASED, GOOD_RELEASED, GOOD_REFUSED = 0.005, 0.02, 0.80, 0.02
"""At most, at most, at least, at most; the first is held against its interval's upper end."""

GROSS = f"gross: released never (upper bound at most {GROSS_RELEASED:.1%})"
BAD = f"bad by construction: released at most {BAD_RELEASED:.0%}"
JUDGED = f"the same, as `lethe judge` decides, on {ELSEWHERE} examples or more"
SURE = f"good, decidable: released at least {GOOD_RELEASED:.0%}"
SURE_REFUSED = f"good, decidable: refused at most {GOOD_REFUSED:.0%}"
ALL_REFUSED = f"good, all: refused at most {GOOD_REFUSED:.0%}"

DEMANDED: Mapping[str, Callable[[Interval], bool]] = {
    GROSS: lambda found: found.value == 0 and found.high <= GROSS_RELEASED,
    BAD: lambda found: found.value <= BAD_RELEASED,
    JUDGED: lambda found: found.value <= BAD_RELEASED,
    SURE: lambda found: found.value >= GOOD_RELEASED,
    SURE_REFUSED: lambda found: found.value <= GOOD_REFUSED,
    ALL_REFUSED: lambda found: found.value <= GOOD_REFUSED,
}
"""What the share of which a demand speaks must be."""


@dataclass(frozen=True)
class Row:
    """What was said of one candidate on one forget set.

    size: examples to forget. is_a: gross, bad, good or shown. usual: what the usual gate said.
    power: how often a perfect retrain would pass the forgetting gate here, as simulated beforehand;
    decidable: whether that is often enough; limited: whether the policy has limits for so few.
    bounds: for each measurement that a gate bounds, its value and limits. alone: for each way in
    which the forgetting gate asks, whether it alone would let the candidate pass.
    """

    kind: str
    size: int
    seed: int
    candidate: str
    is_a: str
    decision: str
    reasons: Mapping[str, str]
    usual: str
    power: float
    decidable: bool
    limited: bool
    bounds: Mapping[str, Sequence[float]]
    alone: Mapping[str, bool]


Cell = tuple[str, int, str]


def cell_of(row: Row) -> Cell:
    """Give what makes rows of different seeds comparable: request, size, candidate."""
    return (row.kind, row.size, row.candidate)


def grouped(rows: Iterable[T], key: Callable[[T], Any]) -> dict[Any, list[T]]:
    """Sort rows into groups, in the order in which the groups appear."""
    groups: dict[Any, list[T]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def share(rows: Sequence[Row], said: Callable[[Row], bool]) -> Interval | None:
    """Give the share of rows of which something holds, exact interval (Clopper-Pearson); None of 0.

    Forget sets of one seed share networks and examples, so that intervals over them are narrower
    than they should be.
    """
    return clopper_pearson(sum(map(said, rows)), len(rows)) if rows else None


def beyond(rows: Sequence[Row]) -> list[str]:
    """Name the measurements of which the mean over seeds lies outside its mean limits, or is none.

    This is a candidate's true effect, as far as many seeds show it.
    """
    names = dict.fromkeys(name for row in rows for name in row.bounds)
    return [name for name in names if not _inside(rows, name)]


def _inside(rows: Sequence[Row], name: str) -> bool:
    found = np.array([row.bounds[name] for row in rows if name in row.bounds], dtype=np.float64)
    known = found[np.isfinite(found[:, 0])]
    value, low, high = known.mean(0) if len(known) else (0.0, 0.0, 0.0)
    return bool(low <= value <= high)


def counted(rows: Sequence[Row]) -> dict[str, Any]:
    """Count decisions, with intervals, and the usual gate's releases."""
    found: dict[str, Any] = {"n": len(rows)}
    for decision in DECISIONS:
        found[decision] = _rounded(share(rows, lambda row, d=decision: row.decision == d))  # type: ignore[misc]
    found["released by the usual gate"] = _rounded(share(rows, _usually))
    return found


def _usually(row: Row) -> bool:
    return row.usual == Decision.RELEASED


def _released(row: Row) -> bool:
    return row.decision == Decision.RELEASED


def _refused(row: Row) -> bool:
    return row.decision == Decision.REFUSED


def _rounded(found: Interval | None) -> list[float] | None:
    return None if found is None else [round(x, 4) for x in (found.value, found.low, found.high)]


def table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Count each candidate on each kind and size of request."""
    return [
        {
            "request": kind,
            "examples": size,
            "candidate": name,
            "is a": of[0].is_a,
            **counted(of),
            "attack AUC": _mean(of, "forget_auc"),
            "accuracy drop": _mean(of, "accuracy_drop"),
            "power": round(float(np.mean([row.power for row in of])), 3),
            "decidable": sum(row.decidable for row in of),
            "limited": sum(row.limited for row in of),
            "beyond its limits": beyond(of),
        }
        for (kind, size, name), of in grouped(rows, cell_of).items()
    ]


def _mean(rows: Sequence[Row], name: str) -> float | None:
    """Give the mean over the rows in which there was something to compare, None if in none."""
    values = np.array([row.bounds[name][0] for row in rows if name in row.bounds])
    known = values[np.isfinite(values)] if len(values) else values
    return round(float(known.mean()), 3) if len(known) else None


def by_candidate(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Count each candidate over all requests to which the policy's limits apply."""
    groups = grouped([row for row in rows if row.limited], lambda row: row.candidate)
    return [{"candidate": n, "is a": of[0].is_a, **counted(of)} for n, of in groups.items()]


@dataclass(frozen=True)
class Demand:
    """One demand, what was found, over how many, by our gates and by the usual one."""

    demand: str
    found: Interval | None
    usual: Interval | None
    n: int
    met: bool

    def as_json(self) -> dict[str, Any]:
        """Give it in the form in which it is recorded."""
        parts = {"demand": self.demand, "n": self.n, "met": self.met}
        return {**parts, "found": _rounded(self.found), "usual gate": _rounded(self.usual)}


def demands(rows: Sequence[Row]) -> list[Demand]:
    """Hold the rows against every demand; one of which there is nothing to count is not met.

    What a candidate is follows from what was done to it, never from what the gates measured.
    """
    return list(_demands(rows))


def _demands(rows: Sequence[Row]) -> Iterator[Demand]:
    gross, bad, good = ([row for row in rows if row.is_a == k] for k in ("gross", "bad", "good"))
    sure = [row for row in good if row.decidable]
    yield _held_to(GROSS, gross, _released, _usually)
    yield _held_to(BAD, bad, _released, _usually)
    yield _held_to(SURE, sure, _released, _usually)
    yield _held_to(SURE_REFUSED, sure, _refused, lambda row: not _usually(row))
    yield _held_to(ALL_REFUSED, good, _refused, lambda row: not _usually(row))


def _held_to(
    demand: str, rows: Sequence[Row], said: Callable[[Row], bool], usual: Callable[[Row], bool]
) -> Demand:
    found = share(rows, said)
    return Demand(demand, found, share(rows, usual), len(rows), _met_by(demand, found))


def _met_by(demand: str, found: Interval | None) -> bool:
    return found is not None and DEMANDED[demand](found)


def pooled(results: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Add what recorded demands of several results counted, in the form of each of them."""
    return [_added(same) for same in zip(*results, strict=True)]


def as_judged(cells: Sequence[Mapping[str, Any]], is_a: Mapping[str, str]) -> dict[str, Any]:
    """Say of recorded rows how many bad ones `lethe judge` would have released.

    That asks of a candidate made elsewhere, as all here count, for so many examples. is_a: what
    each candidate is.
    """
    bad = [cell for cell in cells if is_a[cell["candidate"]] == "bad"]
    out = [cell for cell in bad if cell["decision"] == Decision.RELEASED]
    released = sum(cell["size"] >= ELSEWHERE for cell in out)
    usual = sum(cell["usual"] == Decision.RELEASED for cell in bad)
    ours, theirs = (clopper_pearson(k, len(bad)) if bad else None for k in (released, usual))
    return Demand(JUDGED, ours, theirs, len(bad), _met_by(JUDGED, ours)).as_json()


def _added(same: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    words, n = same[0]["demand"], sum(one["n"] for one in same)
    ours, usual = (_again(same, n, of) for of in ("found", "usual gate"))
    return Demand(words, ours, usual, n, _met_by(words, ours)).as_json()


def _again(same: Sequence[Mapping[str, Any]], n: int, of: str) -> Interval | None:
    counts = [round(one[of][0] * one["n"]) for one in same if one["n"]]
    return clopper_pearson(sum(counts), n) if n else None


def by_door(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Count for each candidate how often each way of asking alone would not let it pass.

    only: how often no other way would have held it back.
    """
    asked = list(dict.fromkeys(name for row in rows for name in row.alone))
    return [
        {"candidate": name, "is a": of[0].is_a, "n": len(of), "held": _held(of, asked)}
        for name, of in grouped([row for row in rows if row.alone], lambda r: r.candidate).items()
    ]


def _held(rows: Sequence[Row], asked: Sequence[str]) -> dict[str, list[int]]:
    """Give for each way how many it holds back, how many it alone does, and of how many."""
    held = {}
    for name in asked:
        of = [row for row in rows if name in row.alone]
        back = [row for row in of if not row.alone[name]]
        only = [row for row in back if sum(not says for says in row.alone.values()) == 1]
        held[name] = [len(back), len(only), len(of)]
    return held


def page(rows: Sequence[Row]) -> str:
    """Write the demands, the candidates, and each request's counts, as Markdown."""
    names = list(dict.fromkeys(row.candidate for row in rows))
    return "\n".join(
        (
            markdown(
                ("demand", "n", "found (95 %)", "usual gate (95 %)", ""),
                (
                    (d.demand, d.n, _percent(d.found), _percent(d.usual), _met(d))
                    for d in demands(rows)
                ),
            ),
            markdown(
                ("candidate", "is", "n", *DECISIONS, "released by the usual gate"),
                map(_candidate, by_candidate(rows)),
            ),
            "Released / refused / inconclusive, then released by the usual gate:\n",
            markdown(
                ("request", "examples", "power", *names),
                (_request(of, names) for of in grouped(rows, lambda r: (r.kind, r.size)).values()),
            ),
        )
    )


def _candidate(row: Mapping[str, Any]) -> tuple[Any, ...]:
    shares = [row[d] for d in DECISIONS] + [row["released by the usual gate"]]
    found = (_percent(Interval(*share)) for share in shares)
    return (row["candidate"], row["is a"], row["n"], *found)


def _request(rows: Sequence[Row], names: Sequence[str]) -> tuple[Any, ...]:
    first, power = rows[0], float(np.mean([row.power for row in rows]))
    cells = (_counts([row for row in rows if row.candidate == name]) for name in names)
    return (first.kind, first.size, f"{power:.0%}", *cells)


def _counts(rows: Sequence[Row]) -> str:
    if not rows:
        return "-"
    said = [sum(row.decision == decision for row in rows) for decision in DECISIONS]
    return " / ".join(map(str, said)) + f", {sum(map(_usually, rows))}"


def _met(demand: Demand) -> str:
    return "met" if demand.met else "**not met**"


def _percent(found: Interval | None) -> str:
    return "-" if found is None else f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"
