"""What single papers ask: the columns' arithmetic, and that what is looked at is not changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.asked import sfr_on, tables, trials, trw
from benchmarks.asked.tilted import Noisy, disturbed, spread_of
from benchmarks.asked.watched import Watched
from tests.unit import toys
from unlearning.domain import Group
from unlearning.methods.sfr_on import SfrOn
from unlearning.methods.trw import TiltedReweighting, class_similarity
from unlearning.training.loop import silent


def test_drift_is_of_the_retain_examples_alone() -> None:
    """p = (3/4, 1/4) before, q = (1/2, 1/2) after: .75 ln 1.5 + .25 ln .5, whatever else moves."""
    groups = [Group.FORGET, Group.RETAIN, Group.TEST]
    before = toys.outputs(np.log([[1.0, 9.0], [3.0, 1.0], [1.0, 9.0]]), np.zeros(3, int), groups)
    after = replace(before, logits=np.zeros((3, 2), np.float32))
    expected = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert trials.drift(before, after) == pytest.approx(expected, abs=1e-6)


def test_looking_at_a_run_does_not_change_it() -> None:
    split, original = toys.split(), toys.trained()
    settings = {"steps": 60, "forget_every": 5, "learning_rate": 0.01, "precision": "fp32"}
    seen: list[int] = []

    def look(step: int, network: nn.Module) -> None:
        assert not network.training
        seen.append(step)

    watched, plain = Watched(**settings, look=look), SfrOn(**settings)  # type: ignore[arg-type]
    runs = [m.unlearn(original, split, toys.generator(), silent) for m in (watched, plain)]
    assert seen == [20, 40]
    for key, value in runs[0].state_dict().items():
        assert torch.equal(value, runs[1].state_dict()[key])


def test_parts_of_sfr_on_differ_by_their_letter_alone() -> None:
    full = vars(sfr_on.PARTS["S+F+R-on"])
    off = {
        name: {key for key, value in vars(part).items() if value != full[key]}
        for name, part in sfr_on.PARTS.items()
    }
    assert off == {
        "S+F+R-on": set(),
        "F+R-on": {"saliency"},
        "R-on": {"saliency", "adaptive"},
        "R": {"saliency", "adaptive", "alternating"},
    }


def test_noise_on_similarities_is_noise_on_cosines() -> None:
    """The same cosines with the noise in them, sharpened anew, give the same."""
    cosines = torch.tensor([[1.0, 0.2, -0.4], [0.2, 1.0, 0.1], [-0.4, 0.1, 1.0]])
    off = 0.3 * torch.randn(3, 3, generator=torch.Generator().manual_seed(5))
    own = torch.eye(3).bool()

    def sharpened(values: torch.Tensor) -> torch.Tensor:
        return (values / 0.2).masked_fill(own, -torch.inf).softmax(1)

    rng = torch.Generator().manual_seed(5)
    found = disturbed(sharpened(cosines), 0.3, 0.2, rng)
    torch.testing.assert_close(found, sharpened(cosines + off))
    assert (found.diagonal() == 0).all()


def test_no_noise_is_trw_itself() -> None:
    split, original = toys.split(), toys.trained()
    plain, noisy = TiltedReweighting(), Noisy(noise=0.0)
    torch.testing.assert_close(
        noisy.targets(original, split.forget), plain.targets(original, split.forget)
    )


def test_spread_of_examples_is_between_none_and_all() -> None:
    split, original = toys.split(), toys.trained()
    forget = split.forget.take(split.forget.labels == split.forget.labels[0])
    found = spread_of(original, forget, TiltedReweighting())
    assert all(0 <= value <= 1 for value in found.values())
    single = spread_of(original, forget.take(np.arange(1)), TiltedReweighting())
    assert single["tv"] == pytest.approx(0, abs=1e-6)
    weights = original.last_layer.weight.detach()
    assert class_similarity(weights, None, 0.2).shape[0] == split.classes


def test_ulira_of_a_class_tells_those_apart_that_differ() -> None:
    """Four candidates 8 above four models without the class, of spread 1; and four like them."""
    draws = np.random.default_rng(0)
    never = draws.normal(size=(4, 200))
    far, like = (
        [{"signals": list(row)} for row in draws.normal(centre, size=(4, 200))]
        for centre in (8.0, 0.0)
    )
    told, same = trw.ulira(far, never), trw.ulira(like, never)
    assert told["ulira"] > 0.99 and told["accuracy"] > 0.95
    assert 0.4 < same["ulira"] < 0.6


def test_means_are_over_seeds_and_costs_of_each_seeds_retraining() -> None:
    def row(seed: int, name: str, found: float, passes: int) -> trials.Row:
        columns = {"FA": found, "drift": 0.1}
        cycles = [[20, 0.5 + seed], [40, 0.2]] if name == "a" else []
        shared = {"task": "random", "seed": seed, "row": name, "passes": passes}
        return {**shared, "columns": columns, "cycles": cycles}

    retrained = [row(0, trials.RETRAINED, 0.5, 100), row(1, trials.RETRAINED, 0.5, 200)]
    lines = tables.means([*retrained, row(0, "a", 0.2, 50), row(1, "a", 0.4, 50)])
    line = next(line for line in lines if line["row"] == "a")
    assert line["FA"]["mean"] == pytest.approx(0.3) and line["n"] == 2
    assert line["passes"]["mean"] == pytest.approx((0.5 + 0.25) / 2)
    assert line["drift, at most"]["mean"] == pytest.approx(1.0)


def test_settings_that_are_no_numbers_or_words_are_left_to_the_rows_name() -> None:
    found = trials.settings_of(Watched(steps=5, look=lambda *_: None))
    assert found["steps"] == 5 and "look" not in found
