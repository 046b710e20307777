"""How likely a rung is released, by what became of it before, and when it is not worth a try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.replay.chances import Counted
from unlearning.statistics.levels import binomial


def chance_of(found: Counted) -> dict[str, Any] | None:
    """Give the share that was released, with Clopper and Pearson's 95 % interval; None of none."""
    if not found.tried:
        return None
    share = binomial(found.released, found.tried)
    ends = {"low": round(share.low, 4), "high": round(share.high, 4)}
    return {"value": round(share.value, 4), **ends, "n": found.tried, "of": found.of}


def hopeless(
    chance: Mapping[str, Any] | None, below: float, most: Mapping[str, Any] | None = None
) -> str | None:
    """Say why a rung is not tried; None if it is. Without evidence it is.

    most: how often a perfect retrain would pass where it is judged as this rung is, with the
    champion's own scores measured; None if nobody has asked.
    """
    if most is not None and most["high"] < below:
        return (
            f"hopeless: of {most['n']} {most['of']} {most['value']:.0%} would pass where lineage "
            f"is no proof, at most {most['high']:.1%}, the policy asks for {below:.4g}"
        )
    if chance is None or chance["high"] >= below:
        return None
    return (
        f"hopeless: {chance['value']:.0%} of {chance['n']} {chance['of']} like this were released, "
        f"at most {chance['high']:.1%} by the 95 % interval, the policy asks for {below:.4g}"
    )


def not_tried(chances: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Give the rungs that a policy's `chances` leave out, as the log knows them."""
    return frozenset(one["rung"] for one in chances if "skipped" in one)
