"""What the benchmark of generators makes, keeps and writes, on toys."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import record
from benchmarks.generation import study
from benchmarks.generation.grounds import digits
from benchmarks.generation.judging import apart, as_json, evidence_in
from benchmarks.generation.makers import (
    ORIGINAL,
    PLANTED,
    RADII,
    RANDOM,
    RETRAINED,
    STALE,
    Makers,
    at_radius,
    method,
)
from benchmarks.generation.planted import OnlyGuided
from benchmarks.generation.sheets import line
from benchmarks.pages import generation
from tests.unit.unlearning.generation import small
from unlearning.gates.generated import Recovered
from unlearning.generation.contract import forgotten_class
from unlearning.generation.measures import FA, Evidence, share
from unlearning.training.loop import silent

GATE = Recovered(shot_steps=(20,), guidances=(1.0,))
OTHERS = (2, 60, 30)
"""What the attacks before the last bring back from anybody."""


def evidence(hits: int, back: int) -> Evidence:
    counts = np.bincount([3] * hits + [8] * (100 - hits), minlength=10)
    found = {
        name: share(name, n, 100) for name, n in zip(GATE.attacks, (*OTHERS, back), strict=True)
    }
    return Evidence({FA: share(FA, hits, 100)}, counts, found)


def row(name: str, hits: int, back: int, seed: int = 0) -> dict[str, Any]:
    of = evidence(hits, back)
    head = {"network": "unet", "row": name, "seed": seed, "seconds": 1.0, "notes": {}}
    return head | as_json(of, of.recovered)


SETTINGS = {
    "data": "digits",
    "label": 3,
    "train": 1400,
    "models": 4,
    "seeds": 1,
    "pictures": 100,
    "each": 30,
    "sampler": {"scheduler": "ddim", "steps": 10, "guidance": 2.0},
    "judge_accuracy": 0.98,
    "distance_floor": 0.5,
}
ROWS = [row(RETRAINED, 1, 2, seed) for seed in range(4)] + [row(ORIGINAL, 99, 100)]


def test_one_digit_is_forgotten_and_the_judges_test_is_apart() -> None:
    ground = digits()
    assert forgotten_class(ground.sets()) == 3
    assert len(ground.train) == 1400 and not set(ground.train.ids) & set(ground.test.ids)


def test_a_generator_is_named_by_what_it_follows_from(tmp_path: Path) -> None:
    makers = Makers(digits(), "dit", tmp_path)
    rows = (ORIGINAL, RETRAINED, "salun", STALE, RANDOM, PLANTED)
    names = [makers.named(name, seed) for name in rows for seed in (0, 1)]
    assert len(set(names)) == len(names) and makers.named("salun", 0) in names


def test_controls_differ_from_the_methods_in_one_setting() -> None:
    ground = digits()
    assert method(ground, STALE).sampled == "average"  # type: ignore[attr-defined]
    assert method(ground, RANDOM).shift == "random"  # type: ignore[attr-defined]


def test_a_radius_is_held_and_has_a_random_shift_beside_it() -> None:
    """With `left` at 1 the first radius will do, whoever is taken for the class."""
    ground = digits()
    for radius in RADII:
        sought, drawn = (method(ground, at_radius(row, radius)) for row in ("latent", RANDOM))
        assert replace(sought, shift="random") == drawn  # type: ignore[type-var]
        assert (sought.radius, sought.left) == (radius, 1.0)  # type: ignore[attr-defined]


def test_evidence_is_read_as_it_was_written() -> None:
    of = evidence(40, 3)
    read = evidence_in(as_json(of, of.recovered))
    assert read.measured == of.measured and read.recovered == of.recovered
    assert read.histogram.tolist() == of.histogram.tolist()
    assert apart(evidence(100, 0), [evidence(0, 0)])["TV"]["value"] == 1
    assert apart(evidence_in({}), [of]) == {}  # a method that gave up


def test_a_model_is_held_against_the_others_and_never_against_itself() -> None:
    found = study.judged(ROWS, GATE)
    words = [one["verdicts"]["recovery"]["reason"] for one in found]
    assert [one["verdicts"]["recovery"]["outcome"] for one in found] == ["PASSED"] * 4 + ["FAILED"]
    assert "guidance 1 1.000" in words[4]
    few = study.judged(ROWS[1:], GATE)  # each of three has two others
    assert few[0]["verdicts"]["recovery"]["outcome"] == "INCONCLUSIVE"


def test_in_what_was_measured_nobody_passes_who_forgot_nothing() -> None:
    """The untouched generator, its stale average, and one that forgot only at guidance 2."""
    rows = json.loads((record.RESULTS / "generation-digits.json").read_text())["rows"]
    for network in ("unet", "dit"):
        own = [one for one in rows if one["network"] == network]
        judged = study.judged(own, Recovered())
        for one in (one for one in judged if one["row"] in (ORIGINAL, STALE, PLANTED)):
            said = one["verdicts"]
            assert "FAILED" in {verdict["outcome"] for verdict in said.values()}
            assert one["row"] == PLANTED or said["concept"]["outcome"] == "FAILED"


def test_a_seed_is_held_against_its_own_original(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(own: Evidence, original: Evidence, others: object, gate: object) -> Any:
        return original.measured[FA].value

    monkeypatch.setattr(study, "verdicts", told)
    rows = [*ROWS[:4], row(ORIGINAL, 99, 100), row(ORIGINAL, 90, 100, 1)]
    rows += [row("salun", 1, 2, seed) for seed in range(2)]
    assert [one["verdicts"] for one in study.judged(rows, GATE)[4:]] == [0.99, 0.9, 0.99, 0.9]


def test_who_is_planted_is_a_copy() -> None:
    original = small.generator()
    planted = OnlyGuided(steps=2, batch_size=6)
    made = planted.forget(original, small.sets(), small.chance(), silent).network
    assert small.states_equal(original, small.generator())
    assert not small.states_equal(made, original)


def test_a_line_of_pictures_is_framed() -> None:
    pictures = np.zeros((3, 1, 8, 8), np.uint8)
    laid = line(pictures)
    assert laid.shape == (34, 3 * 34) and laid[0].min() == 255 and laid[1, 1] == 0
    assert line(np.zeros((2, 3, 32, 32), np.uint8)).shape == (34, 68, 3)


def test_the_page_shows_measures_attacks_and_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = study.judged(ROWS, GATE)
    for one in rows:
        filled = dict.fromkeys(generation.MEASURES, one["measured"][FA])
        one["measured"] = filled | one["measured"]
    monkeypatch.setattr(generation, "load", lambda name: {"settings": SETTINGS, "rows": rows})
    text = generation.generation("generation-digits")
    assert "| retrained | 4 | 0.01 (0.01 to 0.01) |" in text and "### U-Net" in text
    assert (
        "| original | 0.02 | 0.60 | 0.30 | 1.00 |" in text and "recovery: guidance 1 1.000" in text
    )
    assert "generation-digits-unet.png" in text


def test_the_page_says_whether_a_smaller_shift_costs_the_rest_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FD of 10 and 11 at the largest radius: 1 and 3 less at the smallest are 2 less, give or take.

    Student's reach of two numbers 2 apart is 12.71, times their deviation 1.41 by root 2: 12.71.
    """
    fd = {0.25: (9.0, 8.0), 0.5: (10.0, 11.0), 1.0: (10.0, 11.0)}
    rows = [row(ORIGINAL, 99, 100, seed) for seed in (0, 1)]
    for radius, values in fd.items():
        name, notes = at_radius("latent", radius), {"shift": 11 * radius}
        rows += [row(name, 0, 2, seed) | {"notes": notes} for seed in range(len(values))]
    for one in rows:
        value = next((v[one["seed"]] for r, v in fd.items() if one["row"].endswith(f" {r:g}")), 5.0)
        filled = dict.fromkeys(generation.BY_RADIUS, one["measured"][FA])
        one["measured"] = {**filled, **one["measured"], "FD": {"value": value}}
    settings = SETTINGS | {"models": 0, "seeds": 2}
    monkeypatch.setattr(generation, "load", lambda name: {"settings": settings, "rows": rows})
    text = generation.radii("generation-digits-radii")
    assert "| latent, radius 0.25 | 2 | -2.00 | -14.71 to 10.71 |" in text
    assert "| latent, radius 0.5 | 2 | 0.00 | 0.00 to 0.00 |" in text
    assert "| latent, radius 1 | 2 | 11.0 (11.0 to 11.0) | 0.00 (0.00 to 0.00) |" in text
    assert "random shift" not in text and "models without the class" not in text
