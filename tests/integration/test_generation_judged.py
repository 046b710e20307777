"""Who forgot at one guidance alone is refused, as `lethe judge` asks: four classes of squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.generation.planted import OnlyGuided
from unlearning import networks
from unlearning.domain import Decision, Examples, Outcome, Split
from unlearning.gates.generated import Concept, GeneratedUtility, Recovered
from unlearning.generation import generators
from unlearning.generation.fitting import Fitting, fitted
from unlearning.generation.generators import Generator
from unlearning.generation.judge import judge_of, with_none
from unlearning.generation.recipe import GeneratorRecipe
from unlearning.generation.sampling import Sampler
from unlearning.judging.candidates import Judged
from unlearning.judging.drawing import drawn_basis_of, judge_generator
from unlearning.training.loop import Training, silent

CLASSES, FORGOTTEN = 4, 3
RECIPE = GeneratorRecipe(
    network="dit", classes=CLASSES, channels=1, size=8, width=32, depth=2, heads=4
)
FITTING = Fitting(steps=250, batch_size=32, learning_rate=4e-3, ema=0.97)
GATES = (
    Concept(pictures=30),
    GeneratedUtility(each=10),
    Recovered(tuning_steps=2, shots=2, shot_steps=(1,), row_steps=2, guidances=(1.0,)),
)


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def squares(count: int, first: int) -> Examples:
    """Pictures of four classes, each with another quarter bright."""
    rng = np.random.default_rng(first)
    images, labels = rng.integers(0, 40, (count, 1, 8, 8)), np.arange(count) % CLASSES
    for image, label in zip(images, labels, strict=True):
        down, across = divmod(int(label), 2)
        image[0, 4 * down : 4 * down + 4, 4 * across : 4 * across + 4] += 190
    names = np.array([f"square/{first + number}" for number in range(count)])
    return Examples(images.astype(np.uint8), labels, names, names)


@pytest.fixture(scope="module")
def split() -> Split:
    every, none = squares(280, 0), squares(0, 0)
    own = every.labels == FORGOTTEN
    return Split(every.take(own), every.take(~own), none, none, CLASSES)


def trained(examples: Examples, seed: int) -> Generator:
    return fitted(RECIPE, examples, FITTING, chance(seed))[0]


def test_who_forgot_at_guidance_2_alone_is_refused(split: Split, tmp_path: Path) -> None:
    """At 2, as all is judged, it draws none of the class; at 1 it draws it, and no model does.

    The untouched generator draws it at 2.
    """
    seen = with_none(squares(120, 280), CLASSES)
    training = Training(epochs=8, batch_size=32, learning_rate=0.1, precision="fp32")
    networks.save(judge_of(seen, CLASSES + 1, chance(9), training), tmp_path / "judge")
    original = trained(squares(280, 0), 0)
    made = {"original": original} | {f"model-{n}": trained(split.retain, n) for n in (1, 2, 3)}
    planted = OnlyGuided(steps=60, batch_size=32, guidance=2.0)
    made["planted"] = planted.forget(original, split.handed(), chance(0), silent).network
    files = {name: tmp_path / f"{name}.safetensors" for name in made}
    for name, network in made.items():
        generators.save(network, files[name])
    models, sampler = [files[f"model-{n}"] for n in (1, 2, 3)], Sampler(steps=5, guidance=2.0)
    basis = drawn_basis_of(files["original"], split, tmp_path / "judge", models, GATES, sampler)

    def judged(name: str) -> Judged:
        return judge_generator(files[name], basis, GATES, level=0.95, exact=False)[0]

    untouched, found = judged("original"), judged("planted")
    said = {verdict.gate: verdict for verdict in found.verdicts}
    assert any(
        verdict.gate == "concept" and verdict.outcome is Outcome.FAILED
        for verdict in untouched.verdicts
    )
    assert said["concept"].outcome is not Outcome.FAILED
    assert said["recovery"].outcome is Outcome.FAILED
    assert said["recovery"].reason.startswith("guidance 1 ")
    assert found.decision is Decision.REFUSED
