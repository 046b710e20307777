"""One forget set judged by many banks: what each says of the champion and of retrained models."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import yaml

from benchmarks.answers import digest_of_file
from benchmarks.bank_study.shares import draw_groups, some
from benchmarks.gates.candidates import Candidate, Kind
from benchmarks.gates.grounds import Asked, Ground
from benchmarks.gates.scenes import Place, Scene, bank_of, outputs, scene_of
from benchmarks.sources import code_digest
from unlearning.attacks.lira import LiraOffline
from unlearning.attacks.rmia import RmiaOffline
from unlearning.bank.null_band import null_band
from unlearning.bank.shadows import Bank
from unlearning.contracts import Attack
from unlearning.digests import digest_of, digest_of_arrays
from unlearning.domain import IntArray, Measurement, ShadowOutputs
from unlearning.errors import UsageError
from unlearning.gates.forgetting import Forgetting
from unlearning.judging.measuring import controls, measure, score
from unlearning.judging.trial import Trial, comparable_shadows, judged_part
from unlearning.statistics.intervals import auc

SHARED = 1e9
"""A prior beside which an example's own deviation does not count."""

CALIBRATIONS: dict[str, LiraOffline | RmiaOffline] = {
    "mean, shared deviation": LiraOffline(prior=SHARED),
    "mean, shrunk deviation (prior 16)": LiraOffline(),
    "mean, own deviation (prior 0)": LiraOffline(prior=0.0),
    "offline RMIA": RmiaOffline(),
}

TARGETS = 1
"""Shadows left out of a bank that are taken for networks which never saw the forget set."""

CHAMPION, RETRAINED, SHADOW = "champion", "retrained", "shadow left out"

CODE = (
    *(f"unlearning.judging.{name}" for name in ("measuring", "verdicts")),
    *(f"unlearning.attacks.{name}" for name in ("lira", "rmia")),
    *(f"benchmarks.bank_study.{name}" for name in ("cells", "shares")),
    "benchmarks.gates.scenes",
)


@dataclass(frozen=True)
class Seen:
    """What a bank's attack says of one network.

    auc, tail: the attack's, the tail at 5 % false positives on the remembered side. null: the null
    band's low end, mean and high end. said: of the forgetting gate, whatever the bank's size; None
    for a shadow that was left out, which has seen a part of the forget set and is judged on the
    rest. A calibration for which the bank is too small gives its reason in `said` and no numbers.
    """

    share: float
    shadows: int
    draw: int
    calibration: str
    kind: str
    size: int
    seed: int
    network: str
    said: str | None
    auc: float = np.nan
    tail: float = np.nan
    null: Sequence[float] = field(default=(np.nan, np.nan, np.nan))

    @property
    def measured(self) -> bool:
        """Whether the bank was large enough for the calibration."""
        return bool(np.isfinite(self.auc))


@dataclass(frozen=True, eq=False)
class Draws:
    """The banks that are compared: for each share of the data, one bank and what to draw from it.

    draws: how many smaller banks of each size; sizes: of the smaller ones, and the whole.
    """

    banks: Mapping[float, Bank]
    sizes: Sequence[int]
    draws: int

    def all(self, seed: int) -> Iterator[tuple[float, int, int, IntArray]]:
        """Give share, size, number of the draw and the shadows that it took, others each seed."""
        for share, bank in self.banks.items():
            whole = len(bank.seen)
            rng = np.random.default_rng([seed, round(100 * share)])
            for size in (size for size in self.sizes if size <= whole):
                for draw in range(1 if size == whole else self.draws):
                    yield share, size, draw, draw_groups(whole, size, share, rng)


def judged(ground: Ground, asked: Asked, place: Place, draws: Draws) -> list[Seen]:
    """Judge one forget set by all banks; a kept result is only read."""
    path = place.folder / "cells" / f"{_key(ground, asked, place, draws)}.json"
    if not path.exists():
        found = [dataclasses.asdict(seen) for seen in _judged(ground, asked, place, draws)]
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(found))
        part.replace(path)
    return [Seen(**row) for row in json.loads(path.read_text())]


def _key(ground: Ground, asked: Asked, place: Place, draws: Draws) -> str:
    files = (ground.champion, *(good.path for good in ground.goods))
    return digest_of(
        {
            "networks": [digest_of_file(path) for path in files],
            "forgets": digest_of_arrays(asked.forgets),
            "banks": [digest_of_arrays(bank.logits, bank.seen) for bank in draws.banks.values()],
            "draws": [list(draws.banks), list(draws.sizes), draws.draws],
            "gates": yaml.safe_load(place.policy.read_text())["gates"],
            "code": code_digest(*CODE),
        }
    )


def _judged(ground: Ground, asked: Asked, place: Place, draws: Draws) -> Iterator[Seen]:
    for share, size, draw, which in draws.all(ground.seed):
        bank = some(draws.banks[share], which)
        scene = scene_of(place, ground, bank, asked.forgets, bank_of(place.bank))
        others = _others(draws.banks[share], which, ground, asked, place)
        for name, attack in CALIBRATIONS.items():
            mark = Mark(share, size, draw, name, asked.kind, asked.size, ground.seed)
            yield from _by_bank(mark, ground, place, scene, attack)
            for target in others:
                yield from _left_out(mark, scene.trial, target, attack)


def _others(
    bank: Bank, which: IntArray, ground: Ground, asked: Asked, place: Place
) -> list[ShadowOutputs]:
    """Give the answers of some shadows that were not drawn, on the judged examples."""
    rest = np.setdiff1d(np.arange(len(bank.seen)), which)[:TARGETS]
    alone = (some(bank, np.array([shadow])) for shadow in rest)
    chooses, forgets = bank_of(place.bank), asked.forgets
    scenes = (scene_of(place, ground, b, forgets, chooses) for b in alone)
    return [comparable_shadows(scene.trial) for scene in scenes]


@dataclass(frozen=True)
class Mark:
    """Which bank, calibration and forget set a row is about."""

    share: float
    shadows: int
    draw: int
    calibration: str
    kind: str
    size: int
    seed: int

    def row(self, network: str, said: str | None, **found: Any) -> Seen:
        """Give the row of a network."""
        return Seen(**dataclasses.asdict(self), network=network, said=said, **found)


def _by_bank(
    mark: Mark, ground: Ground, place: Place, scene: Scene, attack: Attack
) -> Iterator[Seen]:
    gate = next(g for g in place.gates() if isinstance(g, Forgetting))
    gate = dataclasses.replace(gate, smallest_bank=2)
    networks = [(CHAMPION, ground.champion), *((RETRAINED, good.path) for good in ground.goods)]
    try:
        known = controls(scene.trial, attack)
    except UsageError as problem:
        yield from (mark.row(name, str(problem)) for name, _ in networks)
        return
    for name, path in networks:
        seen = outputs(place, Candidate(name, Kind.SHOWN, path), scene.rows)
        measured = measure(dataclasses.replace(scene.trial, candidate=seen), attack, known)
        said, null = str(gate.judge(measured).outcome), _ends(measured["null_auc"])
        own, tail = measured["forget_auc"].value, measured["forget_tail_high@0.05"].value
        yield mark.row(name, said, auc=own, tail=tail, null=null)


def _ends(null: Measurement) -> tuple[float, float, float]:
    return null.low, null.value, null.high


def _left_out(mark: Mark, trial: Trial, other: ShadowOutputs, attack: Attack) -> Iterator[Seen]:
    """Take another shadow for a network that never saw the forget set: the part that it missed."""
    part, bank, missed = judged_part(trial.champion), comparable_shadows(trial), ~other.seen[0]
    target = dataclasses.replace(part, logits=other.logits[0]).take(missed)
    shadows = bank.on(missed)
    try:
        scores, null = score(target, shadows, attack), null_band(target, shadows, attack)
    except UsageError as problem:
        yield mark.row(SHADOW, str(problem))
        return
    yield mark.row(SHADOW, None, auc=auc(scores.forget, scores.holdout), null=_ends(null))
