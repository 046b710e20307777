"""Drawing pictures: guidance by hand, and what a drawn picture is."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unit.unlearning.generation import small
from unlearning.errors import Diverged, UsageError
from unlearning.generation.ddim import Ddim
from unlearning.generation.sampling import (
    Sampler,
    _scheduler,
    drawn,
    guided,
    sampled,
    scale_of,
)


def told(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
    """5 with a label, 2 without."""
    return torch.where(labels == 3, 2.0, 5.0)[:, None, None, None].expand_as(x)


def at(scale: float) -> float:
    x, t = torch.zeros(2, 1, 4, 4), torch.zeros(2)
    found = guided(told, 3, scale)(x, t, torch.tensor([0, 1]))
    assert found.shape == x.shape and bool((found == found[0, 0, 0, 0]).all())
    return float(found[0, 0, 0, 0])


def test_guidance_by_hand() -> None:
    """free + s (own - free) = 2 + 3 s; the other convention is (1 + w) 5 - w 2."""
    assert [at(0), at(1), at(2)] == [2, 5, 8]
    assert at(scale_of(2.0)) == (1 + 2) * 5 - 2 * 2


def test_guidance_of_one_asks_the_network_once() -> None:
    assert guided(told, 3, 1.0) is told


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm"])
def test_pictures_are_pixels_of_what_was_asked(scheduler: str) -> None:
    labels, steps = torch.tensor([0, 1, 2]), []
    sampler = Sampler(scheduler=scheduler, steps=4, eta=1.0)
    made = small.generator()
    found = sampled(made, labels, sampler, small.chance(), lambda *done: steps.append(done))
    assert found.images.dtype == np.uint8 and found.images.shape == (3, 1, 4, 4)
    assert found.labels.tolist() == [0, 1, 2] and steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    again = sampled(made, labels, sampler, small.chance())
    assert np.array_equal(found.images, again.images)


def test_what_is_no_number_is_no_black_picture() -> None:
    """A judge would take it for none of the classes, and so for forgotten."""
    network = small.overflowing()
    assert all(bool(torch.isfinite(weight).all()) for weight in network.parameters())
    sampled(network, torch.tensor([0, 2]), Sampler(steps=2), small.chance())
    with pytest.raises(Diverged, match="no finite numbers"):
        sampled(network, torch.tensor([0, 1]), Sampler(steps=2), small.chance())


def test_steps_end_at_the_last_timestep() -> None:
    """Trailing: of 100 timesteps in 4 steps the first is 99, which is nearly noise alone."""
    made, _ = _scheduler(small.RECIPE, Sampler(steps=4))
    assert made.timesteps.tolist() == [99, 74, 49, 24]


@pytest.mark.parametrize(("steps", "eta"), [(4, 0.0), (7, 0.0), (4, 1.0)])
def test_without_diffusers_ddim_draws_the_same(
    monkeypatch: pytest.MonkeyPatch, steps: int, eta: float
) -> None:
    """By the paper's formula beside diffusers': from one start, with the same fresh noise."""
    network, start = small.generator(), torch.randn(3, 1, 4, 4, generator=small.chance())
    labels, sampler = torch.tensor([0, 1, 2]), Sampler(steps=steps, eta=eta)
    both = [drawn(network, small.RECIPE, start, labels, sampler, small.chance(1))]
    monkeypatch.setitem(sys.modules, "diffusers", None)
    assert isinstance(_scheduler(small.RECIPE, sampler)[0], Ddim)
    both.append(drawn(network, small.RECIPE, start, labels, sampler, small.chance(1)))
    torch.testing.assert_close(*both, rtol=0, atol=2e-5)


def test_a_step_of_ddim_by_hand() -> None:
    """From a share of .81 kept to the picture itself: (x - sqrt(.19) noise) / .9, at most 1."""
    recipe = replace(small.RECIPE, timesteps=1, beta_first=0.19, beta_last=0.19)
    x, noise = torch.full((1, 1, 4, 4), 0.5), torch.full((1, 1, 4, 4), 0.2)
    for clip, own in ((False, x), (True, 3 * x)):
        found = Ddim(recipe, 1, clip=clip).step(noise, torch.tensor(0), own, small.chance(), 0.0)
        wanted = 1.0 if clip else (0.5 - 0.19**0.5 * 0.2) / 0.9
        assert float(found.prev_sample[0, 0, 0, 0]) == pytest.approx(wanted, rel=1e-5)


def test_without_diffusers_ddpm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(UsageError, match="extra `generation`"):
        sampled(small.generator(), torch.tensor([0]), Sampler(scheduler="ddpm"), small.chance())


def test_what_cannot_be_drawn_with_is_refused() -> None:
    for wrong in ({"scheduler": "euler"}, {"steps": 0}, {"guidance": -1.0}):
        with pytest.raises(UsageError, match="sampler"):
            Sampler(**wrong)  # type: ignore[arg-type]
