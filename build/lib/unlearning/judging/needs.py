"""What gates need before anything is measured: with less, no run could ever be decided by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unlearning.contracts import Gate
from unlearning.errors import PolicyError
from unlearning.gates.bank import LEAST_UNSEEN, Bank
from unlearning.gates.forgetting import Forgetting
from unlearning.gates.integrity import Integrity
from unlearning.gates.limits import Limit


def shadows_needed(gates: Sequence[Gate]) -> int:
    """Give the size of the smallest bank by which these gates can decide; even, as banks are.

    Half of a bank's shadows never saw an example, and three are needed to score one by the others.
    """
    least = max(2 * LEAST_UNSEEN, *_smallest_banks(gates))
    return least + least % 2


def _smallest_banks(gates: Sequence[Gate]) -> Iterator[int]:
    yield from (gate.smallest_bank for gate in gates if isinstance(gate, Forgetting))
    yield from (gate.smallest for gate in gates if isinstance(gate, Bank))


def require_shadows(gates: Sequence[Gate], shadows: int) -> None:
    """Raise PolicyError for a bank by which these gates could never decide."""
    needed = shadows_needed(gates)
    if shadows < needed:
        raise PolicyError(
            f"bank.shadows: got {shadows}, expected at least {needed}, without which the policy's "
            "gates can judge no run: take as many shadows, or a policy that needs fewer"
        )


def require_answers(gates: Sequence[Gate], *, classes: int, tests: int) -> None:
    """Raise PolicyError where not even a perfect network could answer as many classes as asked."""
    asked = max((gate.classes for gate in gates if isinstance(gate, Integrity)), default=0)
    if asked > min(classes, tests):
        raise PolicyError(
            f"gates.integrity.classes: got {asked}, expected at most the data's {classes} classes "
            f"and {tests} test examples, or no network can pass: give more data or test examples, "
            "or a policy that asks for fewer"
        )


def loosest_limit(gates: Sequence[Gate]) -> Limit:
    """Give the limit on forgetting that asks for the fewest examples: with fewer nothing passes."""
    return next(gate for gate in gates if isinstance(gate, Forgetting)).limit_for(0, 0)[0]
