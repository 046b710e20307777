"""Asking one gate, where it may lack what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from unlearning.contracts import Gate
from unlearning.terms import Measurement, Outcome, Verdict

SEVERITY = (Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.FAILED)
"""What weighs more stands behind."""


def ask(gate: Gate, measured: Mapping[str, Measurement]) -> Verdict:
    """Give a gate's verdict; INCONCLUSIVE where what it needs is missing or no number."""
    missing = sorted(gate.needs - measured.keys())
    if missing:
        reason = f"{missing[0]} was not measured"
        return Verdict(gate.name, Outcome.INCONCLUSIVE, reason)
    unusable = sorted(name for name in gate.needs if not usable(measured[name]))
    if unusable:
        reason = (
            f"{unusable[0]} is not a number with an interval: there was nothing to compare, or an "
            "attack gave scores that are not finite"
        )
        return Verdict(gate.name, Outcome.INCONCLUSIVE, reason)
    return gate.judge(measured)


def usable(m: Measurement) -> bool:
    """Say whether a measurement is a number within a finite interval."""
    return all(isfinite(x) for x in (m.value, m.low, m.high)) and m.low <= m.value <= m.high


def lacking(name: str, measured: Mapping[str, Measurement]) -> str:
    """Say why a number cannot be used; behind a door it is the network that broke there."""
    if "/" in name and name in measured:
        return (
            f"{name} is no number: on the strangers that these are compared with the network lost "
            "more than half of its accuracy behind that door, so that nothing is known there"
        )
    return f"{name} was not measured, or is no number"
