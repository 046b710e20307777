"""The ladder foreseen: what each rung costs, how likely it is released, and where to begin."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ledger.replay.attempts import DIGITS, Earlier
from ledger.replay.judgements import ERROR
from systems.settings.chances import not_tried
from systems.settings.policy import ALWAYS, EXACT, Policy, Rung
from unlearning.domain import Decision
from unlearning.judging.verdicts import assurance

Row = dict[str, Any]


def foreseen_rungs(
    rules: Policy,
    earlier: Earlier,
    chances: Sequence[Mapping[str, Any]],
    most: Mapping[str, Any] | None,
    *,
    exact_only: bool,
) -> Iterator[tuple[Rung, Row]]:
    """Give the rungs that a run may try, and those that it leaves out as hopeless, in order.

    chances: the policy's. most: how often a perfect retrain would pass where it is judged as an
    approximate one. With each rung comes what is known of it: its assurance if it is released, its
    chance and the most that this can be (None: unknown; `with_exact` puts in those of exact ones),
    why it is left out.
    """
    tried = rules.rungs(earlier, exact_only=exact_only, without=not_tried(chances))
    known = {one["rung"]: one for one in chances}
    for rung in rules.ladder:
        exact = rung.method in EXACT
        found = {} if rung.method in ALWAYS else known[rules.named(rung)]
        if rung in tried or ("skipped" in found and (exact or not exact_only)):
            skipped = {"skipped": found["skipped"]} if "skipped" in found else {}
            level = assurance(Decision.RELEASED, exact=exact)
            known_of = {"chance": found.get("chance"), "at_most": None if exact else most}
            yield rung, {"assurance": level, **known_of, **skipped}


def error_told(
    rules: Policy, earlier: Earlier, without: Collection[str], *, exact_only: bool
) -> dict[str, Any]:
    """Say what all candidates of the requests may err in, what is left, and what each rung gets.

    each: None where no approximate rung is left to be tried.
    """
    tried = rules.rungs(earlier, exact_only=exact_only, without=without)
    shared = any(rung.method not in EXACT for rung in tried)
    each = 1 - rules.level_after(earlier, without=without) if shared else None
    words = f"{earlier.left:.2%} of {ERROR:.0%} is left to err in"
    if not earlier.left:
        words = f"{words}: exact rungs alone are tried"
    told = {"allowed": ERROR, "spent": earlier.spent, "left": earlier.left}
    return {**told, "each": each if each is None else round(each, DIGITS), "words": words}


def levels(ladder: Sequence[Mapping[str, Any]], *, untouched: bool) -> list[str]:
    """Name the assurance levels that a run may end with, once it has erased."""
    return ["A1"] if untouched else sorted({row["assurance"] for row in tried_of(ladder)})


def tried_of(ladder: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Give the rungs that are not left out."""
    return [row for row in ladder if "skipped" not in row]


def cheapest_start(
    ladder: Sequence[Mapping[str, Any]], rate: float | None
) -> dict[str, Any] | None:
    """Say with which rung to begin so that the fewest passes are expected until a release.

    A rung of which nothing is known is not passed over: it may be the one, unless what it is at
    most released could not pay for it. expected_passes: of
    a run that begins there and goes on rung by rung; at most, where a chance is unknown. rate:
    examples a second. None where nothing is tried.
    """
    tried = tried_of(ladder)
    if not tried:
        return None
    costs = expected_passes(tried)
    unknown = (
        i for i, row in enumerate(tried) if row["chance"] is None and _may_pay(row, costs, i)
    )
    starts = range(next(unknown, len(tried) - 1) + 1)
    first = min(starts, key=costs.__getitem__)
    seconds = None if rate is None else round(costs[first] / rate, 1)
    return {
        "method": tried[first]["method"],
        "expected_passes": round(costs[first]),
        "expected_seconds": seconds,
        "why": _why(tried, first),
    }


def expected_passes(tried: Sequence[Mapping[str, Any]]) -> list[float]:
    """Give the passes expected until a release, begun at each of the rungs, (rungs,).

    A rung that is not released costs its own and all that follows: c + (1 - p) of the rest. The
    last one answers in any case; one of which nothing is known is taken never to be released.
    """
    costs = [float(tried[-1]["passes"])]
    for row in reversed(tried[:-1]):
        released = row["chance"]["value"] if row["chance"] else 0.0
        costs.insert(0, row["passes"] + (1 - released) * costs[0])
    return costs


def _may_pay(row: Mapping[str, Any], costs: Sequence[float], number: int) -> bool:
    """Say whether a rung may be worth its cost: p of what follows is saved, at most all."""
    if row["at_most"] is None or number + 1 == len(costs):
        return True
    return bool(row["at_most"]["high"] * costs[number + 1] > row["passes"])


def _why(tried: Sequence[Mapping[str, Any]], first: int) -> str:
    if first < len(tried) - 1 and tried[first]["chance"] is None:
        return "nothing tells how likely it is released: it is tried as the ladder has it"
    if len(tried) == 1:
        return "it is the only one that is tried"
    passed_over = ", ".join(row["method"] for row in tried[:first])
    return f"{passed_over} first would cost more" if first else "the ladder's own order is cheapest"


def with_exact(ladder: Sequence[Row], chance: Mapping[str, Any] | None) -> list[Row]:
    """Put the simulated chance of an honest retrain into the exact rungs.

    It is the most of those that begin from bases: how accurate they are no simulation says.
    """
    return [row | _exact(row["method"], chance) if row["exact"] else row for row in ladder]


def _exact(method: str, chance: Mapping[str, Any] | None) -> Row:
    return {"chance": chance} if method in ALWAYS else {"at_most": chance}


def without_bases(ladder: Sequence[Row], methods: Collection[str], why: str | None) -> list[Row]:
    """Leave out the rungs that begin from bases, if they would be: why is None if not."""
    out = {"skipped": why} if why else {}
    return [row | out if row["method"] in methods else row for row in ladder]
