"""From measurements to verdicts, and from verdicts to the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from unlearning.contracts import Gate
from unlearning.domain import Control, Decision, Measurement, Outcome, Verdict
from unlearning.errors import PolicyError
from unlearning.gates import GATES

REQUIRED = ("integrity", "utility", "forgetting")
"""Gates without which a policy is no policy."""


def gates_of(settings: Mapping[str, Mapping[str, Any]]) -> tuple[Gate, ...]:
    """Build the gates of a policy; one without the required gates raises PolicyError."""
    missing = [name for name in REQUIRED if name not in settings]
    if missing:
        raise PolicyError(
            f"policy: gates has no {missing[0]}; expected at least {', '.join(REQUIRED)}"
        )
    return tuple(GATES.create(name, values) for name, values in settings.items())


def judge(measured: Mapping[str, Measurement], gates: Sequence[Gate]) -> tuple[Verdict, ...]:
    """Ask every gate, also after one has failed; a gate whose evidence is missing says so."""
    if not gates:
        raise PolicyError("policy: got no gates; a decision needs at least one")
    return tuple(_judge_one(measured, gate) for gate in gates)


def _judge_one(measured: Mapping[str, Measurement], gate: Gate) -> Verdict:
    missing = sorted(gate.needs - measured.keys())
    if missing:
        reason = f"{missing[0]} was not measured"
        return Verdict(gate.name, Outcome.INCONCLUSIVE, reason)
    unusable = sorted(name for name in gate.needs if not _usable(measured[name]))
    if unusable:
        reason = f"{unusable[0]} is not a number with an interval"
        return Verdict(gate.name, Outcome.INCONCLUSIVE, reason)
    return gate.judge(measured)


def _usable(m: Measurement) -> bool:
    return all(isfinite(x) for x in (m.value, m.low, m.high)) and m.low <= m.value <= m.high


def decide(verdicts: Sequence[Verdict], *, exact: bool) -> Decision:
    """Release only if every gate passed.

    exact: the candidate is our own sealed retraining. Then lineage is the proof, and a forgetting
    gate that cannot decide does not hold it back; one that failed does.
    """
    if not verdicts:
        return Decision.INCONCLUSIVE
    counted = [v for v in verdicts if not (exact and v.gate == "forgetting" and _undecided(v))]
    if any(v.outcome is Outcome.FAILED for v in counted):
        return Decision.REFUSED
    if any(_undecided(v) for v in counted):
        return Decision.INCONCLUSIVE
    return Decision.RELEASED


def _undecided(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.INCONCLUSIVE


def controls_of(measured: Mapping[str, Measurement], gates: Sequence[Gate]) -> tuple[Control, ...]:
    """Judge the untouched champion and the shadows by the same gates as the candidate.

    The champion's control replaces the candidate's AUC by the champion's own; the shadows' by the
    null band's.
    """
    forgetting = [gate for gate in gates if gate.name == "forgetting"]
    if not forgetting or forgetting[0].needs - measured.keys():
        return ()
    low, high = forgetting[0].limits(measured)["forget_auc"]
    champion, null = measured["champion_auc"], measured["null_auc"]
    outside = champion.low > max(high, null.high) or champion.high < min(low, null.low)
    inside = low < null.value < high
    return (
        Control("untouched champion", "refused", "refused" if outside else "not refused"),
        Control("models that never saw it", "inside", "inside" if inside else "outside"),
    )
