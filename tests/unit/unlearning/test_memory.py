"""Memory that does not do for a batch: planted, and what training and unlearning make of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from systems.compute.producing import make_method, train_network, unlearn
from systems.compute.search import candidate_of
from tests.unit import toys
from unlearning import networks
from unlearning.digests import sha256_file
from unlearning.errors import Hindered
from unlearning.memory import in_parts, room
from unlearning.networks import NETWORKS, Classifier, Recipe
from unlearning.outputs import logits_of
from unlearning.training.loop import Training

PLAIN = Recipe(network="vit-digits", classes=3, channels=1, size=8, mean=(0.5,), std=(0.25,))
TRAINING = Training(epochs=2, batch_size=16, learning_rate=0.02, precision="fp32")
OOM = "[enforce fail at alloc_cpu.cpp:113] . DefaultCPUAllocator: can't allocate memory"


class Small(nn.Module):
    """A body for which memory does for `largest` examples only, on the way there or back."""

    def __init__(self, body: nn.Module, largest: int, problem: Exception, *, back: bool) -> None:
        super().__init__()
        self.body, self.largest, self.problem, self.back = body, largest, problem, back

    def forward(self, images: Tensor) -> Tensor:
        there: Tensor = self.body(images)
        if len(images) > self.largest:
            if not self.back:
                raise self.problem
            if there.requires_grad:
                there.register_hook(self._fail)
        return there

    def _fail(self, gradient: Tensor) -> None:
        raise self.problem


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let memory do for so many examples from now on."""

    def plant(largest: int, problem: Exception | None = None, *, back: bool = False) -> None:
        error = problem or RuntimeError(OOM)

        def cut(body: nn.Module, images: Tensor) -> Tensor:
            return in_parts(Small(body, largest, error, back=back), images)

        monkeypatch.setattr(networks, "in_parts", cut)

    return plant


def weights(path: Path) -> Tensor:
    return torch.cat([p.detach().flatten() for p in networks.load(path).parameters()])


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("problem", [MemoryError(), RuntimeError(OOM), torch.OutOfMemoryError("x")])
def test_training_goes_on_in_parts_and_learns_the_same(
    planted: Callable[..., None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    problem: Exception,
    back: bool,
) -> None:
    """Without batch normalisation the step of a batch is the sum over its parts."""
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    examples = toys.examples(48)
    first = train_network(examples, PLAIN, TRAINING, 7, whole)
    planted(4, problem, back=back)
    with caplog.at_level(logging.WARNING):
        second = train_network(examples, PLAIN, TRAINING, 7, cut)
    assert (first.parts, second.parts) == (1, 4)
    assert "batches of 16 go on in 4 parts" in caplog.text
    assert second.sha256 == sha256_file(cut)
    assert torch.allclose(weights(whole), weights(cut), atol=1e-4)
    assert np.allclose(first.losses, second.losses, atol=1e-4)


@pytest.mark.parametrize("name", ["finetune", "retrain", "scrub", "salun", "famr"])
def test_unlearning_begins_again_in_parts(
    planted: Callable[..., None], tmp_path: Path, name: str
) -> None:
    original = tmp_path / "original.safetensors"
    networks.save(toys.trained(), original)
    settings: dict[str, Any] = {} if name == "retrain" else {"batch_size": 16, "epochs": 1}
    method = make_method(name, settings, toys.TRAINING)
    planted(8, back=True)
    made = unlearn(original, toys.split(forget=16), method, 3, tmp_path / "made.safetensors")
    assert made.parts == 2
    assert made.sha256 == sha256_file(tmp_path / "made.safetensors")
    assert all(np.isfinite(made.losses))


def test_what_does_not_fit_in_the_smallest_parts_is_a_failed_attempt(
    planted: Callable[..., None], tmp_path: Path
) -> None:
    """Another method may take less."""
    original = tmp_path / "original.safetensors"
    networks.save(toys.trained(), original)
    planted(1)
    method = make_method("finetune", {"batch_size": 16, "epochs": 1}, toys.TRAINING)
    with pytest.raises(Hindered, match="memory: got less"):
        unlearn(original, toys.split(), method, 3, tmp_path / "made.safetensors")


@pytest.mark.parametrize("fits", [4, 1])
def test_a_rehearsal_puts_up_with_as_little_and_tells_nothing_of_less(
    planted: Callable[..., None], fits: int
) -> None:
    """As a run does: its batches are cut, and what does not fit at all is nobody's failure."""
    stage: Any = SimpleNamespace(original=toys.trained(), split=toys.split())
    method = make_method("finetune", {"batch_size": 16, "epochs": 1}, toys.TRAINING)
    planted(fits)
    if fits == 1:
        with pytest.raises(Hindered, match="memory: got less"):
            candidate_of(stage, method, 3, None)
    else:
        assert candidate_of(stage, method, 3, None).recipe == toys.RECIPE


def test_other_errors_are_raised_at_once(planted: Callable[..., None]) -> None:
    planted(4, RuntimeError("shapes differ"))
    network = toys.trained
    with pytest.raises(RuntimeError, match="shapes differ"):
        network()


def test_answers_are_the_same_in_halves(planted: Callable[..., None]) -> None:
    network, examples = toys.trained(), toys.examples(50)
    before = logits_of(network, examples)
    planted(7)
    assert np.allclose(logits_of(network, examples), before, atol=1e-5)


def test_a_part_that_is_computed_again_is_seen_once_by_batch_normalisation() -> None:
    network = networks.build(toys.RECIPE, toys.generator()).train()
    images = torch.rand(8, 1, 8, 8)
    with room() as found:
        found.parts = 2
        logits = network(images)
        before = {name: buffer.clone() for name, buffer in network.named_buffers()}
        logits.sum().backward()
    after = dict(network.named_buffers())
    assert any("num_batches" in name for name in before)
    assert all(torch.equal(buffer, after[name]) for name, buffer in before.items())


def test_whole_batches_take_the_way_that_they_always_took() -> None:
    network = networks.build(toys.RECIPE, toys.generator()).train()
    assert isinstance(network, Classifier) and "vit-digits" in NETWORKS
    images = torch.rand(8, 1, 8, 8)
    with room():
        graph = network(images).grad_fn
    assert type(graph).__name__ != "CatBackward0"
