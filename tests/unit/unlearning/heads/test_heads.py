"""A head on a frozen backbone: its optimum is one, and nothing of whoever is taken out stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit import toys
from unlearning import networks
from unlearning.bank.shadow_training import features_of_splits, train_shadow
from unlearning.bank.shadows import BankPlan, job_of
from unlearning.digests import sha256_file
from unlearning.domain import Examples, Handed, joined
from unlearning.errors import IntegrityError, UsageError
from unlearning.heads.backbones import described, normalised, on_backbone
from unlearning.heads.features import BATCH, whole_features
from unlearning.heads.fitting import fitted, weights_of
from unlearning.heads.optima import Logistic, logistic
from unlearning.heads.statistics import Statistics, statistics_of
from unlearning.methods.finetune import FineTune
from unlearning.methods.head_downdate import HeadDowndate
from unlearning.methods.retrain import Retrain
from unlearning.networks import Classifier
from unlearning.outputs import logits_of
from unlearning.recipe import Head, Recipe
from unlearning.training import keyed
from unlearning.training.loop import silent

EVERYBODY = toys.examples(120, seed=5)


def downdated(
    network: Classifier, forget: Examples, retain: Examples, **settings: float
) -> Classifier:
    method = HeadDowndate(**settings)  # type: ignore[arg-type]
    made = method.unlearn(network, Handed(forget, retain, 3), toys.generator(), silent)
    assert isinstance(made, Classifier)
    return made


def after_fifty(loss: str) -> tuple[Classifier, Classifier]:
    """One head after fifty deletions, one after the other, and one fitted to who is left."""
    gone, left = EVERYBODY.take(np.arange(50)), EVERYBODY.take(np.arange(50, 120))
    network = toys.frozen(replace(toys.split(), forget=gone, retain=left), loss)
    for row in range(50):
        retain = EVERYBODY.take(np.arange(row + 1, 120))
        network = downdated(network, EVERYBODY.take(np.array([row])), retain)
    return network, fitted(network, left)[0]


def test_fifty_ridge_deletions_leave_the_bits_of_a_refit() -> None:
    made, again = after_fifty("ridge")
    assert torch.equal(made.last_layer.weight, again.last_layer.weight)
    assert torch.equal(made.last_layer.bias, again.last_layer.bias)
    sums, anew = (Statistics.from_tensors(of.carried) for of in (made, again))
    assert sums.same_sums(anew) and (sums.count, sums.since, anew.since) == (70, 50, 0)


def test_fifty_logistic_deletions_end_where_a_refit_does() -> None:
    """Both are within 1e-9 of the optimum and written as float32, some 1e-7 of each weight."""
    made, again = after_fifty("logistic")
    np.testing.assert_allclose(weights_of(made), weights_of(again), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("loss", ["ridge", "logistic"])
def test_refitting_and_downdating_agree_within_the_bound(loss: str) -> None:
    split = toys.split()
    original = toys.frozen(split, loss)
    made = downdated(original, split.forget, split.retain)
    again = Retrain().unlearn(original, split, toys.generator(), silent)
    assert isinstance(again, Classifier)
    told = HeadDowndate().report(original, made, split.handed())
    apart = float(np.linalg.norm(weights_of(made) - weights_of(again)))
    assert told["distance_bound"] <= 1e-9
    assert apart <= 2 * (told["distance_bound"] + told["rounding"])
    assert apart < float(np.linalg.norm(weights_of(original) - weights_of(again)))


@pytest.mark.parametrize("loss", ["ridge", "logistic"])
def test_a_head_that_is_not_the_optimum_has_no_certificate(loss: str) -> None:
    """The bound is the candidate's own: what was moved afterwards is as far as it was moved."""
    split = toys.split()
    original = toys.frozen(split, loss)
    made = downdated(original, split.forget, split.retain)
    assert isinstance(made, Classifier)
    carried = made.carried
    with torch.no_grad():
        made.last_layer.bias.add_(10.0)
    if carried:
        made.carry(carried)
    with pytest.raises(UsageError, match=r"from its optimum, expected at most the tolerance"):
        HeadDowndate().report(original, made, split.handed())


def test_the_bound_bounds() -> None:
    """From anywhere, the optimum is no farther than gradient / lambda."""
    rng = np.random.default_rng(0)
    of = Logistic(rng.normal(size=(60, 5)), rng.integers(3, size=60), 0.1)
    best = logistic(of, np.zeros((5, 3))).weights
    for _ in range(20):
        there = best + rng.normal(size=best.shape)
        gradient = float(np.linalg.norm(of.at(there)[1]))
        assert np.linalg.norm(there - best) <= gradient / of.penalty


def test_the_ridge_head_by_hand() -> None:
    """(G / n + lambda I) W = M / n, solved by numpy from features in floating point."""
    network, part = toys.frozen(), toys.split().retain
    made = fitted(network, part)[0]
    x = whole_features(network, part) / 4096
    gram = x.T @ x / len(x) + 1e-3 * np.eye(x.shape[1])
    wanted = np.linalg.solve(gram, x.T @ np.eye(3)[part.labels] / len(x))
    np.testing.assert_allclose(weights_of(made), wanted, rtol=1e-3, atol=1e-5)


def test_features_do_not_depend_on_company() -> None:
    part = toys.examples(BATCH + 5, seed=9)
    network = toys.frozen()
    together = whole_features(network, part)
    for row in (0, 7, BATCH - 1, BATCH, BATCH + 4):
        keyed.clear()
        alone = whole_features(network, part.take(np.array([row])))
        np.testing.assert_array_equal(alone[0], together[row])


def test_features_too_large_are_refused() -> None:
    network = toys.frozen()
    with torch.no_grad():
        next(network.parameters()).mul_(1e6)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.mul_(1e3)
    with pytest.raises(UsageError, match="expected all below 128"):
        whole_features(network, EVERYBODY)


def test_sums_of_others_are_counted_anew() -> None:
    """Examples of other open requests are in the sums and in neither set: none of them may stay."""
    split = toys.split()
    original = toys.frozen(split)
    fewer = split.retain.take(np.arange(30))
    made = downdated(original, split.forget, fewer)
    assert torch.equal(made.last_layer.weight, fitted(original, fewer)[0].last_layer.weight)
    assert Statistics.from_tensors(made.carried).since == 0


def test_after_so_many_all_are_counted_anew() -> None:
    split = toys.split()
    original = toys.frozen(split)
    taken_out = Statistics.from_tensors(downdated(original, split.forget, split.retain).carried)
    anew = downdated(original, split.forget, split.retain, recount=11)
    assert (taken_out.since, Statistics.from_tensors(anew.carried).since) == (12, 0)


def test_a_head_that_was_moved_otherwise_takes_no_sums_along(tmp_path: Path) -> None:
    """They hold the very people that it was moved to forget."""
    split, original = toys.split(), toys.frozen()
    tuned = FineTune(epochs=1, precision="fp32").unlearn(original, split, toys.generator(), silent)
    assert isinstance(tuned, Classifier)
    networks.save(tuned, tmp_path / "tuned.safetensors")
    networks.save(original, tmp_path / "original.safetensors")
    assert networks.load(tmp_path / "tuned.safetensors").carried == {}
    kept = Statistics.from_tensors(networks.load(tmp_path / "original.safetensors").carried)
    assert kept.same_sums(Statistics.from_tensors(original.carried))


def test_descending_moves_the_head_alone() -> None:
    original = toys.frozen()
    tuned = FineTune(epochs=1, precision="fp32").unlearn(
        original, toys.split(), toys.generator(), silent
    )
    before, after = original.state_dict(), tuned.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    last = next(n for n, m in original.named_modules() if m is original.last_layer)
    assert moved == {f"{last}.weight", f"{last}.bias"}


def test_who_is_not_frozen_is_refused() -> None:
    with pytest.raises(UsageError, match="the network is trained as a whole"):
        downdated(toys.trained(), toys.split().forget, toys.split().retain)


def test_beyond_the_tolerance_there_is_no_candidate() -> None:
    split = toys.split()
    with pytest.raises(UsageError, match=r"from its optimum, expected at most the tolerance"):
        downdated(toys.frozen(split), split.forget, split.retain, tolerance=1e-30)


def test_the_last_bit_of_a_picture_is_covered() -> None:
    network, part = toys.frozen(), toys.split().retain
    other = part.images.copy()
    other[3, 0, 0, 0] ^= 1
    sums = (
        statistics_of(whole_features(network, p), p, 3).covered
        for p in (part, replace(part, images=other))
    )
    assert len(set(sums)) == 2


def test_a_shadow_of_a_frozen_network_is_a_head(tmp_path: Path) -> None:
    network, split = toys.frozen(), toys.split()
    parts = (split.retain, split.holdout, split.test)
    plan = BankPlan(
        data_version="0", recipe=network.recipe, training=toys.TRAINING, shadows=4, seed=0
    )
    job = replace(job_of(plan, parts), features=features_of_splits(network, *parts))
    answers = train_shadow(job, 1)
    half = split.retain.take(job.seen[1, : len(split.retain)])
    alone = fitted(network, half)[0]
    wanted = np.concatenate([logits_of(alone, split.retain), logits_of(alone, split.holdout)])
    np.testing.assert_allclose(answers["logits"], wanted, atol=2e-3)


# -- backbones -----------------------------------------------------------------------------------


def backbone(folder: Path, **changes: int) -> Path:
    recipe = replace(toys.RECIPE, **changes)  # type: ignore[arg-type]
    networks.save(networks.build(recipe, toys.generator(3)), folder / "back.safetensors")
    return folder / "back.safetensors"


def test_a_backbone_of_other_classes_serves(tmp_path: Path) -> None:
    path = backbone(tmp_path, classes=7)
    content = normalised(path, replace(toys.RECIPE, mean=(0.1,)), given=False)
    kept = tmp_path / "kept.safetensors"
    kept.write_bytes(content)
    head = Head(backbone=sha256_file(kept))
    recipe = described(kept, toys.RECIPE, head, given=False)
    made = on_backbone(kept, recipe)
    assert (recipe.mean, made.last_layer.out_features) == ((0.5,), 3)
    first = networks.load(path).body.state_dict()["0.weight"]
    assert torch.equal(made.body.state_dict()["0.weight"], first)
    assert not made.last_layer.weight.any()


def test_another_file_is_another_backbone(tmp_path: Path) -> None:
    path = backbone(tmp_path)
    recipe = replace(toys.RECIPE, head=Head(backbone="1" * 64))
    with pytest.raises(IntegrityError, match=r"SHA-256 got .*, expected 1111"):
        on_backbone(path, recipe)


@pytest.mark.parametrize("name", ["absent.safetensors", "."])
def test_a_backbone_that_is_no_file_is_an_error_of_usage(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no such file"):
        normalised(tmp_path / name, toys.RECIPE, given=True)


def test_a_mean_of_the_data_is_never_frozen(tmp_path: Path) -> None:
    """A file without a recipe was trained with some mean; the data's would tell of the data."""
    from safetensors.torch import save_file

    path = tmp_path / "bare.safetensors"
    save_file(networks.build(toys.RECIPE).body.state_dict(), path)
    with pytest.raises(UsageError, match="give --mean and --std"):
        normalised(path, toys.RECIPE, given=False)
    assert normalised(path, toys.RECIPE, given=True)


def test_names_of_networks_without_a_head_are_as_before() -> None:
    plain = {"network", "classes", "channels", "size", "mean", "std"}
    assert set(toys.RECIPE.as_record()) == plain
    headed = replace(toys.RECIPE, head=Head(backbone="0" * 64, loss="logistic", penalty=0.5))
    assert Recipe.from_dict(headed.as_record()) == headed


def test_joined_twice_is_what_is_covered_twice() -> None:
    """Sums are of multisets: who is there twice is taken out twice."""
    network, part = toys.frozen(), toys.split().forget
    once = statistics_of(whole_features(network, part), part, 3)
    both = joined(part, part)
    twice = statistics_of(whole_features(network, both), both, 3)
    assert twice.without(once).same_sums(once)
