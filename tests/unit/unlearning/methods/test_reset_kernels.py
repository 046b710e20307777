"""Kernels that begin elsewhere: mirrored ones, and those whose least wanted weights are fresh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.unit import toys
from unlearning import networks
from unlearning.errors import UsageError
from unlearning.methods.conv_transpose import ConvTranspose, mirrored
from unlearning.methods.masked_small_gradients import MaskedSmallGradients
from unlearning.outputs import logits_of
from unlearning.training.loop import silent
from unlearning.training.saliency import gradient

STILL = {"learning_rate": 1e-30, "weight_decay": 0.0, "precision": "fp32", "epochs": 1}
"""A step that moves nothing that float32 shows."""


def kernels(network: nn.Module) -> list[torch.Tensor]:
    return [m.weight.detach() for m in network.modules() if isinstance(m, nn.Conv2d)]


def others(network: nn.Module) -> list[torch.Tensor]:
    own = {id(m.weight) for m in network.modules() if isinstance(m, nn.Conv2d)}
    return [p.detach() for p in network.parameters() if id(p) not in own]


def test_a_mirrored_network_answers_mirrored_images_as_the_original_answers_images() -> None:
    """But for its last layer, which reads places: here a mean over all pixels comes before it."""
    recipe = replace(toys.RECIPE, network="resnet20")
    original = networks.build(recipe, toys.generator()).eval()
    images = toys.examples(8)
    turned = replace(images, images=np.ascontiguousarray(images.images.transpose(0, 1, 3, 2)))
    found, wanted = logits_of(mirrored(original), turned), logits_of(original, images)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_it_begins_with_the_mirrored_kernels_and_all_else_as_it_was() -> None:
    original = toys.trained()
    made = ConvTranspose(**STILL).unlearn(original, toys.split(), toys.generator(), silent)
    for mine, old in zip(kernels(made), kernels(original), strict=True):
        assert torch.equal(mine, old.transpose(2, 3)) and not torch.equal(mine, old)
    assert all(torch.equal(*pair) for pair in zip(others(made), others(original), strict=True))


def test_three_tenths_of_each_kernel_are_fresh_those_of_least_gradient() -> None:
    """30 % of 288 weights are 86; with as many retained examples the draw is all of them."""
    original, split = toys.trained(), toys.split(forget=48)
    method = MaskedSmallGradients(**STILL, share=0.3)
    made = method.unlearn(original, split, toys.generator(3), silent)
    parts = split.retain, split.forget
    keep, forget = (gradient(original, part, batch_size=7) for part in parts)
    names = [name for name, _ in original.named_parameters()]
    size = {n: (k - f).abs() for n, k, f in zip(names, keep, forget, strict=True)}
    for name, module in original.named_modules():
        if isinstance(module, nn.Conv2d):
            moved = made.get_submodule(name).weight != module.weight
            assert int(moved.sum()) == round(0.3 * module.weight.numel())
            least = size[f"{name}.weight"]
            assert least[moved].max() <= least[~moved].min()
    assert all(torch.equal(*pair) for pair in zip(others(made), others(original), strict=True))


def test_fresh_weights_are_drawn_as_he_et_al_do() -> None:
    """Deviation sqrt(2 / (64 channels * 9)) = .0589 where all of 32 x 64 kernels are fresh."""
    original = toys.trained()
    method = MaskedSmallGradients(**STILL, share=1.0)
    made = method.unlearn(original, toys.split(), toys.generator(), silent)
    drawn = kernels(made)[1]
    assert drawn.shape == (64, 32, 3, 3)
    assert float(drawn.std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.03)


def test_what_is_held_at_zero_stays_where_it_was() -> None:
    """Only fresh weights of kernels, and what is no kernel, learn."""
    original = toys.trained()
    method = MaskedSmallGradients(epochs=2, held=0.0, weight_decay=0.0, precision="fp32")
    made = method.unlearn(original, toys.split(), toys.generator(), silent)
    for mine, old in zip(kernels(made), kernels(original), strict=True):
        assert int((mine == old).sum()) == old.numel() - round(0.3 * old.numel())


def test_a_tenth_of_the_gradient_moves_a_tenth_as_far() -> None:
    """One step without momentum from the same weights, by .1 and by all of the gradient."""
    original, split = toys.trained(), toys.split()
    step = {**STILL, "schedule": "constant", "momentum": 0.0, "learning_rate": 0.1}
    made = [
        kernels(MaskedSmallGradients(**s).unlearn(original, split, toys.generator(), silent))
        for s in (STILL, {**step, "held": 0.1}, {**step, "held": 1.0})
    ]
    for old, start, slow, fast in zip(kernels(original), *made, strict=True):
        own = start == old
        torch.testing.assert_close((slow - old)[own], (fast - old)[own] / 10, rtol=1e-2, atol=1e-7)
        assert torch.equal(slow[~own], fast[~own])


@pytest.mark.parametrize("method", [ConvTranspose(), MaskedSmallGradients()])
def test_a_network_whose_kernels_are_frozen_is_refused(
    method: ConvTranspose | MaskedSmallGradients,
) -> None:
    with pytest.raises(UsageError, match=f"{method.name}: got a network without"):
        method.unlearn(toys.frozen(), toys.split(), toys.generator(), silent)


@pytest.mark.parametrize(
    "settings", [{"share": 0.0}, {"share": 1.1}, {"held": -0.1}, {"held": 2.0}]
)
def test_settings_without_a_meaning_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="masked_small_gradients: got share"):
        MaskedSmallGradients(**settings)  # type: ignore[arg-type]
