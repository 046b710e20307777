"""Generators: what a fresh one says, and how it travels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.unit.unlearning.generation import small
from unlearning.errors import NotSafetensors, UsageError
from unlearning.generation import generators
from unlearning.generation.dit import DiT
from unlearning.generation.generators import with_row_moved
from unlearning.generation.recipe import GeneratorRecipe

UNET = GeneratorRecipe(network="unet", classes=3, channels=1, size=8, width=8, timesteps=100)


def batch(recipe: GeneratorRecipe, count: int = 2) -> tuple[torch.Tensor, ...]:
    shape = (count, recipe.channels, recipe.size, recipe.size)
    x = torch.randn(shape, generator=small.chance())
    return x, torch.full((count,), 7), torch.arange(count)


def test_a_fresh_transformer_says_nothing() -> None:
    """adaLN-zero: the last layer and all gates begin at zero."""
    made = generators.build(small.RECIPE, small.chance())
    assert torch.equal(made(*batch(small.RECIPE)), torch.zeros(2, 1, 4, 4))


def test_a_patch_goes_where_it_came_from() -> None:
    """Tokens cut from a picture, row by row, are laid out as that picture."""
    body = generators.build(small.RECIPE, small.chance()).body
    assert isinstance(body, DiT)
    picture = torch.arange(16.0).reshape(1, 1, 4, 4)
    cut = picture.reshape(1, 1, 2, 2, 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(1, 4, 4)
    assert torch.equal(body._laid_out(cut), picture)


@pytest.mark.parametrize("recipe", [small.RECIPE, UNET], ids=["dit", "unet"])
def test_a_file_is_complete(recipe: GeneratorRecipe, tmp_path: Path) -> None:
    made = generators.build(recipe, small.chance()).eval()
    assert made.table.weight.shape == (4, made.table.embedding_dim)  # three classes, and none
    digest = generators.save(made, tmp_path / "g.safetensors")
    read = generators.load(tmp_path / "g.safetensors")
    assert read.recipe == recipe and small.states_equal(read, made)
    assert torch.equal(read(*batch(recipe)), made(*batch(recipe)))
    assert generators.save(read, tmp_path / "again.safetensors") == digest


def test_other_files_are_refused(tmp_path: Path) -> None:
    pickle, strange, cut = (tmp_path / f"{name}.safetensors" for name in "abc")
    pickle.write_bytes(b"\x80\x04 this is no file of weights")
    with pytest.raises(NotSafetensors):
        generators.load(pickle)
    save_file({"a": torch.zeros(1)}, strange)
    with pytest.raises(UsageError, match="no recipe of a generator"):
        generators.load(strange)
    save_file({"a": torch.zeros(1)}, cut, metadata={"recipe": small.RECIPE.as_text()})
    with pytest.raises(UsageError, match="is missing"):
        generators.load(cut)


def test_building_leaves_the_global_chance_alone() -> None:
    before = torch.random.get_rng_state()
    one, other = (generators.build(small.RECIPE, small.chance(seed)) for seed in (0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.equal(one.table.weight, other.table.weight)


@pytest.mark.parametrize(
    "wrong",
    [{"network": "gan"}, {"classes": 0}, {"size": 2.5}, {"beta_first": 0.5, "beta_last": 0.1}],
)
def test_a_recipe_of_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="generator"):
        replace(small.RECIPE, **wrong)  # type: ignore[arg-type]


def test_a_network_that_cannot_be_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="cannot be built"):
        generators.build(replace(UNET, width=3), small.chance())  # no groups of 8


def test_a_moved_row_changes_its_label_alone() -> None:
    """A shift that another row is away makes a label say what that other one says."""
    made = small.generator()
    x, t, _ = batch(small.RECIPE, 2)
    rows = made.table.weight.detach()
    moved = with_row_moved(made, 1, rows[2] - rows[1])
    one, two, zero = (torch.full_like(t, label) for label in (1, 2, 0))
    torch.testing.assert_close(moved(x, t, one), made(x, t, two))
    torch.testing.assert_close(moved(x, t, zero), made(x, t, zero))
    assert torch.equal(made.table.weight, rows)
