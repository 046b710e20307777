"""From measurements to verdicts, and from verdicts to the decision: the rule of what is released.

The rule has no other home: a run decides by it, and `verify` holds sealed evidence against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unlearning.contracts import Gate
from unlearning.errors import PolicyError
from unlearning.gates import GATES
from unlearning.gates.asking import ask
from unlearning.gates.bank import Bank
from unlearning.gates.deployed import with_forms
from unlearning.gates.forgetting import Forgetting
from unlearning.settings import GENERATE, REQUIRED_GATES, missing_gates, task_of
from unlearning.terms import Control, Decision, Measurement, Outcome, Verdict

BY_LINEAGE = ("forgetting", "deployed_forgetting", "geometry", "concept", "recovery")
"""Gates that need not decide where how a network was made is the proof."""

OVERRIDABLE = ("utility", "generated_utility")
"""The gates that two persons may override, where the policy asks them; a policy has one."""


def gates_of(settings: Mapping[str, Mapping[str, Any]]) -> tuple[Gate, ...]:
    """Build the gates of a policy; one without the required gates raises PolicyError.

    The gate `bank` comes with forgetting's smallest bank, unless the policy sets it itself, and
    `deployed` holds the forms that it names to the limits of all the others.
    """
    if missing := missing_gates(settings):
        needed = ", ".join(REQUIRED_GATES[task_of(settings)])
        raise PolicyError(f"policy: gates has no {missing[0]}; expected at least {needed}")
    gates = tuple(GATES.create(name, values) for name, values in settings.items())
    if task_of(settings) == GENERATE:
        _refuse_others(settings)
        return gates
    smallest = [gate.smallest_bank for gate in gates if isinstance(gate, Forgetting)]
    bank = () if "bank" in settings else (Bank(smallest=max(smallest)),)
    return with_forms((*gates, *bank))


def _refuse_others(settings: Mapping[str, Any]) -> None:
    """PolicyError for a gate that asks classifiers, beside those that ask generators."""
    if others := sorted(settings.keys() - set(REQUIRED_GATES[GENERATE])):
        raise PolicyError(
            f"policy: gates.{others[0]}: got it beside gates of generators, expected of these only "
            f"{', '.join(REQUIRED_GATES[GENERATE])}: one policy is for one task"
        )


def judge(measured: Mapping[str, Measurement], gates: Sequence[Gate]) -> tuple[Verdict, ...]:
    """Ask every gate, also after one has failed; a gate whose evidence is missing says so."""
    if not gates:
        raise PolicyError("policy: got no gates; a decision needs at least one")
    return tuple(ask(gate, measured) for gate in gates)


def decide(verdicts: Sequence[Verdict], *, exact: bool) -> Decision:
    """Release only if every gate passed.

    exact: the candidate is our own sealed retraining. Then lineage is the proof, and a forgetting
    gate that cannot decide does not hold it back; one that failed does.
    """
    if not verdicts:
        return Decision.INCONCLUSIVE
    counted = [v.outcome for v in verdicts if not excused(v.gate, v.outcome, exact=exact)]
    if Outcome.FAILED in counted:
        return Decision.REFUSED
    return Decision.INCONCLUSIVE if Outcome.INCONCLUSIVE in counted else Decision.RELEASED


def excused(gate: str, outcome: str, *, exact: bool) -> bool:
    """Whether lineage stands in for a gate that could not decide."""
    return exact and gate in BY_LINEAGE and outcome == Outcome.INCONCLUSIVE


def held_back(outcomes: Mapping[str, str], *, exact: bool) -> bool:
    """Whether the utility gate alone holds our own exact retraining back.

    That is all that persons may override: how useful a network must be is theirs to say, and
    lineage proves that it forgot. What is no network at all, or remembers, nobody may release.
    """
    others = [o for gate, o in outcomes.items() if not _leaves_out(gate, o, exact=exact)]
    doubtful = (Outcome.FAILED, Outcome.INCONCLUSIVE)
    held = any(outcomes.get(gate) in doubtful for gate in OVERRIDABLE)
    return exact and held and bool(others) and all(o == Outcome.PASSED for o in others)


def _leaves_out(gate: str, outcome: str, *, exact: bool) -> bool:
    return gate in OVERRIDABLE or excused(gate, outcome, exact=exact)


def decide_run(decisions: Sequence[str], *, limits_hold: bool) -> Decision:
    """Decide a run by its attempts: the last one is released, or nothing is.

    decisions: on the attempts, in order; with none there is nothing to unlearn, only to purge.
    limits_hold: the second opinion, the expectations on the last attempt's measurements, agrees.
    A run that released nothing is inconclusive if any attempt was, otherwise refused.
    """
    if not decisions:
        return Decision.PURGE
    *earlier, last = decisions
    if last == Decision.RELEASED:
        last = Decision.RELEASED if limits_hold else Decision.REFUSED
    if last == Decision.RELEASED or Decision.INCONCLUSIVE not in (*earlier, last):
        return Decision(last)
    return Decision.INCONCLUSIVE


def assurance(decision: str, *, exact: bool) -> str:
    """Name what a decision alone assures: nothing (A0), measured bounds (A2) or lineage (A3)."""
    return "A0" if decision != Decision.RELEASED else "A3" if exact else "A2"


def controls_of(measured: Mapping[str, Measurement], gates: Sequence[Gate]) -> tuple[Control, ...]:
    """Judge the untouched champion and the shadows as the forgetting gate does.

    The champion must lie beyond the null band with its whole interval, the shadows' mean inside the
    candidate's limits.
    """
    forgetting = [gate for gate in gates if isinstance(gate, Forgetting)]
    if not forgetting or forgetting[0].needs - measured.keys():
        return ()
    outside, inside = forgetting[0].controls(measured)
    return (
        Control("untouched champion", "refused", "refused" if outside else "not refused"),
        Control("models that never saw it", "inside", "inside" if inside else "outside"),
    )
