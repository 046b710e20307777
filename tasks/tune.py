"""Tuning in a workspace: a rehearsal on people who asked for nothing, and its yardstick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from systems.compute.search import Limits, Told, Yardstick, best, compared, search
from systems.registry import models
from tasks import train
from tasks.requests.asked import restricted_ids
from tasks.running.champion import sealed_champion
from tasks.running.opened import Opened
from tasks.running.parts import parts_of, training
from unlearning import networks
from unlearning.digests import digest_of
from unlearning.domain import BoolArray, Examples, Split
from unlearning.errors import UsageError
from unlearning.outputs import outputs_of
from unlearning.search_space import space_of

SHARE = 0.1
"""Of the training examples, forgotten in a rehearsal unless a number or a class is asked for."""


@dataclass(frozen=True)
class Rehearsal:
    """What is forgotten for tuning: all of a class, or about so many examples of whole people."""

    class_name: str | None = None
    examples: int | None = None

    def __post_init__(self) -> None:
        """Refuse a number of examples that is none, or two ways of saying what is forgotten."""
        if (self.examples or 1) < 1 or (self.class_name is not None and self.examples is not None):
            raise UsageError(
                f"tune: got --examples {self.examples} and --class {self.class_name}, expected one "
                "of them, or neither, and at least 1 example"
            )


def tune(
    at: Opened, method: str, rehearsal: Rehearsal, limits: Limits, seed: int, told: Told
) -> dict[str, Any]:
    """Search a method's settings on a rehearsal and give the best as a rung of a policy."""
    space_of(method)
    split, without = rehearsed(at, rehearsal, seed)
    champion = sealed_champion(at)
    again = train.train(at, without=without, seed=at.params.seed + seed)
    yardstick = Yardstick(
        original=networks.load(models.verified(champion)),
        split=split,
        retrained=outputs_of(networks.load(again.weights), compared(split)),
        retraining=training(at).epochs * len(split.retain),
        seed=seed,
    )
    follows_from = [champion.sha256, again.sha256, method, seed]
    storage = at.ws.artifacts / "tuning" / f"{digest_of(follows_from)[:32]}.jsonl"
    records = search(method, yardstick, storage, limits, seed=seed, told=told)
    return _answer(method, split, records)


def rehearsed(at: Opened, rehearsal: Rehearsal, seed: int) -> tuple[Split, list[str]]:
    """Give the split, and the ids that the retrained model is trained without: personal data.

    People with an open request are in none of its parts: nothing is trained on them any more.
    """
    parts = parts_of(at)
    asked = np.isin(parts.train.ids, restricted_ids(at))
    forgets = forget_mask(parts.train, asked, rehearsal, parts.classes, seed)
    forget, retain = parts.train.take(forgets), parts.train.take(~forgets & ~asked)
    if not len(forget) or not len(retain):
        raise UsageError(
            f"tune: got {len(forget)} examples to forget and {len(retain)} to keep, expected some "
            "of each; ask for another number with --examples"
        )
    split = Split(forget, retain, parts.holdout, parts.test, len(parts.classes))
    return split, parts.train.ids[forgets | asked].tolist()


def forget_mask(
    train: Examples, asked: BoolArray, rehearsal: Rehearsal, classes: Sequence[str], seed: int
) -> BoolArray:
    """Mask of what is forgotten in a rehearsal, (n,).

    Without a class: whole people, in an order drawn by the seed, none of them among the `asked`,
    until at least the wanted number of examples is reached.
    """
    if rehearsal.class_name is not None:
        if rehearsal.class_name not in classes:
            raise UsageError(
                f"--class: got {rehearsal.class_name!r}, expected one of {', '.join(classes)}"
            )
        return np.asarray((train.labels == classes.index(rehearsal.class_name)) & ~asked)
    wanted = rehearsal.examples or max(1, round(SHARE * len(train)))
    free = ~np.isin(train.subjects, train.subjects[asked])
    people, counts = np.unique(train.subjects[free], return_counts=True)
    order = np.random.default_rng(seed).permutation(len(people))
    last = int(np.searchsorted(np.cumsum(counts[order]), wanted)) + 1
    return np.isin(train.subjects, people[order[:last]])


def _answer(method: str, split: Split, records: list[dict[str, Any]]) -> dict[str, Any]:
    chosen = best(records)
    return {
        "method": method,
        "settings": chosen["settings"],
        "objective": chosen["objective"],
        "gaps": chosen["gaps"],
        "published_objective": records[0]["objective"],
        "forgotten": len(split.forget),
        "cost": round(sum(float(record["cost"]) for record in records), 3),
        "trials": [_row(record) for record in records],
        "policy_rung": rung(method, chosen["settings"]),
    }


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    told = ("objective", "cost", "seconds", "settings", "diverged")
    return {name: record[name] for name in told}


def rung(method: str, settings: Mapping[str, Any]) -> str:
    """Write the settings as an entry of a policy's ladder, which only the operator changes."""
    entry = [{"method": method, "settings": dict(settings)}]
    return yaml.safe_dump(entry, sort_keys=False, default_flow_style=None, width=100)
