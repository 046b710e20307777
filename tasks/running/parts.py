"""What a run works on, in memory: the split that its requests make, the bank, the training."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from functools import partial
from pathlib import Path

import numpy as np

from systems.data import loading, versions
from systems.settings.policy import load_policy
from tasks.requests.asked import restricted_ids
from tasks.running import progress
from tasks.running.computing import spreading
from tasks.running.opened import Opened
from tasks.running.run import Run
from tasks.running.vouching import named, vouch
from unlearning.bank.files import bank_complete
from unlearning.bank.shadows import BankPlan, build_bank
from unlearning.bank.state import BankState, state_in
from unlearning.domain import HOLDOUT, TRAIN, Examples, Split
from unlearning.errors import Diverged, InfrastructureError, UsageError
from unlearning.judging.needs import shadows_needed
from unlearning.judging.verdicts import gates_of
from unlearning.networks import Recipe
from unlearning.training.loop import Training


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """The data version, decoded; each part is ordered by example id, so shards leave no trace."""

    train: Examples
    holdout: Examples
    test: Examples
    classes: tuple[str, ...]


def parts_of(at: Opened) -> Parts:
    """Give the present data version; its shards are verified and decoded once per opening."""
    version = versions.data_version(at.ws)
    kept = at.kept.get("parts")
    if kept is None or kept[0] != version:
        made = Parts(**loading.load_examples(at.ws), classes=loading.classes(at.ws))
        at.kept["parts"] = kept = (version, made)
    found: Parts = kept[1]
    return found


def split_of(run: Run) -> Split:
    """Cut the training examples of a run into forget and retain."""
    extracted = run.done("extracted") or {}
    firm = extracted.get("left_out") or ()
    return cut(run.at, run.forget_ids(), likewise=bool(extracted["likewise"]), firm=firm)


def cut(
    at: Opened, ids: dict[str, list[str]], *, likewise: bool, firm: Collection[str] = ()
) -> Split:
    """Cut the present data version by example ids, given by split.

    What other open requests name is neither forgotten nor retained: nothing is trained on it.
    likewise: compare with the holdout examples that are selected too, if there are any.
    """
    parts = parts_of(at)
    forgets = np.isin(parts.train.ids, ids[TRAIN])
    restricted = np.isin(parts.train.ids, restricted_ids(at, ids[TRAIN], firm))
    selected = np.isin(parts.holdout.ids, ids[HOLDOUT])
    alike = likewise and bool(selected.any())
    holdout = parts.holdout.take(selected) if alike else parts.holdout
    return Split(
        forget=parts.train.take(forgets),
        retain=parts.train.take(~forgets & ~restricted),
        holdout=holdout,
        test=parts.test,
        classes=len(parts.classes),
    )


def holdout_after(run: Run) -> Examples:
    """Give the holdout examples that are there once a run has erased its own."""
    holdout = parts_of(run.at).holdout
    return holdout.take(~np.isin(holdout.ids, run.forget_ids()[HOLDOUT]))


def training_of(run: Run) -> Training:
    """Give the workspace's training settings."""
    return training(run.at)


def training(at: Opened) -> Training:
    """Give the workspace's training settings."""
    return Training(**dataclasses.asdict(at.params.training))


def bank_plan(at: Opened, recipe: Recipe) -> BankPlan:
    """Describe the bank of the present data version."""
    return BankPlan(
        data_version=versions.data_version(at.ws),
        recipe=recipe,
        training=training(at),
        shadows=at.params.bank.shadows,
        seed=at.params.seed,
    )


def ensure_bank(at: Opened, recipe: Recipe) -> Path:
    """Give the folder of the bank, built or completed if it has to be.

    UsageError where a shadow's training diverges, which it would do again.
    """
    plan, folder = bank_plan(at, recipe), finished_bank(at, recipe)
    if folder:
        return folder
    parts = parts_of(at)
    try:
        return build_bank(
            plan,
            (parts.train, parts.holdout, parts.test),
            at.ws.bank,
            workers=at.params.bank.workers,
            progress=progress.models,
            spread=spreading(at),
            restricted=np.array(restricted_ids(at), dtype=np.str_),
            seal=partial(vouch, at),
            backbone=backbone_of(at, recipe),
        )
    except Diverged as problem:
        raise UsageError(f"training.learning_rate of params.yaml: a shadow: {problem}") from problem


def backbone_of(at: Opened, recipe: Recipe) -> Path | None:
    """Give the file of a frozen backbone, None where networks are trained as a whole."""
    if recipe.head is None:
        return None
    if not at.ws.backbone.is_file():
        raise InfrastructureError(
            f"{at.ws.backbone.name}: is not in artifacts/, expected the backbone that `lethe init` "
            "put there: put it back from your backup"
        )
    return at.ws.backbone


def finished_bank(at: Opened, recipe: Recipe) -> Path | None:
    """Give the folder of the present data version's bank, None unless it is complete.

    IntegrityError if it is not the one that the log vouches for.
    """
    folder = at.ws.bank / bank_plan(at, recipe).key
    if not bank_complete(folder):
        return None
    named(at, folder)
    return folder


def bank_state(at: Opened, recipe: Recipe) -> BankState | None:
    """Say what became of the present data version's bank; None if there is none yet."""
    folder = finished_bank(at, recipe)
    if folder is None:
        return None
    return state_in(folder, shadows_needed(gates_of(load_policy(at.ws.policy).gates)))
