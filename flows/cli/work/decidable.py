"""What `init` can tell about runs to come from its options and data, before anything is written."""

from __future__ import annotations

from systems.data.columns import LABEL, SPLIT
from systems.data.gathering import Gathered
from systems.settings.params import Params
from systems.settings.policy import EXACT, Policy
from tasks import adopt as adopting
from unlearning.domain import HOLDOUT, TEST, TRAIN, IntArray
from unlearning.errors import UsageError
from unlearning.settings import GENERATE


def refuse_undecidable(policy: Policy, params: Params, offered: Gathered) -> None:
    """LetheError where bank, test set or holdout set is too small for any run to be judged."""
    adopting.check_task(policy, params)
    adopting.check_bank(policy, params.bank.shadows)
    tests = len(_labels(offered, TEST))
    adopting.check_answers(policy, classes=len(offered.dataset.classes), tests=tests)
    if policy.task == GENERATE:
        _refuse_unjudged(offered)


def _refuse_unjudged(offered: Gathered) -> None:
    """UsageError for a class that the judge could not know: nobody would see it drawn, or lost."""
    held = frozenset(_labels(offered, HOLDOUT).tolist())
    if lacking := frozenset(_labels(offered, TRAIN).tolist()) - held:
        raise UsageError(
            f"holdout: has pictures of {len(held)} classes and none of {len(lacking)} that are "
            "trained on, expected some of each: the judge of what is drawn learns from them; give "
            "a larger --holdout-fraction, or a --holdout file"
        )


def about_classes(policy: Policy, offered: Gathered, *, given: bool) -> tuple[str, ...]:
    """Say that a class can be forgotten by exact retraining only, and what would change that.

    given: the holdout examples come from a file of their own. Nothing is said where they are
    enough, or where the policy tries nothing but exact retraining.
    """
    from systems.data.splitting import smallest_class
    from unlearning.judging.needs import loosest_limit
    from unlearning.judging.verdicts import gates_of

    if policy.task == GENERATE or all(rung.method in EXACT for rung in policy.ladder):
        return ()
    needed = loosest_limit(gates_of(policy.gates)).holdout
    held = smallest_class(_labels(offered, TRAIN), _labels(offered, HOLDOUT))
    if held >= needed:
        return ()
    return (
        f"a request for a whole class can be served by exact retraining only: the smallest class "
        f"has {held} holdout examples, other methods can be judged from {needed} on: "
        f"{_more(offered, needed, given=given)}",
    )


def _labels(offered: Gathered, split: str) -> IntArray:
    import pyarrow.compute as pc

    table = offered.table.filter(pc.equal(offered.table[SPLIT], split))
    labels: IntArray = table[LABEL].to_numpy()
    return labels


def _more(offered: Gathered, needed: int, *, given: bool) -> str:
    if given:
        return f"give a --holdout file with {needed} examples of each class"
    share = offered.draw.share_for(needed)
    if share is None:
        return "no holdout share of these data has so many; it takes more data"
    return f"`lethe init --holdout-fraction {share:.2f}`, in another folder, has so many"
