"""Networks: built, saved as safetensors, loaded, and refused in any other shape."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.unit import toys
from unlearning import networks
from unlearning.errors import IntegrityError, NotSafetensors, UnknownName, UsageError
from unlearning.networks import Recipe


def pixels(recipe: Recipe, n: int = 2) -> torch.Tensor:
    shape = (n, recipe.channels, recipe.size, recipe.size)
    return torch.randint(256, shape, generator=toys.generator()).to(torch.uint8)


@pytest.mark.parametrize(
    ("name", "size", "channels"),
    [
        ("conv-small", 8, 1),
        ("conv-medium", 28, 3),
        ("conv-whitened", 32, 3),
        ("resnet20", 32, 3),
        ("resnet18-cifar", 32, 3),
        ("vit-digits", 8, 1),
        ("resnet18", 32, 3),
        ("vit_tiny_patch16_224", 32, 3),
    ],
)
def test_networks_answer_with_one_logit_a_class(name: str, size: int, channels: int) -> None:
    recipe = replace(
        toys.RECIPE,
        network=name,
        size=size,
        channels=channels,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )
    assert networks.build(recipe).eval()(pixels(recipe)).shape == (2, 3)


def test_the_sizes_of_the_cifar_resnets_are_the_published_ones() -> None:
    """With ten classes. Shortcut A has no parameters; ResNet-18's three shortcuts B have:

    stem 3 * 64 * 9 + 128; blocks of equal width w: 18 w^2 + 4 w (twice 64, once 128, 256, 512);
    growing to w from w / 2: 13.5 w^2 + 4 w and the shortcut's w^2 / 2 + 2 w; head 5,130.
    """
    grown = sum(14 * w**2 + 6 * w for w in (128, 256, 512))
    equal = sum(18 * w**2 + 4 * w for w in (64, 64, 128, 256, 512))
    assert 3 * 64 * 9 + 128 + grown + equal + 5_130 == 11_173_962
    recipe = replace(toys.RECIPE, classes=10, channels=3, size=32, mean=(0.5,) * 3, std=(0.25,) * 3)
    sizes = {"resnet20": 269_722, "resnet56": 853_018, "resnet18-cifar": 11_173_962}
    for name, expected in sizes.items():
        network = networks.build(replace(recipe, network=name))
        assert sum(p.numel() for p in network.parameters()) == expected


RESNET18 = replace(
    toys.RECIPE, network="resnet18-cifar", size=8, channels=3, mean=(0.5,) * 3, std=(0.25,) * 3
)


def test_resnet_18_for_small_images_halves_them_three_times() -> None:
    """Stride 1 and no pooling at first: 8 pixels stay 8 through the stem and the first stage."""
    network, found = networks.build(RESNET18).eval(), []
    for number in (1, 2, 3, 4):
        stage = network.body.get_submodule(f"layer{number}")
        stage.register_forward_hook(lambda _, given, output: found.append(tuple(output.shape[1:])))
    network(pixels(RESNET18))
    assert found == [(64, 8, 8), (128, 4, 4), (256, 2, 2), (512, 1, 1)]


def test_one_example_alone_cannot_be_normalised_and_is_refused_by_name() -> None:
    """At the last stage one picture is one value a channel: there is no deviation."""
    network = networks.build(RESNET18)
    with pytest.raises(UsageError, match="resnet18-cifar: cannot train on one example alone"):
        network.train()(pixels(RESNET18, 1))
    assert network.eval()(pixels(RESNET18, 1)).shape == (1, 3)


def test_resnet_18_comes_back_from_its_file(tmp_path: Path) -> None:
    network = networks.build(RESNET18, toys.generator()).eval()
    networks.save(network, tmp_path / "network.safetensors")
    loaded, raw = networks.load(tmp_path / "network.safetensors"), pixels(RESNET18)
    assert loaded.recipe == RESNET18
    torch.testing.assert_close(loaded(raw), network(raw))


def test_a_step_of_resnet_18_lowers_its_loss() -> None:
    """The gradient's own first order: a step of rate r lowers the loss by about r |g|^2."""
    network, raw = networks.build(RESNET18, toys.generator()).train(), pixels(RESNET18, 12)
    labels, optimiser = torch.arange(12) % 3, torch.optim.SGD(network.parameters(), 1e-4)
    losses = []
    for _ in range(2):
        loss = functional.cross_entropy(network(raw), labels)
        optimiser.zero_grad()
        loss.backward()
        squares = sum(float(p.grad.square().sum()) for p in network.parameters())  # type: ignore[union-attr]
        optimiser.step()
        losses.append((loss.item(), squares))
    (before, squares), (after, _) = losses
    assert 0.5 < (before - after) / (1e-4 * squares) < 1.5


def test_normalisation_is_inside_and_bytes_equal_fractions() -> None:
    network = networks.build(toys.RECIPE, toys.generator()).eval()
    raw = pixels(toys.RECIPE)
    torch.testing.assert_close(network(raw), network(raw.float() / 255))


def test_fresh_weights_follow_from_the_generator_alone() -> None:
    states = [networks.build(toys.RECIPE, toys.generator(s)).state_dict() for s in (1, 1, 2)]
    key = "body.0.weight"
    assert torch.equal(states[0][key], states[1][key])
    assert not torch.equal(states[0][key], states[2][key])


def test_a_saved_network_comes_back_with_its_recipe_and_the_same_bytes(tmp_path: Path) -> None:
    network = toys.trained()
    digests = [networks.save(network, tmp_path / f"{i}.safetensors") for i in range(2)]
    loaded = networks.load(tmp_path / "0.safetensors")
    assert digests[0] == digests[1]
    assert loaded.recipe == network.recipe
    raw = pixels(toys.RECIPE)
    torch.testing.assert_close(loaded(raw), network(raw))  # the memory layout may differ


def test_a_pickle_is_refused_unopened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "exploded",))  # type: ignore[return-value]

    path = tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(NotSafetensors, match="pickle"):
        networks.load(path, toys.RECIPE)
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(NotSafetensors, match="expected safetensors"):
        networks.load(path, toys.RECIPE)
    assert not (tmp_path / "exploded").exists()


def test_truncated_weights_are_an_integrity_alarm(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    networks.save(toys.trained(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="damaged"):
        networks.load(path)


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    network = networks.build(toys.RECIPE)
    networks.save_file({"fc.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(UsageError, match=r"tensor .* is missing"):
        networks.load(path, network.recipe)
    with pytest.raises(UsageError, match="no recipe"):
        networks.load(path)


def test_unknown_networks_are_named() -> None:
    with pytest.raises(UnknownName, match="known are conv-medium, conv-small, conv-whitened"):
        networks.build(replace(toys.RECIPE, network="perceptron-9000"))
