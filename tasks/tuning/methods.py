"""A method's settings: a rehearsal on people who asked for nothing, judged by strangers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import yaml

from systems.compute.search import Yardstick, best, search
from systems.compute.studies import Limits, Told
from systems.settings.policy import load_policy
from tasks import train
from tasks.requests.asked import restricted_ids
from tasks.running.computing import asking, away, require_cluster
from tasks.running.opened import Opened
from tasks.running.parts import ensure_bank, parts_of, training
from unlearning.bank.shadows import load_bank
from unlearning.digests import digest_of
from unlearning.domain import BoolArray, Examples, Split
from unlearning.errors import UsageError
from unlearning.judging.rehearsing import Rehearsed, draw_strangers, laid_out, rehearse
from unlearning.judging.verdicts import gates_of
from unlearning.search_space import space_of
from unlearning.selecting import draw_people

SHARE = 0.1
"""Of the training examples, forgotten in a rehearsal unless a number or a class is asked for."""


@dataclass(frozen=True)
class Rehearsal:
    """What is forgotten for tuning: all of a class, or about so many examples of whole people."""

    class_name: str | None = None
    examples: int | None = None

    def __post_init__(self) -> None:
        """Refuse a number of examples that is none, or two ways of saying what is forgotten."""
        if self.examples is None:
            return
        if self.examples < 1 or self.class_name is not None:
            raise UsageError(
                f"tune: got --examples {self.examples} and --class {self.class_name}, expected one "
                "of them, or neither, and at least 1 example"
            )


def tune(
    at: Opened, method: str, rehearsal: Rehearsal, limits: Limits, seed: int, told: Told
) -> dict[str, Any]:
    """Search a method's settings on a rehearsal and give the best as a rung of a policy.

    The rehearsal's original is trained here, as the workspace trains, without its strangers; a
    champion that came from elsewhere is not.
    """
    space_of(method)
    recipe = train.recipe_of(at)  # refuses a generator, before one is trained for nothing
    require_cluster(at)
    split, without = rehearsed(at, rehearsal, seed)
    original = train.train(at, without=without, seed=at.params.seed + seed)
    policy, bank = load_policy(at.ws.policy), ensure_bank(at, recipe)
    gates = gates_of(policy.gates)
    made = rehearse(original.weights, split, load_bank(bank), gates, policy.level, asking(at))
    yardstick = Yardstick(made, training(at).epochs * len(split.retain), seed, away(at))
    follows_from = [original.sha256, bank.name, sorted(split.forget.ids), method, seed]
    rules = [policy.level, *(repr(gate) for gate in made.gates)]
    storage = at.ws.artifacts / "tuning" / f"{digest_of([*follows_from, *rules])[:32]}.jsonl"
    records = search(method, yardstick, storage, limits, seed=seed, told=told)
    return _answer(method, made, records)


def rehearsed(at: Opened, rehearsal: Rehearsal, seed: int) -> tuple[Split, list[str]]:
    """Give the split, and the ids that its original is trained without: personal data.

    People with an open request are in none of its parts: nothing is trained on them any more.
    """
    parts = parts_of(at)
    asked = np.isin(parts.train.ids, restricted_ids(at))
    free = ~np.isin(parts.train.subjects, parts.train.subjects[asked])
    strangers = draw_strangers(parts.train, free, seed)
    taken = asked | strangers
    forgets = forget_mask(parts.train, taken, rehearsal, parts.classes, seed)
    retained = ~forgets & ~taken
    split = laid_out(parts.train, forgets, strangers, retained, len(parts.classes))
    return split, parts.train.ids[taken].tolist()


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
    return draw_people(train.subjects, free, wanted, np.random.default_rng(seed))


def _answer(method: str, made: Rehearsed, records: list[dict[str, Any]]) -> dict[str, Any]:
    chosen, untouched = best(records, made.untouched), made.untouched
    return {
        "method": method,
        "settings": None if chosen is None else chosen["settings"],
        "objective": None if chosen is None else chosen["objective"],
        "worst": None if chosen is None else chosen["worst"],
        "untouched_objective": round(untouched.value, 5) if isfinite(untouched.value) else None,
        "published_objective": records[0]["objective"],
        "forgotten": len(made.split.forget),
        "strangers": len(made.split.test),
        "cost": round(sum(float(record["cost"]) for record in records), 3),
        "trials": records,
        "policy_rung": None if chosen is None else rung(method, chosen["settings"]),
        "outcome": _outcome(chosen, len(records)),
    }


def _outcome(chosen: Mapping[str, Any] | None, trials: int) -> str:
    if chosen is None:
        return (
            f"none of {trials} trials is nearer to passing than the original that forgot nothing; "
            "allow more with --trials, or try another method"
        )
    if chosen["objective"] > 0:
        return f"nothing would pass; the nearest is held up by {chosen['worst']}"
    return "the rehearsal would pass"


def rung(method: str, settings: Mapping[str, Any]) -> str:
    """Write the settings as an entry of a policy's ladder, which only the operator changes."""
    entry = [{"method": method, "settings": dict(settings)}]
    return yaml.safe_dump(entry, sort_keys=False, default_flow_style=None, width=100)
