"""A cheaper training for the workspace: as accurate on strangers, in fewer passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import yaml

from systems.compute.recipe_search import Ground, Held, choose, search
from systems.compute.studies import Limits, Told
from tasks.requests.asked import restricted_ids
from tasks.running.computing import away, require_cluster
from tasks.running.opened import Opened
from tasks.running.parts import parts_of, training
from tasks.train import recipe_of
from unlearning.digests import digest_of
from unlearning.errors import UsageError
from unlearning.judging.rehearsing import draw_strangers

METHOD = "retrain"


def tune(at: Opened, limits: Limits, seed: int, told: Told) -> dict[str, Any]:
    """Search a training on a part of the people, a quarter of them kept apart as strangers.

    Neither holdout nor test set is read, nor anybody with an open request. Nothing is changed: the
    answer has the lines for params.yaml.
    """
    require_cluster(at)
    on = _ground(at, seed)
    follows_from = [on.recipe.as_record(), on.own.as_record(), sorted(on.train.ids.tolist()), seed]
    storage = at.ws.artifacts / "tuning" / f"{digest_of(follows_from)[:32]}.jsonl"
    records = search(on, storage, limits, told)
    return _answer(on, records, choose(on, records))


def _ground(at: Opened, seed: int) -> Ground:
    recipe, parts = recipe_of(at), parts_of(at)
    if recipe.head is not None:
        raise UsageError(
            "--method: got retrain where a head on a frozen backbone is fitted to its only "
            "optimum, expected a network that is trained: there is nothing to search"
        )
    asked = np.isin(parts.train.ids, restricted_ids(at))
    free = ~np.isin(parts.train.subjects, parts.train.subjects[asked])
    strangers = draw_strangers(parts.train, free, seed)
    train = parts.train.take(~strangers & ~asked)
    return Ground(
        recipe,
        train,
        parts.train.take(strangers),
        training(at),
        at.params.seed + seed,
        away(at),
    )


def _answer(
    on: Ground, records: Sequence[Mapping[str, Any]], chosen: Held | None
) -> dict[str, Any]:
    return {
        "method": METHOD,
        "settings": None if chosen is None else dict(chosen.settings),
        "own": {name: asdict(on.own)[name] for name in records[0]["settings"]},
        "trained_on": len(on.train),
        "strangers": len(on.strangers),
        "held": None if chosen is None else chosen.as_record(),
        "trials": list(records),
        "params": None if chosen is None else _lines(chosen.settings),
        "outcome": _outcome(len(records), chosen),
    }


def _outcome(trials: int, chosen: Held | None) -> str:
    if chosen is None:
        return (
            f"none of {trials} trials is as accurate on strangers as params.yaml's training in "
            "fewer passes, also by other seeds; allow more with --trials and --budget, or keep it"
        )
    own, other = chosen.accuracy
    return (
        f"{chosen.cost:.0%} of the passes, {other:.1%} right on strangers beside {own:.1%}: put "
        "the lines of `params` into a copy of params.yaml and adopt it with `lethe params --adopt "
        "FILE --reason TEXT`; the next run trains so, and builds its bank anew first"
    )


def _lines(settings: Mapping[str, Any]) -> str:
    return yaml.safe_dump({"training": dict(settings)}, sort_keys=False)
