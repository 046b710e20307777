"""Rates by layer and warm-up: what a vision transformer is fine-tuned with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.unit import toys
from unlearning import networks
from unlearning.domain import Examples
from unlearning.errors import UsageError
from unlearning.methods.finetune import FineTune
from unlearning.training.layers import rates
from unlearning.training.loop import Training, learning_rate_factor, silent, train

VIT = replace(toys.RECIPE, network="vit-digits")
"""Four blocks: six groups of layers with the patches' before and the norm and head behind them."""


def moved(training: Training, network: networks.Classifier, examples: Examples) -> dict[str, float]:
    """Train a copy for a step of plain descent; give how far each parameter moved, largest."""
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    train(network, examples, training, toys.generator())
    return {n: float((p.detach() - before[n]).abs().max()) for n, p in network.named_parameters()}


def test_rates_fall_by_the_factor_from_layer_to_layer() -> None:
    """1 for the head, .5 for the last block and the norm behind it, .5 ** 5 for the patches."""
    network = networks.build(VIT, toys.generator())
    found = rates(network, 0.5)
    by_name = {name.removeprefix("body."): found[p] for name, p in network.named_parameters()}
    expected = {"head.weight": 1.0, "norm.bias": 0.5, "patch_embed.proj.weight": 0.5**5}
    expected |= {"cls_token": 0.5**5, "pos_embed": 0.5**5}
    expected |= {f"blocks.{n}.mlp.fc1.weight": 0.5 ** (4 - n) for n in range(4)}
    assert {name: by_name[name] for name in expected} == expected
    assert len(by_name) == len(list(network.parameters()))


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_step_goes_as_far_as_its_rate(optimiser: str) -> None:
    """One step without decay: a parameter moves by .5 ** k of what it moves where all are alike."""
    examples = toys.examples(16)
    plain = Training(
        epochs=1,
        batch_size=16,
        learning_rate=1e-3,
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
        optimiser=optimiser,
        precision="fp32",
    )
    alike, slower = (
        moved(how, networks.build(VIT, toys.generator()), examples)
        for how in (plain, replace(plain, layer_decay=0.5))
    )
    for name, power in (("body.head.weight", 0), ("body.blocks.3.norm1.weight", 1)):
        assert slower[name] == pytest.approx(0.5**power * alike[name], rel=1e-3)
    name = "body.patch_embed.proj.weight"
    assert slower[name] == pytest.approx(0.5**5 * alike[name], rel=1e-2)


def test_the_rate_rises_along_a_line_and_then_follows_its_schedule() -> None:
    """A tenth of 40 steps: 1/5, 2/5, 3/5, 4/5, then a cosine over the other 36, half way at 22."""
    found = [learning_rate_factor(s, 40, schedule="cosine", warmup=0.1) for s in range(40)]
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[22] == pytest.approx(0.5)
    still = [learning_rate_factor(s, 40, schedule="constant", warmup=0.1) for s in range(40)]
    assert still[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8]) and set(still[4:]) == {1.0}
    at_once = [learning_rate_factor(s, 40, schedule="one_cycle", warmup=0.0) for s in range(40)]
    assert at_once[0] == 1.0 and at_once == sorted(at_once, reverse=True)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "constant"])
def test_what_is_off_changes_no_bit(schedule: str) -> None:
    """The schedules as they were, written down; all layers alike is no group of its own."""

    def before(step: int, total: int) -> float:
        if schedule == "constant":
            return 1.0
        warmup = total / 5 if schedule == "one_cycle" else 0.0
        if step < warmup:
            return (step + 1) / (warmup + 1)
        share = (step - warmup) / max(1.0, total - warmup)
        return float(0.5 * (1 + torch.cos(torch.tensor(torch.pi * min(1.0, share)))))

    for total in (1, 7, 33, 120):
        found = [learning_rate_factor(step, total, schedule=schedule) for step in range(total)]
        assert found == [before(step, total) for step in range(total)]
    assert rates(networks.build(toys.RECIPE, toys.generator()), 1.0) == {}
    assert not Training(schedule=schedule).as_record().keys() & {"layer_decay", "warmup"}


def test_fine_tuning_has_them_too() -> None:
    network = networks.build(VIT, toys.generator()).eval()
    settings = {"epochs": 1, "precision": "fp32", "learning_rate": 0.1}
    plain, slower = (
        FineTune(**settings, layer_decay=decay, warmup=0.5).unlearn(
            network, toys.split(), toys.generator(), silent
        )
        for decay in (1.0, 0.1)
    )
    name = "body.patch_embed.proj.weight"
    start = network.state_dict()[name]
    far, near = ((n.state_dict()[name] - start).abs().max() for n in (plain, slower))
    assert float(near) < 0.01 * float(far)


def test_a_network_without_an_order_of_layers_is_refused() -> None:
    with pytest.raises(UsageError, match="layers have no order"):
        rates(networks.build(toys.RECIPE, toys.generator()), 0.75)
    with pytest.raises(UsageError, match="layers have no order"):
        networks.check_ordered("resnet20")
    networks.check_ordered("vit-digits")
    networks.check_ordered("vit_tiny_patch16_224")


@pytest.mark.parametrize(
    "setting",
    [
        {"layer_decay": 0.0},
        {"layer_decay": 1.5},
        {"warmup": -0.1},
        {"warmup": 1.0},
        # a network of constants, which clipping takes hours to make; and no bound at all
        {"lipschitz": 1e-300},
        {"lipschitz": 1e300},
    ],
)
def test_settings_without_a_meaning_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"training.{next(iter(setting))}: got"):
        Training(**setting)  # type: ignore[arg-type]
