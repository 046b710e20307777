"""AMUN and boundary shrinking: what they learn, from which data, and what they say of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.unit import toys
from tests.unit.unlearning.training.test_adversarial import Plane, images
from unlearning.contracts import Method
from unlearning.domain import Examples, Split
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.methods.amun import Amun, AmunForgetOnly, Mixture
from unlearning.methods.boundary_shrink import BoundaryShrink, nearest_labels
from unlearning.outputs import logits_of
from unlearning.training import epsilon_search, keyed
from unlearning.training.adversarial import Adversarial
from unlearning.training.descent import Batch, Loader
from unlearning.training.epsilon_search import adversarial_examples
from unlearning.training.loop import silent

QUICK: dict[str, object] = {"epochs": 2, "batch_size": 16, "precision": "fp32"}
EVERY = ("amun", "amun_forget_only", "boundary_shrink")


def method(name: str) -> Method:
    rate = {"learning_rate": 0.01} if name == "boundary_shrink" else {}
    return METHODS.create(name, {**QUICK, **rate})


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([t.flatten().double() for t in network.state_dict().values()])


def unlearned(chosen: Method, original: nn.Module, split: Split, seed: int = 0) -> torch.Tensor:
    return weights(chosen.unlearn(original, split, toys.generator(seed), silent))


@pytest.mark.parametrize("name", EVERY)
def test_the_original_is_untouched_and_a_seed_gives_one_candidate(name: str) -> None:
    """The second time the adversarial examples are remembered, which changes no chance."""
    original, split = toys.trained().train(), toys.split()
    before = weights(original)
    keyed.clear()
    first = unlearned(method(name), original, split, seed=3)
    assert torch.equal(first, unlearned(method(name), original, split, seed=3))
    assert not torch.equal(first, unlearned(method(name), original, split, seed=4))
    assert torch.equal(weights(original), before) and not torch.equal(first, before)


@pytest.mark.parametrize("name", EVERY)
def test_a_forget_set_of_one_is_enough(name: str) -> None:
    split = toys.split(forget=1)
    assert torch.isfinite(unlearned(method(name), toys.trained(split), split)).all()


@pytest.mark.parametrize("variant", ["amun", "advonly"])
def test_without_the_retain_set_not_a_byte_of_it_is_read(variant: str) -> None:
    original, split = toys.trained(), toys.split()
    other = replace(split, retain=replace(split.retain, images=255 - split.retain.images))
    blind = AmunForgetOnly(variant=variant, **QUICK)  # type: ignore[arg-type]
    assert torch.equal(unlearned(blind, original, split), unlearned(blind, original, other))
    seeing = Amun(variant=variant, **QUICK)  # type: ignore[arg-type]
    assert not torch.equal(unlearned(seeing, original, split), unlearned(seeing, original, other))


def seen(chosen: Amun, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Batch], Split, nn.Module]:
    """Run a method and give every batch that it trained on."""
    given: list[Batch] = []
    take = Mixture._take

    def kept(self: Mixture, index: torch.Tensor) -> Batch:
        given.append(take(self, index))
        return given[-1]

    monkeypatch.setattr(Mixture, "_take", kept)
    original, split = toys.trained(), toys.split()
    chosen.unlearn(original, split, toys.generator(), silent)
    return given, split, original


@pytest.mark.parametrize(
    ("name", "variant", "parts"),
    [
        ("amun", "amun", ("forget", "retain")),
        ("amun", "advonly", ("retain",)),
        ("amun_forget_only", "amun", ("forget",)),
        ("amun_forget_only", "advonly", ()),
    ],
)
def test_each_variant_learns_its_sets_and_the_adversarial_examples(
    name: str, variant: str, parts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = METHODS.create(name, {**QUICK, "epochs": 1, "variant": variant})
    assert isinstance(chosen, Amun)
    batches, split, original = seen(chosen, monkeypatch)
    found = adversarial_examples(original, split.forget, chosen.search())
    pixels = [getattr(split, part).images / 255 for part in parts] + [found.images]
    labels = [getattr(split, part).labels for part in parts] + [found.labels]
    expected = sorted(
        zip(np.concatenate(pixels).sum((1, 2, 3)), np.concatenate(labels), strict=True)
    )
    got_pixels = torch.cat([b.images for b in batches]).double().sum((1, 2, 3)).tolist()
    got = sorted(zip(got_pixels, torch.cat([b.labels for b in batches]).tolist(), strict=True))
    assert len(got) == len(expected)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_the_adversarial_examples_carry_the_original_s_wrong_answers() -> None:
    original, split = toys.trained(), toys.split()
    found = adversarial_examples(original, split.forget, Amun(precision="fp32").search())
    assert (found.labels != split.forget.labels).all()


def test_only_what_is_not_adversarial_is_augmented() -> None:
    """With flips and shifts, whole adversarial images come out unchanged, some others do not."""
    part = toys.examples(8, seed=5)
    settings = Amun(augmentation="crop_flip", batch_size=64)
    pixels = np.random.default_rng(0).random((4, 1, 8, 8)).astype(np.float32)
    flags, zeros = np.ones(4, dtype=bool), np.zeros(4, dtype=np.int64)
    ones = zeros.astype(np.float32)
    chosen = Adversarial(pixels, zeros + 2, ones, ones, flags, zeros, 0)
    rng = toys.generator()
    (batch,) = Mixture(Loader(part, settings, rng), chosen, settings, rng).epoch()
    rows = {image.numpy().tobytes() for image in batch.images.contiguous()}
    assert {image.tobytes() for image in pixels} <= rows
    assert not {(image / np.float32(255)).tobytes() for image in part.images} <= rows


def plane_split(labels: list[int]) -> Split:
    part = images([[102, 153], [170, 153], [48, 153]], labels)
    return Split(part, part, part, part, 2)


def test_failures_are_left_out_and_counted() -> None:
    """Distances .12, .28 and 0 (wrong already): a cap of .16 leaves the second out."""
    chosen = Amun(doublings=2, start="eps_init", halvings=12, precision="fp32", epochs=1)
    plane, split = Plane([3.0, 4.0], -3.0), plane_split([0, 0, 0])
    report = chosen.report(plane, plane, split)
    assert report["adversarial_failures"] == 1
    assert report["adversarial_mean_l2"] == pytest.approx((0.12 + 0.0) / 2, rel=1e-3)
    assert report["adversarial_mean_eps"] == pytest.approx((0.16 + 0.04) / 2)
    found = adversarial_examples(plane, split.forget, chosen.search())
    mixture = Mixture(
        Loader(split.forget, chosen, toys.generator()), found, chosen, toys.generator()
    )
    assert len(mixture) == 3 + 2


def test_nothing_found_leaves_the_network_and_names_no_mean() -> None:
    chosen = AmunForgetOnly(variant="advonly", precision="fp32", epochs=1)
    plane, split = Plane([3.0, 4.0], 100.0), plane_split([0, 0, 0])
    candidate = chosen.unlearn(plane, split, toys.generator(), silent)
    assert torch.equal(weights(candidate), weights(plane))
    report = chosen.report(plane, candidate, split)
    assert report["adversarial_failures"] == 3 and "adversarial_mean_l2" not in report


@pytest.mark.parametrize(("variant", "true_labels"), [("amun", 1.0), ("advonly", 0.0)])
def test_the_report_says_whether_forget_examples_are_learned_and_searches_no_more(
    variant: str, true_labels: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, split = toys.trained(), toys.split()
    chosen = Amun(variant=variant, **QUICK)  # type: ignore[arg-type]
    candidate = chosen.unlearn(original, split, toys.generator(), silent)
    monkeypatch.delattr(epsilon_search._Search, "run")
    report = chosen.report(original, candidate, split)
    assert report["uses_true_forget_labels"] == true_labels
    assert report["adversarial_passes"] > len(split.forget)


def test_of_two_requests_the_second_searches_against_the_first_one_s_result() -> None:
    """AMUN-A: its adversarial examples cross the boundary of the network that is being changed."""
    first, second = toys.split(), replace(toys.split(), forget=toys.examples(12, seed=9))
    original, chosen = toys.trained(), Amun(**QUICK)  # type: ignore[arg-type]
    between = chosen.unlearn(original, first, toys.generator(), silent)
    stale = adversarial_examples(original, second.forget, chosen.search())
    fresh = adversarial_examples(between, second.forget, chosen.search())
    assert not np.array_equal(stale.images, fresh.images)
    nearest = Examples(
        (fresh.images * 255).round().astype(np.uint8), fresh.labels, *(second.forget.ids,) * 2
    )
    assert (logits_of(between, nearest).argmax(1) == fresh.labels).mean() > 0.5
    keyed.clear()
    candidate = chosen.unlearn(between, second, toys.generator(), silent)
    assert chosen.report(between, candidate, second)["adversarial_mean_l2"] == pytest.approx(
        float(fresh.l2[fresh.found].mean())
    )


def test_masked_weights_stay_where_they_are() -> None:
    original, split = toys.trained(), toys.split()
    candidate = Amun(mask_share=0.25, **QUICK).unlearn(  # type: ignore[arg-type]
        original, split, toys.generator(), silent
    )
    pairs = list(zip(original.parameters(), candidate.parameters(), strict=True))
    moved = sum(int((a != b).sum()) for a, b in pairs)
    total = sum(a.numel() for a, _ in pairs)
    assert 0 < moved <= round(0.25 * total)


def test_the_rate_falls_tenfold_after_every_epoch_or_every_other() -> None:
    """Ten steps an epoch: at steps 0, 9, 10, 29 the factors are 1, 1, .1, .01; every 2: 1, .1."""
    factor = Amun(epochs=4).factor(40)
    np.testing.assert_allclose([factor(s) for s in (0, 9, 10, 29)], [1, 1, 0.1, 0.01], rtol=1e-12)
    slower = Amun(epochs=4, decay_every=2).factor(40)
    np.testing.assert_allclose([slower(s) for s in (19, 20, 39)], [1, 0.1, 0.1], rtol=1e-12)


def test_passes_count_what_is_read() -> None:
    search = 20 * 100
    assert Amun(epochs=10).passes(100, 900) == 10 * (900 + 100 + 100) + search
    assert Amun(epochs=10, variant="advonly").passes(100, 900) == 10 * 1000 + search
    assert AmunForgetOnly(epochs=10, mask_share=0.5).passes(100, 900) == 2000 + search + 100
    assert BoundaryShrink(epochs=10).passes(100, 900) == 1133


def test_a_search_from_eps_init_on_costs_more() -> None:
    """As published: 85 for 50 steps; single signed steps of each epsilon: 11 of 4/3."""
    assert Amun(start="eps_init", refinements=0).search().typical_passes == 85
    assert Amun(attack="ffgsm").search().typical_passes == 15


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"variant": "amun-a"}, "amun.variant: got 'amun-a'"),
        ({"mask_share": 0.0}, "amun.mask_share: got 0.0"),
        ({"decay_every": 0}, "decay_every: got 0"),
        ({"attack": "fgsm"}, "attack: got 'fgsm'"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        METHODS.create("amun", settings)


class Line(nn.Module):
    """Three classes by one pixel: logits (-4 x + 2, .1, 4 x - 2.4)."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([-4.0, 0.0, 4.0]))
        self.at = nn.Parameter(torch.tensor([2.0, 0.1, -2.4]))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        values = pixels.flatten(1) if pixels.is_floating_point() else pixels.flatten(1) / 255
        return values * self.slope + self.at


def line_examples() -> Examples:
    """Pixels .392 and .471 of class 0, .784 of class 2."""
    part = images([[100, 0], [120, 0], [200, 0]], [0, 0, 2])
    return replace(part, images=part.images[..., :1])


def test_the_nearest_labels_by_hand() -> None:
    """Class 0 wins below .475, class 2 above .625, class 1 between.

    A step of .1 takes .392 to .492 and .471 to .571, both class 1; .784 to .684, still class 2,
    where the next likeliest is class 1 with .1 against -.736.
    """
    forget = line_examples()
    both = [nearest_labels(Line(), forget, 0.1, exclude_true=known) for known in (True, False)]
    assert [labels.tolist() for labels in both] == [[1, 1, 1], [1, 1, 2]]


def test_a_larger_step_crosses_a_second_boundary() -> None:
    """.392 + .3 = .692 is class 2: too large a bound names a class that is not the nearest."""
    labels = nearest_labels(Line(), line_examples(), 0.3, exclude_true=True)
    assert labels.tolist() == [2, 2, 1]


def test_one_step_of_boundary_shrinking_by_hand() -> None:
    """The gradient of the mean loss is that of the clean pixels with the nearest labels."""
    forget, rate = line_examples(), 0.5
    split = Split(forget, forget, forget, forget, 3)
    chosen = BoundaryShrink(epochs=1, learning_rate=rate, precision="fp32")
    candidate = chosen.unlearn(Line(), split, toys.generator(), silent)
    x = forget.images.reshape(-1, 1) / 255
    logits = x * [-4.0, 0.0, 4.0] + [2.0, 0.1, -2.4]
    push = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) - [0, 1, 0]
    at = np.array([2.0, 0.1, -2.4]) - rate * push.mean(0)
    np.testing.assert_allclose(candidate.get_parameter("at").detach(), at, rtol=1e-5)
    slope = np.array([-4.0, 0.0, 4.0]) - rate * (push * x).mean(0)
    np.testing.assert_allclose(candidate.get_parameter("slope").detach(), slope, rtol=1e-5)


def test_boundary_shrinking_reports_how_many_steps_reached_another_class() -> None:
    forget = line_examples()
    split = Split(forget, forget, forget, forget, 3)
    report = BoundaryShrink().report(Line(), Line(), split)
    assert report == {"nearest_reached": pytest.approx(2 / 3)}
    with pytest.raises(UsageError, match=r"boundary_shrink\.bound: got 0\.0"):
        BoundaryShrink(bound=0.0)
