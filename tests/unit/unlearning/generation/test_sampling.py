"""Drawing pictures: guidance by hand, and what a drawn picture is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unit.unlearning.generation import small
from unlearning.errors import Diverged, UsageError
from unlearning.generation.sampling import Sampler, _scheduler, guided, sampled, scale_of


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


def test_what_cannot_be_drawn_with_is_refused() -> None:
    for wrong in ({"scheduler": "euler"}, {"steps": 0}, {"guidance": -1.0}):
        with pytest.raises(UsageError, match="sampler"):
            Sampler(**wrong)  # type: ignore[arg-type]
