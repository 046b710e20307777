"""The shadow bank: models trained on known random halves of the data, and what they answer.

The bank keeps, for each shadow, its logits on every training and holdout example and who was in its
half, not its weights. It is a folder named by a digest of what it was made from (see `files`), so
that an interrupted build goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from unlearning.bank.files import (
    Seal,
    bank_complete,
    read_index,
    read_shadow,
    readable,
    shadow_path,
    write_arrays,
    write_index,
)
from unlearning.bank.shadow_training import (
    Answers,
    Job,
    Spread,
    features_of_splits,
    spread_over_processes,
    without_names,
)
from unlearning.digests import digest_of
from unlearning.domain import BoolArray, Examples, FloatArray, Outputs, ShadowOutputs, TextArray
from unlearning.errors import IntegrityError, UsageError
from unlearning.heads.backbones import on_backbone
from unlearning.networks import Recipe
from unlearning.training.loop import Training

NOBODY: TextArray = np.array([], dtype=np.str_)


@dataclass(frozen=True, kw_only=True)
class BankPlan:
    """Everything that a bank follows from; its digest names the bank.

    shadows: an even number, since shadows come in pairs of complementary halves.
    """

    data_version: str
    recipe: Recipe
    training: Training
    shadows: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse a bank that cannot calibrate."""
        if self.shadows < 4 or self.shadows % 2:
            raise UsageError(
                f"bank.shadows: got {self.shadows}, expected an even number of at least 4"
            )

    @property
    def key(self) -> str:
        """Name of the bank's folder."""
        return digest_of(self.as_record())[:32]

    def as_record(self) -> dict[str, Any]:
        """Give it as its digest and its index have it."""
        own = {"training": self.training.as_record(), "recipe": self.recipe.as_record()}
        return {**dataclasses.asdict(self), **own}


@dataclass(frozen=True, eq=False)
class Bank:
    """A bank in memory.

    ids: (n,) training examples, then holdout examples. seen: (shadows, n). logits: (shadows, n,
    classes). test_accuracy: (shadows,) on the test set. trained_on: (shadows,) training examples.
    """

    ids: TextArray
    seen: BoolArray
    logits: FloatArray
    test_accuracy: FloatArray
    trained_on: FloatArray

    def on(self, ids: TextArray) -> ShadowOutputs:
        """Give the shadows' answers on these examples, in this order; unknown ids raise."""
        order = np.argsort(self.ids)
        place = np.searchsorted(self.ids, ids, sorter=order).clip(max=len(order) - 1)
        where = order[place]
        if not np.array_equal(self.ids[where], ids):
            raise IntegrityError(
                f"shadow bank: {int(np.sum(self.ids[where] != ids))} examples are not in it; "
                "rebuild it with lethe train --shadows"
            )
        return ShadowOutputs(self.logits[:, where], self.seen[:, where])


def draw_halves(subjects: TextArray, shadows: int, rng: np.random.Generator) -> BoolArray:
    """Draw who is in which half, (shadows, n), whole subjects at a time.

    Shadows 2j and 2j+1 are complementary, so every example is unseen by exactly half the shadows.
    """
    _, code = np.unique(subjects, return_inverse=True)
    people = int(code.max()) + 1
    pairs = []
    for _ in range(shadows // 2):
        drawn = np.zeros(people, dtype=bool)
        drawn[rng.permutation(people)[: people // 2]] = True
        pairs += [drawn[code], ~drawn[code]]
    return np.stack(pairs)


def build_bank(
    plan: BankPlan,
    splits: tuple[Examples, Examples, Examples],
    root: Path,
    *,
    workers: int,
    progress: Callable[[int, int], None],
    spread: Spread | None = None,
    restricted: TextArray = NOBODY,
    seal: Seal | None = None,
    backbone: Path | None = None,
) -> Path:
    """Build or complete the bank of `plan` under `root` and give its folder.

    splits: train, holdout, test. spread: who trains the shadows, without it `workers` processes.
    restricted: ids of examples that are in nobody's half, and so count as unseen by all. seal: is
    told the index' digest before the bank is complete. backbone: of a recipe with a head, whose
    features are computed once and kept in no file. Only this process writes, so a shadow that
    is lost on its way, or that a crash left unreadable, costs no more than itself.
    """
    train_part, holdout, _ = splits
    folder, job = root / plan.key, job_of(plan, splits, restricted)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [k for k in range(plan.shadows) if not _there(folder, k, job)]
    finished = itertools.count(plan.shadows - len(missing) + 1)

    def keep(shadow: int, answers: Answers) -> None:
        write_arrays(shadow_path(folder, shadow), answers)
        progress(next(finished), plan.shadows)

    if backbone is not None and missing:
        blank = on_backbone(backbone, plan.recipe)
        job = dataclasses.replace(job, features=features_of_splits(blank, *splits))
    train_all = spread or partial(spread_over_processes, workers=workers)
    train_all(job, missing, keep)
    ids = np.concatenate([train_part.ids, holdout.ids]).tolist()
    write_index(folder, {"plan": plan.as_record(), "ids": ids}, seal)
    return folder


def _there(folder: Path, shadow: int, job: Job) -> bool:
    """Say whether a shadow was trained before, on the half that it is to be trained on."""
    answers = readable(shadow_path(folder, shadow))
    return answers is not None and np.array_equal(answers["seen"], job.seen[shadow])


def job_of(
    plan: BankPlan, splits: tuple[Examples, Examples, Examples], restricted: TextArray = NOBODY
) -> Job:
    """Draw who is in which half, and say what training the shadows takes."""
    train_part, holdout, test = splits
    subjects = np.concatenate([train_part.subjects, holdout.subjects])
    seen = draw_halves(subjects, plan.shadows, np.random.default_rng(plan.seed))
    seen &= ~np.isin(np.concatenate([train_part.ids, holdout.ids]), restricted)
    return Job(
        plan.recipe,
        plan.training,
        plan.seed,
        without_names(train_part),
        without_names(holdout),
        without_names(test),
        seen,
    )


def load_bank(folder: Path) -> Bank:
    """Read a finished bank; IntegrityError unless each shadow is the one that its index names."""
    index = read_index(folder)
    parts = [read_shadow(folder, shadow, index) for shadow in range(index["plan"]["shadows"])]
    return Bank(
        ids=np.array(index["ids"], dtype=np.str_),
        seen=np.stack([part["seen"] for part in parts]).astype(bool),
        logits=np.stack([part["logits"] for part in parts]),
        test_accuracy=np.concatenate([part["test_accuracy"] for part in parts]),
        trained_on=np.concatenate([part["trained_on"] for part in parts]),
    )


def carries_over(folder: Path, plan: BankPlan, among: Collection[str] | None = None) -> bool:
    """Say whether a finished bank differs from `plan` in the data version alone, one of `among`."""
    if not bank_complete(folder):
        return False
    described = read_index(folder)["plan"]
    wanted = json.loads(json.dumps(plan.as_record()))
    recent = among is None or described["data_version"] in among
    return recent and {**described, "data_version": None} == {**wanted, "data_version": None}


def without_examples(
    folder: Path, erased: TextArray, plan: BankPlan, root: Path, seal: Seal | None = None
) -> Path:
    """Copy a bank without the columns of erased examples, under the key of `plan`.

    seal: is told the digest before the copy is complete. The shadows themselves are not trained
    again: what remains are answers about other examples.
    """
    index = read_index(folder)
    keep = ~np.isin(np.array(index["ids"], dtype=np.str_), erased)
    target = root / plan.key
    target.mkdir(parents=True, exist_ok=True)
    for shadow in range(plan.shadows):
        arrays = read_shadow(folder, shadow, index)
        kept = {key: arrays[key][keep] for key in ("logits", "seen")}
        write_arrays(shadow_path(target, shadow), {**arrays, **kept})
    ids = [example for example, stays in zip(index["ids"], keep, strict=True) if stays]
    described = {
        "plan": plan.as_record(),
        "ids": ids,
        "derived_from": folder.name,
        "columns_built": index.get("columns_built", len(index["ids"])),
    }
    write_index(target, described, seal)
    return target


def shadow_targets(
    target: Outputs, shadows: ShadowOutputs, anyway: BoolArray | None = None
) -> Iterable[tuple[Outputs, ShadowOutputs]]:
    """Give each shadow in turn as a target, with the others, on the examples that it never saw.

    anyway: (n,), examples that are taken whether it saw them or not.
    """
    for index in range(len(shadows)):
        where = ~shadows.seen[index] if anyway is None else ~shadows.seen[index] | anyway
        others = np.arange(len(shadows)) != index
        own = dataclasses.replace(target, logits=shadows.logits[index])
        yield own.take(where), shadows.of(others).on(where)
