"""From measurements to verdicts, and from verdicts to the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unlearning.contracts import Gate
from unlearning.domain import Control, Decision, Measurement, Outcome, Verdict
from unlearning.errors import PolicyError
from unlearning.gates import GATES
from unlearning.gates.asking import ask
from unlearning.gates.bank import Bank
from unlearning.gates.deployed import with_forms
from unlearning.gates.forgetting import Forgetting

REQUIRED = ("integrity", "utility", "forgetting")
"""Gates without which a policy is no policy."""

BY_LINEAGE = ("forgetting", "deployed_forgetting", "geometry")
"""Gates that need not decide where how a network was made is the proof."""


def gates_of(settings: Mapping[str, Mapping[str, Any]]) -> tuple[Gate, ...]:
    """Build the gates of a policy; one without the required gates raises PolicyError.

    The gate `bank` comes with forgetting's smallest bank, unless the policy sets it itself, and
    `deployed` holds the forms that it names to the limits of all the others.
    """
    missing = [name for name in REQUIRED if name not in settings]
    if missing:
        raise PolicyError(
            f"policy: gates has no {missing[0]}; expected at least {', '.join(REQUIRED)}"
        )
    gates = tuple(GATES.create(name, values) for name, values in settings.items())
    smallest = [gate.smallest_bank for gate in gates if isinstance(gate, Forgetting)]
    bank = () if "bank" in settings else (Bank(smallest=max(smallest)),)
    return with_forms((*gates, *bank))


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
    counted = [v for v in verdicts if not (exact and v.gate in BY_LINEAGE and _undecided(v))]
    if any(v.outcome is Outcome.FAILED for v in counted):
        return Decision.REFUSED
    if any(_undecided(v) for v in counted):
        return Decision.INCONCLUSIVE
    return Decision.RELEASED


def _undecided(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.INCONCLUSIVE


def controls_of(measured: Mapping[str, Measurement], gates: Sequence[Gate]) -> tuple[Control, ...]:
    """Judge the untouched champion and the shadows as the forgetting gate does.

    The champion must lie beyond the null band with its whole interval, the shadows' mean inside the
    candidate's limits.
    """
    forgetting = [gate for gate in gates if gate.name == "forgetting"]
    if not forgetting or forgetting[0].needs - measured.keys():
        return ()
    low, high = forgetting[0].limits(measured)["forget_auc"]
    champion, null = measured["champion_auc"], measured["null_auc"]
    outside = champion.low > null.high or champion.high < null.low
    inside = low < null.value < high
    return (
        Control("untouched champion", "refused", "refused" if outside else "not refused"),
        Control("models that never saw it", "inside", "inside" if inside else "outside"),
    )
