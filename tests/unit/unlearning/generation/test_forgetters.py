"""Methods that make a generator forget: their steps by hand, on a network that nobody trained."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from tests.unit.unlearning.generation import small
from unlearning.domain import Handed
from unlearning.errors import UsageError
from unlearning.generation import FORGETTERS, sa, sfr_on
from unlearning.generation.contract import Forgotten, forgotten_class
from unlearning.generation.generators import Generator
from unlearning.generation.importance import Reading, batch_fisher, gradient_sums, picture_fisher
from unlearning.generation.latent import Latent, _as_long
from unlearning.generation.sa import SelectiveAmnesia, pulled
from unlearning.generation.salun import GeneratorSalUn, published, relabelled
from unlearning.generation.sfr_on import GeneratorSfrOn
from unlearning.generation.stepping import held, norm_of
from unlearning.training.loop import silent
from unlearning.training.saliency import top_share

FEW: dict[str, object] = {"steps": 3, "batch_size": 6}
SETTINGS = {
    "sa": FEW | {"fisher_pictures": 4, "strata": 3},
    "salun": FEW,
    "sfr_on": FEW,
    "latent": FEW | {"pictures": 4, "ascents": 1, "search_steps": 2, "left": 1.0},
}


def forget(name: str, **settings: object) -> tuple[Generator, Forgotten]:
    original = small.generator()
    method = FORGETTERS.create(name, SETTINGS[name] | settings)
    return original, method.forget(original, small.sets(), small.chance(5), silent)


def apart(one: Generator, other: Generator) -> float:
    """How far two networks' weights are from each other."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return norm_of([(a - b).detach() for a, b in pairs])


def moved(of: Generator, original: Generator) -> list[Tensor]:
    """Where weights are no longer what they were, one mask a weight."""
    return [a != b for a, b in zip(of.parameters(), original.parameters(), strict=True)]


def test_mask_and_clip_by_hand() -> None:
    """Of (3, 4) with 4 masked: 3 is left, clipped to 1; the other way (.6, .8) loses its .8."""
    gradients, masks = [torch.tensor([3.0, 4.0])], [torch.tensor([1.0, 0.0])]
    assert norm_of(gradients) == 5
    first, norm = held(gradients, masks=masks, clip=1.0, order="mask_clip")
    assert norm == 3 and first[0].tolist() == [1, 0]
    second, norm = held(gradients, masks=masks, clip=1.0, order="clip_mask")
    assert norm == 5 and second[0].tolist() == pytest.approx([0.6, 0])
    assert held(gradients, clip=None)[0][0].tolist() == [3, 4]
    with pytest.raises(UsageError, match="order"):
        held(gradients, order="both")


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_method_leaves_the_original_and_repeats(name: str) -> None:
    original, once = forget(name)
    _, again = forget(name)
    assert small.states_equal(original, small.generator())
    assert all(weight.requires_grad for weight in original.parameters())
    assert small.states_equal(once.network, again.network) and once.network is once.raw
    assert not small.states_equal(once.raw, original)
    assert once.notes["forget_norm_first"] > 0


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_the_average_of_a_few_steps_is_the_original(name: str) -> None:
    """At .9999 three steps, or six, leave .0006 of the change: who samples that forgot nothing."""
    original, made = forget(name, sampled="average")
    assert made.network is made.average
    assert 0 < apart(made.average, original) < 6.1e-4 * apart(made.raw, original)


def test_salun_holds_what_is_outside_of_its_mask() -> None:
    """Exactly: Adam without weight decay moves nothing that never had a gradient."""
    original, made = forget("salun", share=0.3, steps=5)
    settings = GeneratorSalUn()
    values = gradient_sums(original, small.sets().forget, settings.saliency, small.chance(9))
    assert sum(v.numel() for v in values) == sum(p.numel() for p in original.parameters())
    changed = sum(float(m.sum()) for m in moved(made.raw, original))
    total = sum(p.numel() for p in original.parameters())
    assert 0.2 * total < changed <= made.notes["share_kept"] * total + 0.5
    assert made.notes["share_kept"] == pytest.approx(0.3, abs=1 / total)


def test_sfr_ons_mask_holds_the_ascent_alone() -> None:
    """Retain steps move masked weights: what is kept is less than what changed."""
    original, made = forget("sfr_on", threshold=4.0)
    total = sum(p.numel() for p in original.parameters())
    changed = sum(float(m.sum()) for m in moved(made.raw, original))
    assert made.notes["share_kept"] * total < 0.7 * total < changed


def test_salun_teaches_the_next_class_and_does_not_move_it() -> None:
    made = small.generator().requires_grad_(True)
    x0 = torch.zeros(4, 1, 4, 4)
    loss = relabelled(made, made, x0, label=2, rng=small.chance())  # the next of 2 is 0
    loss.backward()
    assert float(made.table.weight.grad[2].abs().sum()) > 0  # type: ignore[index]
    assert float(made.table.weight.grad[[0, 1, 3]].abs().sum()) == 0  # type: ignore[index]
    with torch.no_grad():
        made.table.weight[2] = made.table.weight[0]
    assert float(relabelled(made, made, x0, 2, small.chance()).detach()) == 0


def test_the_pull_by_hand() -> None:
    """F (theta - theta0)^2: 1 * 2^2 + 3 * 1^2."""
    new, old, f = ([torch.tensor(v)] for v in ([2.0, 1.0], [0.0, 0.0], [1.0, 3.0]))
    assert float(pulled(new, old, f)) == 7


def test_selective_amnesia_is_locked_by_a_strong_pull() -> None:
    original, free = forget("sa", strength=0.0, steps=10)
    _, locked = forget("sa", strength=1e6, steps=10)
    assert apart(locked.raw, original) < apart(free.raw, original)


def test_a_scaled_fisher_has_a_mean_of_one() -> None:
    made, sets = small.generator(), small.sets()
    found, mean = SelectiveAmnesia(fisher_pictures=4, strata=2)._fisher(
        made, sets.retain, small.chance()
    )
    raw = picture_fisher(made, sets.retain.take(torch.arange(4).numpy()), 2, small.chance())
    count = sum(f.numel() for f in found)
    assert sum(float(f.sum()) for f in found) / count == pytest.approx(1, rel=1e-4)
    assert sum(float(f.sum()) for f in raw) / count == pytest.approx(mean, rel=1e-4)


def test_clipped_fishers_cannot_be_compared() -> None:
    """Batches of norm 1 have squares that add up to 1, whatever their set: the trap, by name."""
    sets = small.sets()
    clipped = Reading(batches=2, batch_size=6, clip=1e-3)
    for part in (sets.forget, sets.retain):
        found = batch_fisher(small.generator(), part, clipped, small.chance())
        assert float(sum(f.sum() for f in found)) == pytest.approx(1e-6, rel=1e-3)


def test_the_ascents_strength_falls_to_nothing() -> None:
    method = GeneratorSfrOn(steps=100, strength=10)
    assert method.strength_at(0) == 10 and method.strength_at(50) == pytest.approx(5)
    assert all(b < a for a, b in pairwise(map(method.strength_at, range(100))))


GRADIENT, HALF = [torch.tensor([3.0, 4.0])], [torch.tensor([1.0, 0.0])]
"""Of norm 5; its 4 is masked."""


def test_the_published_ascent_on_cifar10_by_hand() -> None:
    """10 at step 0 of 50, half of it at 25: (-15, -20), masked -15, clipped to -1; 10 is inert."""
    assert (sfr_on.PUBLISHED.strength, sfr_on.PUBLISHED.steps) == (10, 50)
    for step, norm in ((0, 30), (25, 15)):
        up, before = sfr_on.PUBLISHED.ascent(GRADIENT, HALF, step)
        assert before == pytest.approx(norm) and up[0].tolist() == pytest.approx([-1, 0])


def test_the_published_ascent_on_dit_by_hand() -> None:
    """1e-3 at every step: (-.003, -.004), masked -.003, far below the clip, so the strength acts.

    One in 1,000 times as long is clipped.
    """
    for step in (0, 250, 499):
        up, before = sfr_on.PUBLISHED_DIT.ascent(GRADIENT, HALF, step)
        assert before == pytest.approx(0.003) and up[0].tolist() == pytest.approx([-0.003, 0])
        long = [1000 * gradient for gradient in GRADIENT]
        assert sfr_on.PUBLISHED_DIT.ascent(long, HALF, step)[0][0].tolist() == [-1, 0]


def test_an_ascent_that_is_clipped_before_its_mask_is_shorter() -> None:
    """(-30, -40) clipped to 1 is (-.6, -.8), of which the mask leaves .6."""
    method = replace(sfr_on.PUBLISHED, order="clip_mask")
    up, before = method.ascent(GRADIENT, HALF, 0)
    assert before == pytest.approx(50) and up[0].tolist() == pytest.approx([-0.6, 0])


def test_a_strength_below_the_clip_acts_and_so_does_its_decay() -> None:
    settings: dict[str, object] = {"strength": 1e-3, "reduction": "mean", "adaptive": False}
    _, constant = forget("sfr_on", **settings, decay="constant")
    _, falling = forget("sfr_on", **settings)
    assert constant.notes["forget_share_clipped"] == 0
    assert not small.states_equal(constant.raw, falling.raw)


def test_the_published_importance_has_500_pictures_of_each_class_that_stays() -> None:
    assert sa.PUBLISHED.fisher_pictures == 9 * 500
    method, sets = SelectiveAmnesia(fisher_pictures=8, batch_size=2), small.sets()
    shown = method._shown(small.generator(), sets, small.chance())
    assert [int((shown.labels[:8] == label).sum()) for label in (0, 1, 2)] == [4, 0, 4]


def test_a_clip_that_cuts_everything_is_told_and_makes_the_strength_inert() -> None:
    """A gradient of 5 and one of 5,000 are cut to the same step."""
    weak, strong = (held([s * torch.tensor([3.0, 4.0])], clip=1.0)[0][0] for s in (1, 1000))
    torch.testing.assert_close(weak, strong)
    _, cut = forget("sfr_on", strength=1e6)
    assert cut.notes["forget_share_clipped"] == 1
    _, free = forget("sfr_on", ascent_clip=None)
    assert free.notes["forget_share_clipped"] == 0


def test_a_joint_step_without_its_mask_has_a_name() -> None:
    _, masked = forget("sfr_on", stepping="joint", threshold=4.0)
    _, free = forget("sfr_on", stepping="joint_unmasked", threshold=4.0)
    assert not small.states_equal(masked.raw, free.raw)
    assert free.notes["forget_norm_first"] > masked.notes["forget_norm_first"]


def test_a_random_shift_is_as_long() -> None:
    shift = torch.tensor([3.0, 4.0])
    other = _as_long(shift, small.chance())
    assert float(other.norm()) == pytest.approx(5) and not torch.equal(other, shift)


def test_a_shift_stays_within_its_radius() -> None:
    original = small.generator().requires_grad_(False)
    judge = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).requires_grad_(False)
    method = Latent(pictures=4, ascents=5, search_steps=2, left=1.0)
    row = float(original.table.weight[1].norm())
    assert float(method.found_shift(original, judge, 1, small.chance()).norm()) <= 0.5001 * row


def test_one_class_is_forgotten_whole() -> None:
    every = small.examples()
    assert forgotten_class(small.sets()) == small.FORGOTTEN
    for forget, retain in ((every, every), (every.take(every.labels < 1), every)):
        with pytest.raises(UsageError, match="one class"):
            forgotten_class(Handed(forget, retain, 3))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("salun", {"share": 0.0}),
        ("salun", {"order": "both"}),
        ("salun", {"sampled": "ema"}),
        ("sfr_on", {"stepping": "together"}),
        ("sfr_on", {"reduction": "half"}),
        ("sfr_on", {"decay": "linear"}),
        ("sfr_on", {"order": "both"}),
        ("sa", {"scale": "half"}),
        ("latent", {"shift": "none"}),
        ("latent", {"steps": 0}),
    ],
)
def test_settings_without_a_meaning_are_refused(name: str, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        FORGETTERS.create(name, wrong)


def test_published_settings_weigh_as_the_published_sum_does() -> None:
    """1e-3 of a sum over 3 x 32 x 32 pixels is 3.07 of their mean."""
    assert published().retain_weight == pytest.approx(1e-3 * 3 * 32 * 32, rel=1e-3)
    assert replace(published(), share=0.5) == published()
    assert float(torch.stack([m.mean() for m in top_share([torch.arange(4.0)], 0.5)])) == 0.5


def test_every_method_is_tried_here() -> None:
    assert {*SETTINGS, "retrain"} == set(FORGETTERS)
