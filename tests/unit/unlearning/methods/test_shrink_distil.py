"""Shrink, perturb, distil: where the student begins, and whom it listens to."""

from __future__ import annotations

import pytest
import torch

from tests.unit import toys
from unlearning import networks
from unlearning.errors import UsageError
from unlearning.methods.shrink_distil import ShrinkDistil
from unlearning.outputs import logits_of
from unlearning.training.loop import silent


def still(**settings: float) -> ShrinkDistil:
    """A method whose step moves nothing that float32 shows."""
    return ShrinkDistil(
        epochs=1, learning_rate=1e-30, weight_decay=0.0, precision="fp32", **settings
    )


def test_weights_are_a_mixture_of_old_and_fresh() -> None:
    original = toys.trained()
    made = still(shrink=0.2, noise=0.3).unlearn(original, toys.split(), toys.generator(5), silent)
    fresh = networks.build(toys.RECIPE, toys.generator(5))
    for mine, old, new in zip(*(n.parameters() for n in (made, original, fresh)), strict=True):
        torch.testing.assert_close(mine, 0.2 * old + 0.3 * new)


def test_batch_norm_counts_from_the_start() -> None:
    """Of the original's statistics nothing is left: one epoch of 48 in batches of 64 is one."""
    made = still().unlearn(toys.trained(), toys.split(), toys.generator(), silent)
    counted = {n: b for n, b in made.named_buffers() if n.endswith("num_batches_tracked")}
    assert {int(count) for count in counted.values()} == {1}


def test_frozen_weights_stay() -> None:
    original = toys.frozen()
    made = still().unlearn(original, toys.split(), toys.generator(), silent)
    before, after = original.state_dict(), made.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    last = next(n for n, m in original.named_modules() if m is original.last_layer)
    assert moved == {f"{last}.weight", f"{last}.bias"}


def test_it_learns_from_the_teacher_and_not_from_labels() -> None:
    original, split = toys.trained(), toys.split()
    split.retain.labels[:] = 0
    method = ShrinkDistil(epochs=40, precision="fp32")
    made = method.unlearn(original, split, toys.generator(), silent)
    told, taught = (logits_of(of, split.test).argmax(1) for of in (original, made))
    assert (told == taught).mean() > 0.9


@pytest.mark.parametrize("settings", [{"shrink": 1.1}, {"noise": -0.1}, {"retain_share": 0.0}])
def test_settings_without_a_meaning_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="shrink_distil: got shrink"):
        ShrinkDistil(**settings)  # type: ignore[arg-type]
