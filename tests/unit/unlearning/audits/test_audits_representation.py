"""Features at depths, probes on them and their alignment, by numbers worked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import nn

from tests.unit import toys
from unlearning import networks
from unlearning.audits.alignment import Alignment, cka, inner_products, jackknife
from unlearning.audits.probes import Probes, nearest_mean_answers
from unlearning.audits.representation import Representation, at_depths, representation_of
from unlearning.domain import Examples, Group, Measurement, Outputs, Split
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.loop import silent


class Small(nn.Module):
    """A convolution that doubles, run last but one, and two linear layers, named out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(2, 2, bias=False)
        self.first = nn.Linear(2, 2, bias=False)
        self.twice = nn.Conv2d(1, 1, 1, bias=False)
        self.twice.weight.data.fill_(2.0)
        self.first.weight.data = torch.tensor([[1.0, -1.0], [1.0, 1.0]])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        wide = self.twice(pixels.float()).flatten(1)
        logits: torch.Tensor = self.last(self.first(wide).relu())
        return logits


def row_of_two(*values: tuple[int, int]) -> Examples:
    images = np.array(values, dtype=np.uint8).reshape(-1, 1, 1, 2)
    ids = np.arange(len(values)).astype(np.str_)
    return Examples(images, np.zeros(len(values), dtype=np.int64), ids, ids)


def test_layers_read_what_the_one_before_gives_and_positions_are_averaged() -> None:
    """(1, 3): the convolution reads 1 and 3, mean 2; then (2, 6); then (2 - 6, 2 + 6) cut at 0."""
    one, other = row_of_two((1, 3)), row_of_two((5, 1))
    none = one.take(np.arange(0))
    parts = Split(forget=one, retain=none, holdout=none, test=other, classes=2)
    found = representation_of(Small(), parts)
    read = found.features
    assert list(read) == ["twice", "first", "last"]
    assert found.outputs.groups.tolist() == [Group.FORGET, Group.TEST]
    assert read["twice"].tolist() == [[2.0], [3.0]]
    assert read["first"].tolist() == [[2.0, 6.0], [10.0, 2.0]]
    assert read["last"].tolist() == [[0.0, 8.0], [8.0, 12.0]]


def test_depths_follow_the_order_of_running() -> None:
    one = row_of_two((1, 3))
    assert at_depths(Small(), one, 3) == ["twice", "first", "last"]
    assert at_depths(Small(), one, 2) == ["twice", "last"]
    assert at_depths(Small(), one, 1) == ["last"]
    with pytest.raises(UsageError, match="expected 1 to 3"):
        at_depths(Small(), one, 4)


@pytest.mark.parametrize("name", ["conv-small", "resnet20", "vit-digits"])
def test_every_network_has_three_depths(name: str) -> None:
    recipe = networks.Recipe(**{**vars(toys.RECIPE), "network": name})
    network = networks.build(recipe).train()
    found = representation_of(network, toys.split())
    assert len(found.features) == 3
    assert all(
        f.shape[0] == len(found.outputs.labels) and f.ndim == 2 for f in found.features.values()
    )
    assert network.training
    assert all(not m._forward_pre_hooks for m in network.modules())


FORGET, RETAIN, HOLDOUT, TEST = Group


def represented(
    features: Sequence[float], labels: Sequence[int], groups: list[Group]
) -> Representation:
    """One feature, one layer."""
    n = len(labels)
    answers = toys.outputs(np.zeros((n, 3)), np.array(labels), groups)
    return Representation(answers, {"deep": np.array(features, dtype=np.float32)[:, None]})


def by_name(found: Sequence[Measurement]) -> Mapping[str, Measurement]:
    assert len({m.name for m in found}) == len(found)
    return {m.name: m for m in found}


LABELS = [0, 1, 2, 2, 0, 0, 1, 1, 2, 2, 0, 2, 2]
GROUPS = [RETAIN] * 2 + [FORGET] * 2 + [HOLDOUT] * 6 + [TEST] * 3
KNOWS = [7, 7, 7, 7, 0, 0.1, 5, 5.1, 10, 10.1, 0, 10, 9]
NONE, CLASS_2 = np.array([], dtype=np.int64), np.array([2])
"""Classes that go."""
BLIND = [7, 7, 7, 7, 0, 0.1, 5, 5.1, 0, 5.1, 0, 10, 9]


def test_a_whole_class_is_learned_and_asked_about_where_no_network_trained(
    rng: np.random.Generator,
) -> None:
    """Class 2 is forgotten whole; its two test examples lie at 10 and 9.

    A body that kept it has the mean of its holdout examples at 10.05 and answers both. One that
    lays these on the other classes has it at 2.55, and both are nearest to class 1, at 5.05. The
    training examples, all at 7, do not count.
    """
    knows, blind = (represented(f, LABELS, GROUPS) for f in (KNOWS, BLIND))
    found = by_name(Probes().measure(knows, knows, [blind], rng, CLASS_2))
    assert found["probe/mean/deep"].value == 1.0
    assert found["probe/mean/deep"].n == 2
    assert found["probe_gap/mean/deep"].value == 1.0
    assert found["probe_drop/mean/deep"].value == 0.0
    forgot = by_name(Probes().measure(blind, knows, [blind, blind], rng, CLASS_2))
    assert forgot["probe/mean/deep"].value == 0.0
    assert forgot["probe_gap/mean/deep"].value == 0.0
    assert forgot["probe_drop/mean/deep"].value == 1.0
    assert forgot["probe_null/mean/deep"].value == 0.0
    assert {name.split("/")[1] for name in forgot} == {"linear", "mean"}


def test_where_no_class_goes_whole_the_forget_set_itself_is_asked_about(
    rng: np.random.Generator,
) -> None:
    """Classes at 0 and 5 on the retain set; the forget examples of them lie at 1 and at 2."""
    labels, groups = [0, 0, 1, 1, 0, 1], [RETAIN] * 4 + [FORGET] * 2
    half = represented([0, 0, 5, 5, 1, 2], labels, groups)
    both = represented([0, 0, 5, 5, 1, 4], labels, groups)
    found = by_name(Probes().measure(both, both, [half], rng, NONE))
    assert found["probe/mean/deep"].value == 1.0
    assert found["probe_gap/mean/deep"].value == 0.5
    assert found["probe_gap/linear/deep"].value == 0.5


def test_nearest_mean_by_hand() -> None:
    """Means 1 and 6, the middle 3.5."""
    learned = np.array([[0.0], [2.0], [6.0]])
    asked = np.array([[3.4], [3.6]])
    assert nearest_mean_answers(learned, np.array([4, 4, 7]), asked).tolist() == [4, 7]


def test_a_method_that_moves_the_last_layer_only_drops_nothing(rng: np.random.Generator) -> None:
    """The head-only control has the original's body, so its probes are the original's."""
    parts, original = toys.split(), toys.trained()
    method = METHODS.create("famr", {"head_only": True, "epochs": 2, "learning_rate": 0.05})
    candidate = method.unlearn(original, parts, toys.generator(), silent)
    models = [representation_of(network, parts) for network in (candidate, original)]
    assert not np.array_equal(models[0].outputs.logits, models[1].outputs.logits)
    found = Probes().measure(models[0], models[1], [models[1]], rng, parts.forgotten_classes)
    assert {m.value for m in found if m.name.startswith(("probe_drop/", "probe_gap/"))} == {0.0}


def test_probes_and_alignment_need_a_retrained_model(rng: np.random.Generator) -> None:
    one = represented(KNOWS, LABELS, GROUPS)
    with pytest.raises(UsageError, match="got 0 retrained models"):
        Probes().measure(one, one, [], rng, CLASS_2)
    untold = represented(KNOWS[:4], LABELS[:4], GROUPS[:4])
    with pytest.raises(UsageError, match="0 examples to learn from and 0 to ask"):
        Probes().measure(untold, untold, [untold], rng, CLASS_2)
    with pytest.raises(UsageError, match="got no retrained"):
        Alignment().measure(one, one, [], rng)
    with pytest.raises(UsageError, match="got 2 forget examples, expected at least 8"):
        Alignment().measure(one, one, [one], rng)


def of_features(first: np.ndarray, second: np.ndarray) -> float:
    return cka(inner_products(first), inner_products(second))


def test_cka_by_hand() -> None:
    """Four examples at (1, 1, -1, -1) and at (1, -1, 1, -1): see the sums.

    K has 1 for {1, 2} and {3, 4} and -1 for other pairs: row sums -1, total -4, sum of K^2 12.
    hsic(K, K) = (12 + 16 / 6 - 2 / 2 * 4) / 4 = 8 / 3. K and M agree on {1, 4} and {2, 3} only:
    their product is 1 there and -1 elsewhere, sum 4 - 8 = -4.
    hsic(K, M) = (-4 + 16 / 6 - 4) / 4 = -4 / 3. So CKA is -1 / 2.
    """
    first, second = np.array([[1.0], [1], [-1], [-1]]), np.array([[1.0], [-1], [1], [-1]])
    assert of_features(first, first) == pytest.approx(1.0)
    assert of_features(first, second) == pytest.approx(-0.5)


def test_cka_does_not_see_turns_scales_and_shifts(rng: np.random.Generator) -> None:
    features = rng.normal(size=(50, 4))
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    assert of_features(features, 3 * features @ turn + 7) == pytest.approx(1.0)


def test_cka_of_what_has_nothing_in_common_is_about_zero(rng: np.random.Generator) -> None:
    """The biased estimate would be near d / n = .5; 20 draws of n = 64, d = 32, deviation .02."""
    found = [of_features(rng.normal(size=(64, 32)), rng.normal(size=(64, 32))) for _ in range(20)]
    assert abs(np.mean(found)) < 0.03


def test_the_jackknife_of_a_mean_is_the_usual_interval() -> None:
    """Mean 2.5 of 1, 2, 3, 4: variance (5 / 3) / 4, Student's t 3.1824 with 3 degrees."""
    values = np.array([1.0, 2, 3, 4])
    parts = [np.delete(np.arange(4), k) for k in range(4)]
    found = jackknife(lambda kept: float(values[kept].mean()), 4, parts)
    assert found.value == 2.5
    assert found.high - 2.5 == pytest.approx(3.1824463 * np.sqrt(5 / 12))


def test_alignment_says_which_model_the_candidate_is(rng: np.random.Generator) -> None:
    def drawn(features: np.ndarray) -> Representation:
        groups = np.repeat([FORGET, TEST], 40)
        answers = Outputs(np.zeros((80, 2)), np.zeros(80, int), groups, np.arange(80) // 2)
        return Representation(answers, {"deep": features})

    original, other = (drawn(rng.normal(size=(80, 8))) for _ in range(2))
    found = by_name(Alignment().measure(original, original, [other], rng))
    for group in ("forget", "test"):
        same = found[f"cka_original/{group}/deep"]
        assert [same.value, same.low, same.high] == pytest.approx([1, 1, 1])
        retrained, apart = (found[f"{n}/{group}/deep"] for n in ("cka_retrained", "cka_apart"))
        assert retrained.value == apart.value
        assert retrained.low < 0.2 and retrained.high < 0.5
        assert same.n == 40
