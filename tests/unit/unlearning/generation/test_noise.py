"""Noise and losses, by hand."""

from __future__ import annotations

import pytest
import torch

from tests.unit.unlearning.generation import small
from unlearning.generation.average import Average
from unlearning.generation.fitting import Fitting, fitted
from unlearning.generation.noise import (
    Noised,
    as_pixels,
    dropped,
    kept,
    losses,
    noised,
    pictures,
    summed,
)
from unlearning.generation.recipe import GeneratorRecipe


def test_what_is_left_of_a_picture() -> None:
    """Betas .1, .2, .3: what is left is .9, then .9 * .8, then .9 * .8 * .7."""
    recipe = GeneratorRecipe(
        network="dit", classes=1, channels=1, size=4, timesteps=3, beta_first=0.1, beta_last=0.3
    )
    torch.testing.assert_close(kept(recipe), torch.tensor([0.9, 0.72, 0.504]))


def test_a_noised_picture_is_picture_and_noise_in_their_shares() -> None:
    x0 = torch.full((2, 1, 4, 4), 0.5)
    at = noised(x0, small.RECIPE, small.chance(), torch.tensor([0, 99]))
    share = kept(small.RECIPE)[[0, 99]].reshape(2, 1, 1, 1)
    torch.testing.assert_close(at.x, share.sqrt() * 0.5 + (1 - share).sqrt() * at.noise)


def test_timesteps_come_in_pairs() -> None:
    """T is 100: of seven pictures three pairs add up to 99, and one is over."""
    t = noised(torch.zeros(7, 1, 4, 4), small.RECIPE, small.chance(), antithetic=True).t
    assert (t[:3] + t[4:]).tolist() == [99, 99, 99]


def test_losses_by_hand() -> None:
    """Told 1, noise 0 on sixteen pixels: the mean is 1, the published sum 16."""
    at = Noised(torch.zeros(2, 1, 4, 4), torch.zeros(2), torch.zeros(2, 1, 4, 4))

    def one(x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(x)

    assert losses(one, at, torch.zeros(2)).tolist() == [1, 1]
    assert losses(one, at, torch.zeros(2), "sum").tolist() == [16, 16]
    assert summed(one(at.x, at.t, at.t) - at.noise).tolist() == [16, 16]


def test_pictures_lie_in_their_range() -> None:
    x0, _ = pictures(small.examples(), torch.device("cpu"))
    assert x0.min() >= -1 and x0.max() <= 1
    assert as_pixels(torch.tensor([-3.0, -1.0, 0.0, 1.0])).tolist() == [0, 0, 0.5, 1]


def test_no_label_is_dropped_unless_asked() -> None:
    labels = torch.zeros(1000, dtype=torch.int64)
    assert dropped(labels, 3, 0.0, small.chance()) is labels
    share = float((dropped(labels, 3, 0.1, small.chance()) == 3).float().mean())
    assert 0.06 < share < 0.14  # four standard deviations of a binomial of 1,000


def test_the_average_of_weights_by_hand() -> None:
    """From 0, towards 1: .9 is kept in each step, so that .1 and then .19 is reached."""
    made = small.generator()
    row = made.table.weight
    with torch.no_grad():
        row.zero_()
    average = Average(made, 0.9)
    with torch.no_grad():
        row.fill_(1.0)
    for reached in (0.1, 0.19):
        average.follow()
        torch.testing.assert_close(average.network.table.weight, torch.full_like(row, reached))


def test_a_slow_average_holds_a_seventeenth_of_six_hundred_steps() -> None:
    assert pytest.approx(0.058, abs=1e-3) == 1 - 0.9999**600


def test_training_lowers_the_loss_and_repeats() -> None:
    told: list[float] = []
    few = Fitting(steps=80, batch_size=12, learning_rate=1e-2)
    once, raw = fitted(
        small.RECIPE, small.examples(), few, small.chance(), lambda *at: told.append(at[2])
    )
    again, _ = fitted(small.RECIPE, small.examples(), few, small.chance())
    assert told[-1] < 0.9 * told[0]
    assert small.states_equal(once, again) and not small.states_equal(once, raw)
