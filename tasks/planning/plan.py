"""What serving requests would touch, cost and be able to show, before anything is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ledger.replay.ancestry import BY_ANCESTORS
from ledger.replay.attempts import earlier_attempts
from ledger.replay.lineage import releases
from systems.copies import Copy, Status, as_records
from systems.data import decoded, loading, purging
from systems.data.remote.elsewhere import found_elsewhere
from systems.registry import models
from systems.registry.erasure import REGISTRY
from systems.settings.chances import not_tried
from systems.settings.policy import EXACT, Policy, Rung, load_policy
from tasks.adopt import check_task
from tasks.approval.skew import batch
from tasks.backups.destroying import residual
from tasks.connectors.owing import present
from tasks.extract import find, likewise
from tasks.generated import whole
from tasks.planning.foresee import foreseen, most_of, retrain_chance, training_rate
from tasks.planning.rungs import (
    cheapest_start,
    error_told,
    foreseen_rungs,
    levels,
    tried_of,
    with_exact,
    without_bases,
)
from tasks.planning.waiting import collecting_told
from tasks.requests.asked import restriction
from tasks.running import bases
from tasks.running.champion import sealed_champion
from tasks.running.conditions import under
from tasks.running.drift import drift_told
from tasks.running.methods import method_of
from tasks.running.opened import Opened
from tasks.running.parts import bank_state, parts_of
from tasks.running.trained import copy_of, files
from tasks.train import recipe_of
from tasks.versions import descent
from tasks.versions.held import held, unregistered
from unlearning.counting import numbered
from unlearning.domain import SPLITS, TRAIN
from unlearning.generation import FORGETTERS
from unlearning.methods import METHODS
from unlearning.selecting import alike_pictures, likeness_threshold
from unlearning.settings import CLASSIFY, GENERATE


def plan_of(at: Opened, requests: Sequence[str], policy: Path) -> dict[str, Any]:
    """Give the plan of serving some requests in one run."""
    rules, champion = load_policy(policy), sealed_champion(at)
    check_task(rules, at.params)
    selectors = [at.ledger.selector(ref) for ref in requests]
    ids, alike = find(at.ws, selectors), likewise(selectors)
    entries, rate = at.ledger.log.entries(), training_rate(at)
    before = earlier_attempts(entries, requests, champion.sha256, EXACT)
    drift = drift_told(at, champion.version, rules, len(ids[TRAIN]))
    level = rules.level_after(before)
    if at.params.generator is None:
        decidable = foreseen(at, rules, ids, alike=alike, rate=rate, level=level)
    else:
        decidable = whole.foreseen(at, rules, ids[TRAIN])
    most = most_of(decidable["power"])
    asked = under(at, champion.version)
    chances = rules.chances(entries, len(ids[TRAIN]), likewise=alike, most=most, under=asked)
    exact_only = drift["exact_only"] or whole.why_only_exact(at, ids[TRAIN]) is not None
    known = foreseen_rungs(rules, before, chances, most, exact_only=exact_only)
    ladder = [_rung(at, rung, ids, rate) | row for rung, row in known] if ids[TRAIN] else []
    ladder = _without_bases(at, with_exact(ladder, retrain_chance(decidable)), requests, ids)
    trained = [*tried_of(ladder), *decidable.get("references", ())]
    seconds = [row["estimated_seconds"] for row in trained]
    below, notes = _registered(at, ids)
    return {
        "requests": list(requests),
        "examples": {part: len(found) for part, found in ids.items()},
        "copies": as_records([*_copies(at, ids), *below]),
        "near_duplicates": _near_duplicates(at, ids),
        "drift": drift,
        "error": error_told(
            rules, before, not_tried(chances), exact_only=exact_only or not ids[TRAIN]
        ),
        "approval": _approval(at, rules, ids[TRAIN]),
        "ladder": ladder,
        "cheapest_start": cheapest_start(ladder, rate),
        "assurance": levels(ladder, untouched=not ids[TRAIN]),
        "estimated_seconds": None if None in seconds else round(sum(seconds), 1),
        **decidable,
        "collecting": collecting_told(at, rules.collect, requests, tried_of(ladder)),
        **({"notes": notes} if notes else {}),
    }


def _approval(at: Opened, rules: Policy, forgotten: Sequence[str]) -> list[str]:
    """Say why a person will be asked before a release, as far as it is known before."""
    found, skew = batch(at, forgotten), rules.approval.skew
    counts = (found.own.whole, len(forgotten), loading.counts(at.ws)[TRAIN])
    named = (found.own.in_one_class(skew, named=True), found.going, found.summed(skew, named=True))
    return list(rules.approval.foreseen(*counts, *named))


def _rung(at: Opened, rung: Rung, ids: dict[str, list[str]], rate: float | None) -> dict[str, Any]:
    """Estimate a rung by the examples that it passes, at the rate at which the original trained."""
    method = method_of(at, rung.method, rung.settings)
    forget = len(ids[TRAIN])
    passes = method.passes(forget, loading.counts(at.ws)[TRAIN] - forget)
    seconds = None if rate is None else round(passes / rate, 1)
    exact = rung.method in EXACT
    return {"method": rung.method, "exact": exact, "passes": passes, "estimated_seconds": seconds}


def _without_bases(
    at: Opened, ladder: list[dict[str, Any]], requests: Sequence[str], ids: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """Say of rungs that begin from bases why they would be skipped, if they would."""
    if not any(rung["method"] in BY_ANCESTORS for rung in ladder):
        return ladder
    out = tuple(one.ref for one in restriction(at, ids[TRAIN]).out)
    why = bases.lineage(at, recipe_of(at), requests, out)["skipped"]
    return without_bases(ladder, BY_ANCESTORS, why)


_SOURCE = Copy(
    "source",
    "the files that `init` and `import` were given",
    Status.UNVERIFIED,
    "Lethe erases nothing that it only reads: see to them yourself",
)


def _copies(at: Opened, ids: dict[str, list[str]]) -> list[Copy]:
    """List where bytes, or what was learned from them, lie now."""
    wanted = [found for part in SPLITS for found in ids[part]]
    copies = purging.holds(at.ws, wanted) if wanted else []
    objects = frozenset(copy.what.removeprefix("object ") for copy in copies)
    copies += [*found_elsewhere(at.ws, objects), *decoded.copies(at.ws)] if wanted else []
    copies += [*residual(at, Status.PRESENT), *present(at), _SOURCE] if wanted else []
    copies += map(copy_of, files(at))
    if at.params.generator is None and (state := bank_state(at, recipe_of(at))):
        again = f"; it should be built again: {state.rebuild}" if state.rebuild else ""
        what = f"{numbered(len(wanted), 'column', 'columns')} of each shadow{again}"
        copies.append(Copy("shadow bank", what, Status.PRESENT))
    copies += bases.present(at) if ids[TRAIN] else []
    known = held(at, releases(at.ledger.log.entries())) if ids[TRAIN] else ()
    for version in (one for one in known if one.of is not None):
        serving = ", the champion" if models.CHAMPION in version.aliases else ""
        copies.append(Copy(REGISTRY, f"{version.words}{serving}", Status.PRESENT))
    return copies


def _registered(at: Opened, ids: dict[str, list[str]]) -> tuple[list[Copy], list[str]]:
    """List what others registered that may know the examples, and what nobody can tell of."""
    if not ids[TRAIN]:
        return [], []
    copies, unknown = descent.present(at)
    return copies, [*unregistered(at), *unknown]


def _near_duplicates(at: Opened, ids: dict[str, list[str]]) -> dict[str, Any]:
    """Count examples that stay in training and look like forgotten ones: they keep these alive."""
    train = parts_of(at).train
    forgets = np.isin(train.ids, ids[TRAIN])
    threshold = likeness_threshold(train.images)
    alike = alike_pictures(train.images, forgets, threshold=threshold)
    return {"count": int(np.sum(alike & ~forgets)), "threshold": threshold}


LISTED = (1000, 9000)
"""Forget and retain examples for which `lethe list methods` gives costs."""


def as_listed(name: str) -> dict[str, Any]:
    """Describe a method for `lethe list methods`.

    cost: examples passed, relative to retraining for its default number of epochs, when 1,000 of
    10,000 examples are forgotten with default settings.
    """
    cls = METHODS[name]
    cost = METHODS.create(name).passes(*LISTED) / METHODS.create("retrain").passes(*LISTED)
    fields = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    access = " + ".join(sorted(cls.needs))
    return {
        "name": name,
        "task": CLASSIFY,
        "paper": cls.paper,
        "access": access,
        "exact": cls.exact,
        "cost": round(cost, 3),
        "settings": fields,
    }


def generator_method(name: str) -> dict[str, Any]:
    """Describe a generator's method likewise; cost: relative to retraining by its default steps."""
    cls, retrained = FORGETTERS[name], FORGETTERS.create("retrain").passes(*LISTED)
    return {
        "name": name,
        "task": GENERATE,
        "paper": cls.paper,
        "access": " + ".join(sorted(cls.needs)),
        "exact": cls.exact,
        "cost": round(FORGETTERS.create(name).passes(*LISTED) / retrained, 3),
        "settings": [field.name for field in dataclasses.fields(cls)],  # type: ignore[arg-type]
    }
