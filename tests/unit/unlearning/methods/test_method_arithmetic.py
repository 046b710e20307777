"""Each method's own arithmetic: losses, masks, targets and steps worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.unit import toys
from unlearning.domain import Examples, Split, joined
from unlearning.errors import UsageError
from unlearning.methods import scrub as scrub_module
from unlearning.methods.bad_teacher import BadTeacher
from unlearning.methods.famr import Famr
from unlearning.methods.gradient_ascent import GradientAscent
from unlearning.methods.l1_sparse import L1Sparse
from unlearning.methods.neg_grad_plus import NegGradPlus
from unlearning.methods.random_label import RandomLabel, random_labels
from unlearning.methods.salun import SalUn
from unlearning.methods.scrub import Scrub, ScrubRewind
from unlearning.methods.sfr_on import SfrOn, adaptive_weights
from unlearning.methods.ssd import SelectiveDampening, dampening
from unlearning.methods.trw import TiltedReweighting, class_similarity, tilted_target
from unlearning.outputs import accuracy, logits_of
from unlearning.training import keyed
from unlearning.training.descent import Batch, Descending, Descent, Loader, Stepping
from unlearning.training.distillation import Teacher, distillation, kl_from
from unlearning.training.loop import silent
from unlearning.training.saliency import above_ratio, fisher, saliency, share_kept, top_share

PLAIN = {"weight_decay": 0.0, "momentum": 0.0, "schedule": "constant", "precision": "fp32"}


class Line(nn.Module):
    """One weight per class on one pixel: small enough to step by hand."""

    def __init__(self, first: float = 1.0, second: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[float(first)], [float(second)]]))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.flatten(1).float() @ self.weight.T


def ones(*labels: int) -> Examples:
    """Images of one pixel of value 1, with these labels."""
    n = len(labels)
    names = np.arange(n).astype(np.str_)
    return Examples(np.ones((n, 1, 1, 1), np.uint8), np.array(labels, np.int64), names, names)


def pair(forget: Examples, retain: Examples) -> Split:
    return Split(forget, retain, retain, retain, 2)


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def weight_of(network: nn.Module) -> np.ndarray:
    return next(network.parameters()).detach().numpy()[:, 0]


def test_one_step_of_ascent_climbs_the_loss_by_its_clipped_gradient() -> None:
    """At w = (1, 0): dloss/dw = (p0 - 1) (1, -1); its norm .38 is clipped to .1."""
    ascent = GradientAscent(**PLAIN, epochs=1, learning_rate=2.0, clip=0.1)
    candidate = ascent.unlearn(Line(), pair(ones(0), ones(0)), toys.generator(), silent)
    part = 2.0 * 0.1 / math.sqrt(2)
    np.testing.assert_allclose(weight_of(candidate), [1 - part, part], rtol=1e-5)


def test_ascent_stops_at_its_floor() -> None:
    told: list[int] = []
    ascent = GradientAscent(**PLAIN, epochs=50, learning_rate=1.0, clip=0.0, floor=0.5)
    ascent.unlearn(
        Line(),
        pair(ones(0), ones(0)),
        toys.generator(),
        lambda done, total, loss: told.append(done),
    )
    assert 1 < len(told) < 50


def test_neg_grad_plus_in_balance_does_not_move() -> None:
    """Half of the same loss up and half down is nothing."""
    split = pair(ones(0), ones(0))
    still = NegGradPlus(**PLAIN, balance=0.5).unlearn(Line(), split, toys.generator(), silent)
    np.testing.assert_array_equal(weight_of(still), [1.0, 0.0])
    descent = NegGradPlus(**PLAIN, balance=1.0, epochs=1, learning_rate=1.0)
    pull = 1 - sigma(1.0)
    moved = weight_of(descent.unlearn(Line(), split, toys.generator(), silent))
    np.testing.assert_allclose(moved, [1 + pull, -pull], rtol=1e-5)


def test_wrong_labels_are_wrong_and_uniform() -> None:
    true = torch.zeros(30_000, dtype=torch.int64) + 2
    wrong = random_labels(true, 4, toys.generator(), exclude_true=True)
    shares = torch.bincount(wrong, minlength=4) / len(true)
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.02)
    free = random_labels(true, 4, toys.generator(), exclude_true=False)
    np.testing.assert_allclose(torch.bincount(free) / len(true), 0.25, atol=0.02)


def test_one_step_of_random_label_learns_the_other_of_two_classes() -> None:
    method = RandomLabel(**PLAIN, epochs=1, learning_rate=1.0, order="forget_only")
    candidate = method.unlearn(Line(), pair(ones(0), ones(0)), toys.generator(), silent)
    push = sigma(1.0)
    np.testing.assert_allclose(weight_of(candidate), [1 - push, push], rtol=1e-5)


def test_fixed_labels_are_drawn_once_and_others_in_each_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draws: list[int] = []

    def counted(labels, classes, rng, *, exclude_true):  # type: ignore[no-untyped-def]
        draws.append(len(labels))
        return random_labels(labels, classes, rng, exclude_true=exclude_true)

    monkeypatch.setattr("unlearning.methods.random_label.random_labels", counted)
    split = pair(ones(0, 1, 0), ones(0, 1))
    for policy in ("fixed", "per_epoch"):
        RandomLabel(**PLAIN, epochs=3, label_policy=policy).unlearn(
            Line(), split, toys.generator(), silent
        )
    assert draws == [3, 3, 3, 3]


def test_saliency_does_not_depend_on_the_batch_size() -> None:
    """Mean gradient of (0, 0, 1) at w = 0: (2 * -.5 + .5) / 3 = -1/6 for class 0."""
    values = []
    for size in (1, 2, 3):
        keyed.clear()
        values.append(saliency(Line(0, 0), ones(0, 0, 1), batch_size=size)[0].numpy()[:, 0])
    np.testing.assert_allclose(values, [[1 / 6, 1 / 6]] * 3, rtol=1e-5)


def test_the_fisher_information_of_examples_does_not_depend_on_the_batch_size() -> None:
    """(0, 0, 1) at w = (1, 0): squares of 1 - s, 1 - s and s, whatever they are computed with."""
    s = sigma(1.0)
    for size in (1, 2, 3, 64):
        keyed.clear()
        found = fisher(Line(), ones(0, 0, 1), gradients="examples", batch_size=size)
        by_hand = (2 * (1 - s) ** 2 + s**2) / 3
        np.testing.assert_allclose(found[0].numpy()[:, 0], [by_hand, by_hand], rtol=1e-5)


def test_a_last_batch_of_one_example_counts_as_one_example() -> None:
    """At w = 0 the 128 of alternating labels vanish in two batches of 64; the 129th has .25."""
    labels = [0, 1] * 64 + [0]
    found = fisher(Line(0, 0), ones(*labels), gradients="batches", batch_size=64)
    np.testing.assert_allclose(found[0].numpy()[:, 0], [0.25 / 129] * 2, rtol=1e-5)


def test_opposite_gradients_vanish_in_a_batch_but_not_in_the_fisher_information() -> None:
    """At w = 0 the gradients of labels 0 and 1 are -+.5: squared .25 each, their mean is 0."""
    both = ones(0, 1)
    apart = fisher(Line(0, 0), both, gradients="examples", batch_size=2)
    together = fisher(Line(0, 0), both, gradients="batches", batch_size=2)
    np.testing.assert_allclose(apart[0].numpy()[:, 0], [0.25, 0.25], rtol=1e-6)
    np.testing.assert_allclose(together[0].numpy()[:, 0], [0.0, 0.0], atol=1e-12)


def test_a_fisher_information_is_never_stale() -> None:
    """Other weights, other examples, other squares: other values, though all are kept in memory."""
    keyed.clear()
    first = fisher(Line(0, 0), ones(0, 1), gradients="examples", batch_size=2)
    assert fisher(Line(0, 0), ones(0, 1), gradients="examples", batch_size=2) is first
    other = fisher(Line(3, 0), ones(0, 1), gradients="examples", batch_size=2)
    assert not torch.equal(first[0], other[0])
    assert fisher(Line(0, 0), ones(0, 0), gradients="examples", batch_size=2) is not first


def test_top_share_ranks_over_all_layers() -> None:
    masks = top_share([torch.tensor([5.0, 1.0]), torch.tensor([[3.0, 4.0]])], 0.5)
    assert [m.tolist() for m in masks] == [[1.0, 0.0], [[0.0, 1.0]]]
    assert share_kept(masks) == 0.5


def test_the_ratio_mask_keeps_weights_without_any_information() -> None:
    forget, retain = torch.tensor([2.0, 1.0, 0.0, 0.0]), torch.tensor([1.0, 2.0, 0.0, 1.0])
    assert above_ratio([forget], [retain], 1.0)[0].tolist() == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize("restore", [True, False])
def test_frozen_weights_are_frozen_if_restored(restore: bool) -> None:
    """Weight decay moves a weight whose gradient is masked, unless it is put back."""
    settings = Stepping(learning_rate=0.1, weight_decay=0.5, precision="fp32")
    masks = [torch.tensor([[0.0], [1.0]])]
    descent = Descent(Line(1, 1), settings, lambda step: 1.0, masks=masks, restore=restore)
    for _ in range(3):
        descent.step(descent(torch.ones(1, 1, 1, 1)).sum())
    frozen, free = weight_of(descent.finished())
    assert (frozen == 1.0) == restore
    assert free < 1.0


def test_salun_moves_its_share_of_the_weights_only() -> None:
    original, split = toys.trained(), toys.split()
    salun = SalUn(epochs=1, batch_size=16, share=0.1, precision="fp32")
    candidate = salun.unlearn(original, split, toys.generator(), silent)
    pairs = zip(original.parameters(), candidate.parameters(), strict=True)
    moved = sum(int((a != b).sum()) for a, b in pairs)
    total = sum(p.numel() for p in original.parameters())
    assert 0 < moved <= round(0.1 * total)


def test_divergence_and_distillation_by_hand() -> None:
    """KL((3/4, 1/4) || (1/2, 1/2)) = .75 ln 1.5 + .25 ln .5; T = 2 halves the logits, times 4."""
    by_hand = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(kl_from(torch.tensor([[0.75, 0.25]]), torch.zeros(1, 2))) == pytest.approx(by_hand)
    assert float(kl_from(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))) == pytest.approx(
        math.log(2)
    )
    teacher = torch.tensor([[2 * math.log(3.0), 0.0]])
    value = float(distillation(teacher, torch.zeros(1, 2), 2.0))
    assert value == pytest.approx(4 * by_hand, rel=1e-5)


def test_a_teacher_answers_alike_from_its_table_and_anew() -> None:
    network, part = toys.trained(), toys.split().forget
    loader = Loader(part, Descending(batch_size=5), toys.generator())
    batch = next(iter(loader.epoch()))
    answers = [Teacher(network, loader, augmented=a)(batch) for a in (True, False)]
    torch.testing.assert_close(*answers)


def test_mean_over_elements_is_a_rate_so_many_classes_smaller() -> None:
    split = toys.split()
    original = toys.trained(split)
    common = {**PLAIN, "epochs": 1, "batch_size": 16}
    ours = BadTeacher(**common, learning_rate=0.01, reduction="examples")
    theirs = BadTeacher(**common, learning_rate=0.03, reduction="elements")
    results = [m.unlearn(original, split, toys.generator(2), silent) for m in (ours, theirs)]
    for a, b in zip(*(r.parameters() for r in results), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_scrub_cannot_leave_a_teacher_that_it_equals() -> None:
    """The gradient of KL(teacher || student) is 0 where both agree."""
    alone = Scrub(**PLAIN, epochs=1, ascents=1, task_weight=0.0, teacher_weight=1.0)
    still = alone.unlearn(Line(), pair(ones(0), ones(1)), toys.generator(), silent)
    np.testing.assert_allclose(weight_of(still), [1.0, 0.0], atol=1e-7)
    free = Scrub(**PLAIN, epochs=1, ascents=0, learning_rate=1.0, task_weight=1, teacher_weight=0)
    push = sigma(1.0)
    moved = weight_of(free.unlearn(Line(), pair(ones(0), ones(1)), toys.generator(), silent))
    np.testing.assert_allclose(moved, [1 - push, push], rtol=1e-5)


def test_rewinding_gives_the_epoch_that_is_nearest_to_the_validation_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of students that answer 3, 2, 1 and 0 quarters of the forget set, and half of the people who
    are held out, the second is taken, as it stood at the end of its epoch."""
    split = pair(ones(0, 0, 0, 0), ones(0, 0, 0, 0))
    accuracies = iter([0.75, 0.5, 0.25, 0.0])
    monkeypatch.setattr(scrub_module, "_accuracy_on_forget", lambda *given: next(accuracies))
    monkeypatch.setattr(scrub_module, "_expected", lambda *given: 0.5)
    settings = {**PLAIN, "epochs": 4, "learning_rate": 0.1, "task_weight": 1, "teacher_weight": 0}
    rewound = ScrubRewind(**settings, ascents=0)
    found = rewound.unlearn(Line(), split, toys.generator(), silent)
    two = replace(rewound, epochs=2)
    accuracies = iter([0.75, 0.5])
    again = two.unlearn(Line(), split, toys.generator(), silent)
    np.testing.assert_array_equal(weight_of(found), weight_of(again))


def test_the_student_learns_nothing_from_whom_its_epoch_is_chosen_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fifth of 10 people with two images each is held out, whole; the others are learned."""
    retain = replace(ones(*[0, 1] * 10), subjects=np.repeat(np.arange(10), 2).astype(np.str_))
    seen: list[Examples] = []
    plain = scrub_module.Scrub._epochs

    def watched(self, original, handed, rng, progress):  # type: ignore[no-untyped-def]
        seen.append(handed.retain)
        return plain(self, original, handed, rng, progress)

    asked: list[Examples] = []
    monkeypatch.setattr(scrub_module.Scrub, "_epochs", watched)
    monkeypatch.setattr(
        scrub_module, "_expected", lambda network, part, split: asked.append(part) or 0.0
    )
    rewound = ScrubRewind(**PLAIN, epochs=1, validation=0.2)
    rewound.unlearn(Line(), pair(ones(0), retain), toys.generator(), silent)
    held_out, learned = set(asked[0].subjects), set(seen[0].subjects)
    assert len(held_out) == 2 and len(learned) == 8 and not held_out & learned
    assert len(asked[0]) + len(seen[0]) == 20


def test_what_is_expected_follows_the_forget_sets_classes() -> None:
    """Line(1, 0) answers 0 always: right on class 0, wrong on 1, and of class 2, of which nothing
    is retained, nothing is expected. Forget 0, 0, 1, 2: (1 + 1 + 0 + 0) / 4."""
    split = pair(ones(0, 0, 1, 2), ones(0, 1, 1))
    assert scrub_module._expected(Line(), ones(0, 1, 1), split) == 0.5
    lacking = scrub_module._expected(
        Line(), ones(0), split
    )  # no image of class 1 among them: as of all
    assert lacking == 0.75


def test_one_person_alone_cannot_be_held_out() -> None:
    alone = replace(ones(0, 1), subjects=np.array(["s", "s"]))
    with pytest.raises(UsageError, match="got 1 subjects in the retain set, expected 2 or more"):
        ScrubRewind(**PLAIN, epochs=1).unlearn(
            Line(), pair(ones(0), alone), toys.generator(), silent
        )


def test_the_l1_penalty_falls_to_nothing_and_pulls_by_the_sign() -> None:
    sparse = L1Sparse(epochs=5, dense_epochs=1, penalty=0.8)
    assert [sparse.penalty_at(e) for e in range(5)] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0])
    one = L1Sparse(**PLAIN, epochs=1, penalty=0.25, learning_rate=1.0)
    moved = weight_of(one.unlearn(Line(1, -1), pair(ones(0), ones(0)), toys.generator(), silent))
    pull = 1 - sigma(2.0)
    np.testing.assert_allclose(moved, [1 + pull - 0.25, -1 - pull + 0.25], rtol=1e-5)


def test_dampening_by_hand() -> None:
    """Information 8 against 2 is above 3 * 2: times 1 * 2/8. 4 is not. 0 against 0 stays."""
    forget, everything = torch.tensor([8.0, 4.0, 0.0]), torch.tensor([2.0, 2.0, 0.0])
    assert dampening(forget, everything, 3.0, 1.0).tolist() == [0.25, 1.0, 1.0]
    assert dampening(forget, everything, 3.0, 9.0).tolist() == [1.0, 1.0, 1.0]


def test_ssd_changes_nothing_where_nothing_stands_out() -> None:
    same = ones(0, 1)
    ssd = SelectiveDampening(selection=1.5)
    candidate = ssd.unlearn(Line(), pair(same, same), toys.generator(), silent)
    np.testing.assert_array_equal(weight_of(candidate), [1.0, 0.0])


class TwoPixels(nn.Module):
    """Two classes on two pixels: the weights of a pixel matter to the images that light it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 2.0], [0.5, -1.0]]))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.flatten(1).float() @ self.weight.T


def lit(pixel: int, n: int) -> Examples:
    images = np.zeros((n, 1, 1, 2), np.uint8)
    images[..., pixel] = 1
    names = np.arange(n).astype(np.str_)
    return Examples(images, np.zeros(n, np.int64), names, names)


@pytest.mark.parametrize("gradients", ["examples", "batches"])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_ssd_dampens_what_only_the_forgotten_tenth_needs(gradients: str, batch_size: int) -> None:
    """10 of 100 images light the first pixel: I_forget is 10 times I_all on its weights, which
    become a tenth of themselves, and 0 on the other pixel's."""
    keyed.clear()
    ssd = SelectiveDampening(selection=5.0, gradients=gradients, batch_size=batch_size)
    split = pair(lit(0, 10), lit(1, 90))
    candidate = ssd.unlearn(TwoPixels(), split, toys.generator(), silent)
    found = next(candidate.parameters()).detach().numpy()
    np.testing.assert_allclose(found, [[0.1, 2.0], [0.05, -1.0]], rtol=1e-5)
    assert ssd.report(TwoPixels(), candidate, split) == {"dampened_share": 0.5}


def test_a_selection_that_no_weight_can_reach_is_refused() -> None:
    """The forget set is part of the whole: I_all >= share * I_forget, a ratio of 10 at most."""
    with pytest.raises(UsageError, match=r"got 10, expected less than 10: where 10\.0%"):
        SelectiveDampening().unlearn(
            TwoPixels(), pair(lit(0, 10), lit(1, 90)), toys.generator(), silent
        )


def test_the_memorised_weigh_most() -> None:
    """Losses 1 and 1/4: 1/sqrt is 1 and 2, so weights 2/3 and 4/3. Without loss all of it."""
    by_hand = adaptive_weights(torch.tensor([1.0, 0.25]), 0.5)
    np.testing.assert_allclose(by_hand, [2 / 3, 4 / 3], rtol=1e-6)
    np.testing.assert_allclose(adaptive_weights(torch.tensor([1.0, 0.0]), 0.5), [0, 2], atol=1e-6)
    np.testing.assert_allclose(adaptive_weights(torch.tensor([3.0, 0.1]), 0.0), [1, 1])


def test_the_ascent_of_sfr_on_fades_by_cosine_or_in_a_line() -> None:
    cosine, line = (SfrOn(steps=4, strength=8.0, decay=d) for d in ("cosine", "linear"))
    assert [cosine.strength_at(t) for t in (0, 1, 2)] == pytest.approx([8, 4 + 2**1.5, 4])
    assert [line.strength_at(t) for t in (0, 1, 2, 3)] == [8, 6, 4, 2]


def _sfr_on(**settings: object) -> np.ndarray:
    common = {**PLAIN, "steps": 1, "strength": 1.0, "learning_rate": 1.0, "saliency": False}
    method = SfrOn(**{**common, **settings})  # type: ignore[arg-type]
    return weight_of(method.unlearn(Line(), pair(ones(0), ones(0)), toys.generator(), silent))


def test_sfr_on_alternates_or_adds_and_interpolates() -> None:
    """Up by g(1), then down by the gradient there; jointly both are at w = 1 and cancel."""
    pull = 1 - sigma(1.0)
    after = 1 - pull
    back = 1 - sigma(after - pull)
    np.testing.assert_allclose(_sfr_on(), [after + back, pull - back], rtol=1e-5)
    np.testing.assert_allclose(_sfr_on(alternating=False), [1.0, 0.0], atol=1e-6)
    slow = _sfr_on(outer_beta=0.25)
    whole = _sfr_on()
    np.testing.assert_allclose(slow, [1, 0] + 0.25 * (whole - [1, 0]), rtol=1e-5)


@pytest.mark.parametrize("steps", [3, 4])
def test_slow_weights_stand_where_a_forget_cycle_begins(steps: int) -> None:
    """The poster's outer loop: theta_t+1 = theta_t - beta (theta_t - theta_r), theta_r where one
    ascent and the descents after it lead from theta_t; a last, shorter cycle is one too."""
    rates = {"learning_rate": 0.5, "strength": 2.0, "decay": "linear", "schedule": "constant"}
    found = _sfr_on(steps=steps, forget_every=3, outer_beta=0.5, adaptive=False, **rates)
    w = slow = np.array([1.0, 0.0])

    def gradient(w: np.ndarray) -> np.ndarray:
        return (1 - sigma(w[0] - w[1])) * np.array([-1.0, 1.0])

    for step in range(steps):
        if step % 3 == 0:
            slow, w = w, w + 0.5 * 2.0 * (1 - step / steps) * gradient(w)
        w = w - 0.5 * gradient(w)
        if step in (2, steps - 1):
            w = slow + 0.5 * (w - slow)
    np.testing.assert_allclose(found, w, rtol=1e-5)


def test_a_saliency_that_lets_nothing_through_leaves_the_descent() -> None:
    """The ascent is masked, the retain steps never are."""
    masked = _sfr_on(saliency=True, threshold=1e9)
    pull = 1 - sigma(1.0)
    np.testing.assert_allclose(masked, [1 + pull, -pull], rtol=1e-5)


def test_a_tilted_target_by_hand() -> None:
    """p = (.5, .3, .2), own class 0: beta 0 gives (0, .6, .4); tilt e^1 on class 2 favours it."""
    p, own = torch.tensor([[0.5, 0.3, 0.2]]), torch.tensor([0])
    similarity = torch.tensor([[0.0, 0.0, 1.0]])
    plain = tilted_target(p, similarity, own, 0.0)
    np.testing.assert_allclose(plain, [[0, 0.6, 0.4]], rtol=1e-5)
    tilted = tilted_target(p, similarity, own, 1.0)
    total = 0.3 + 0.2 * math.e
    np.testing.assert_allclose(tilted, [[0, 0.3 / total, 0.2 * math.e / total]], rtol=1e-5)


def test_the_most_alike_classes_are_those_with_the_nearest_weights() -> None:
    rows = torch.tensor([[1.0, 0.1, 0.0], [1.0, 0.0, 0.1], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    similarity = class_similarity(rows, None, 0.5)
    np.testing.assert_allclose(similarity.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(similarity.diag(), 0.0)
    assert int(similarity[0].argmax()) == 1
    sharper = class_similarity(rows, None, 0.1)
    assert sharper[0, 1] > similarity[0, 1]


def test_trw_empties_a_forgotten_class() -> None:
    split = toys.split()
    whole = joined(split.forget, split.retain)
    of_class = whole.labels == 1
    split = replace(split, forget=whole.take(of_class), retain=whole.take(~of_class))
    original = toys.trained()
    for similarity in ("class", "example"):
        trw = TiltedReweighting(
            epochs=12, batch_size=16, learning_rate=0.05, similarity=similarity, precision="fp32"
        )
        targets = trw.targets(original, split.forget)
        np.testing.assert_array_equal(targets[:, 1], 0.0)
        candidate = trw.unlearn(original, split, toys.generator(), silent)
        assert accuracy(logits_of(candidate, split.forget), split.forget.labels) < 0.1
        assert accuracy(logits_of(candidate, split.retain), split.retain.labels) > 0.9


def test_words_without_a_meaning_are_refused() -> None:
    with pytest.raises(UsageError, match="decay"):
        SfrOn(decay="never")
    with pytest.raises(UsageError, match="order"):
        SalUn(order="backwards")
    with pytest.raises(UsageError, match="retain_share"):
        BadTeacher(retain_share=0.0)
    with pytest.raises(UsageError, match="epochs"):
        Descending(epochs=0)
    with pytest.raises(UsageError, match="statistics"):
        GradientAscent(statistics="lose")


def test_a_loader_gives_every_example_once_an_epoch() -> None:
    loader = Loader(toys.examples(23), Descending(batch_size=5), toys.generator())
    for _ in range(2):
        seen = torch.cat([batch.index for batch in loader.epoch()])
        assert sorted(seen.tolist()) == list(range(23))
    assert len(loader) == 5


def test_scrub_walks_away_from_its_teacher() -> None:
    """Epoch 1: no gradient at the teacher, then the task's step to the other class.

    Epoch 2 begins with T (q0 - t0) (1, -1), q and t the first class's probability at T = 4 for
    student and teacher: the student, surer of the other class, gets surer still.
    """
    scrub = Scrub(**PLAIN, epochs=2, ascents=2, learning_rate=1.0, task_weight=1, teacher_weight=0)
    candidate = scrub.unlearn(Line(), pair(ones(0), ones(1)), toys.generator(), silent)
    apart = 1.0  # w0 - w1
    apart -= 2 * sigma(apart)
    apart += 2 * 4 * (sigma(apart / 4) - sigma(1 / 4))
    apart -= 2 * sigma(apart)
    np.testing.assert_allclose(np.subtract(*weight_of(candidate)), apart, rtol=1e-5)


def test_the_bad_teacher_is_heard_on_the_forget_set_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The original says 0 to everything, the untrained network 1; targets are read off."""
    original, split = toys.trained(), toys.split(forget=12)
    asked: list[torch.Tensor] = []
    heard: list[tuple[int, int]] = []

    class Certain:
        def __init__(self, network: nn.Module, loader: Loader, *, augmented: bool) -> None:
            self.says = 0 if network is original else 1

        def __call__(self, batch: Batch) -> torch.Tensor:
            asked.append(batch.index)
            return 50.0 * nn.functional.one_hot(torch.full_like(batch.index, self.says), 3)

    def listening(target: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        heard.extend(zip(asked[-1].tolist(), target.argmax(1).tolist(), strict=True))
        return kl_from(target, logits)

    monkeypatch.setattr("unlearning.methods.bad_teacher.Teacher", Certain)
    monkeypatch.setattr("unlearning.methods.bad_teacher.kl_from", listening)
    BadTeacher(**PLAIN, epochs=1, batch_size=16).unlearn(original, split, toys.generator(), silent)
    assert sorted(heard) == [(i, 1 if i < 12 else 0) for i in range(60)]


def test_sfr_on_climbs_now_and_then_and_no_farther_than_its_clip() -> None:
    """Ascents before steps 0 and 2; 40 times the gradient is longer than 7 and cut to that."""
    strength = [40 * (1 + math.cos(math.pi * t / 3)) / 2 for t in range(3)]
    apart, clipped = 1.0, 0
    for step in range(3):
        if step % 2 == 0:
            length = strength[step] * (1 - sigma(apart)) * math.sqrt(2)
            clipped += length > 7
            apart -= 2 * min(length, 7) / math.sqrt(2)
        apart += 2 * (1 - sigma(apart))
    assert clipped == 2
    found = _sfr_on(steps=3, forget_every=2, strength=40.0)
    np.testing.assert_allclose(np.subtract(*found), apart, rtol=1e-4)


def test_sfr_on_masks_before_it_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the mask leaves, 40 times .27, is cut to 7; clipped first it would be 7 / sqrt(2)."""
    masks = [torch.tensor([[1.0], [0.0]])]
    monkeypatch.setattr(SfrOn, "_masks", lambda self, original, split: masks)
    pull = 1 - sigma(1.0 - 7)
    found = _sfr_on(saliency=True, strength=40.0)
    np.testing.assert_allclose(found, [1 - 7 + pull, -pull], rtol=1e-5)


def test_sequential_random_labels_come_before_the_retain_set() -> None:
    """Pixels tell the sets apart: all forget batches, then all retain batches, in every epoch."""
    seen: list[int] = []

    class Watched(Line):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            seen.extend(pixels.flatten().tolist())
            return super().forward(pixels)

    retain = replace(ones(0, 1, 0, 1), images=np.full((4, 1, 1, 1), 2, np.uint8))
    method = RandomLabel(**PLAIN, epochs=2, batch_size=2, order="sequential")
    method.unlearn(Watched(), pair(ones(0, 1, 0), retain), toys.generator(), silent)
    assert seen == [1, 1, 1, 2, 2, 2, 2] * 2


THREE = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
"""Last layer's weights of three classes about 0: cosines of 0 with 1 and 2 are 0 and -1/sqrt(2)."""


def test_the_similarity_of_classes_by_hand() -> None:
    """At temperature .5: a softmax over 0 and -sqrt(2), that is sigma(sqrt(2))."""
    near = sigma(math.sqrt(2))
    found = class_similarity(THREE, None, 0.5)[0]
    np.testing.assert_allclose(found, [0, near, 1 - near], rtol=1e-5)


def test_the_similarity_of_an_example_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """An example whose features are its class's weights is as near to the others as these are."""
    features = np.array([[3.0, 0.0]], np.float32)
    monkeypatch.setattr("unlearning.methods.trw.features_of", lambda network, part: features)
    trw = TiltedReweighting(similarity="example", temperature=0.5)
    found = trw._example_similarity(Line(), ones(0), THREE, torch.tensor([0]))
    near = sigma(math.sqrt(2))
    np.testing.assert_allclose(found, [[0, near, 1 - near]], rtol=1e-5)


def test_famr_weighs_what_stays() -> None:
    """One step of (p - u) on the forget example and twice the loss's gradient on the retain one."""
    famr = Famr(epochs=1, learning_rate=0.5, retain_weight=2.0)
    candidate = famr.unlearn(Line(), pair(ones(0), ones(1)), toys.generator(), silent)
    step = 0.5 * ((sigma(1.0) - 0.5) + 2 * sigma(1.0))
    np.testing.assert_allclose(weight_of(candidate), [1 - step, step], rtol=1e-5)
