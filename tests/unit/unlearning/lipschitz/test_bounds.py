"""The product of norms bounds how far answers move, for networks of layers in a row."""

from __future__ import annotations

import math

import pytest
import torch

from tests.unit import toys
from unlearning import networks
from unlearning.errors import UsageError
from unlearning.lipschitz.bounds import bound_of, norm
from unlearning.lipschitz.operators import operators_of
from unlearning.networks import Recipe


def test_answers_move_by_no_more_than_the_product_of_norms() -> None:
    """In pixels: the toy recipe divides them by .25."""
    network = toys.trained()
    operators = operators_of(network, torch.zeros(1, 1, 8, 8))
    bound = bound_of(network)
    assert bound == pytest.approx(math.prod(map(norm, operators)) / 0.25, rel=1e-4)
    one, other = torch.rand((2, 64, 1, 8, 8), generator=toys.generator())
    with torch.no_grad():
        moved = (network(one) - network(other)).norm(dim=1)
    assert (moved <= bound * (one - other).flatten(1).norm(dim=1)).all()


@pytest.mark.parametrize("name", ["resnet20", "vit-digits"])
def test_where_a_product_is_no_bound_there_is_none(name: str) -> None:
    recipe = Recipe(network=name, classes=3, channels=1, size=8, mean=(0.5,), std=(0.25,))
    with pytest.raises(UsageError, match="would be no bound"):
        bound_of(networks.build(recipe, toys.generator()))
