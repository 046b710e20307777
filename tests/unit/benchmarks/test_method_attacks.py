"""What the comparison's further attacks say of answers that are known to remember, or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.methods import attacked
from unlearning.bank.shadows import Bank
from unlearning.domain import Examples, Group, Outputs, Split

CLASSES, EACH, SHADOWS = 4, 80, 8
"""Of examples in each of forget, retain, holdout and test; shadows see half of the first two."""

SURE, UNSURE = 6.0, 1.0
"""What is added to the right class's logit where a network has seen an example, and where not."""


def part(first: int, rng: np.random.Generator) -> Examples:
    ids = np.arange(first, first + EACH).astype(np.str_)
    return Examples(np.zeros((EACH, 1, 2, 2), np.uint8), rng.integers(0, CLASSES, EACH), ids, ids)


@pytest.fixture
def split() -> Split:
    rng = np.random.default_rng(0)
    return Split(*(part(first, rng) for first in (0, 100, 200, 300)), CLASSES)


def answers(labels: np.ndarray, seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    logits = rng.normal(0, 1, (len(labels), CLASSES)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += np.where(seen, SURE, UNSURE)
    return logits


def network(split: Split, *knows: Group) -> Outputs:
    rng = np.random.default_rng(1)
    order = (Group.FORGET, Group.RETAIN, Group.HOLDOUT, Group.TEST)
    labels = np.concatenate(
        [e.labels for e in (split.forget, split.retain, split.holdout, split.test)]
    )
    groups = np.repeat([int(group) for group in order], EACH)
    seen = np.isin(groups, [int(group) for group in knows])
    return Outputs(answers(labels, seen, rng), labels, groups, np.arange(len(labels)))


@pytest.fixture(autouse=True)
def bank(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    parts = (split.forget, split.retain, split.holdout)
    labels, ids = (np.concatenate([getattr(e, name) for e in parts]) for name in ("labels", "ids"))
    seen = np.tile(rng.permuted(np.arange(2 * EACH) % 2 == 0), (SHADOWS, 1))
    seen[1::2] = ~seen[1::2]
    marked = np.concatenate([seen, np.zeros((SHADOWS, EACH), bool)], axis=1)
    logits = np.stack([answers(labels, row, rng) for row in marked])
    nothing = np.zeros(SHADOWS)
    made = Bank(ids, marked, logits, nothing, nothing)
    monkeypatch.setattr(attacked, "_bank", lambda folder: made)


@pytest.mark.parametrize(
    ("knows", "above", "even"),
    [
        ((Group.FORGET, Group.RETAIN), ("rmia FT", "rmia RT"), "rmia FR"),
        ((Group.RETAIN,), ("rmia FR", "rmia RT"), "rmia FT"),
    ],
    ids=["original", "retrained"],
)
def test_rmia_tells_a_retrained_model_from_one_that_remembers(
    split: Split, knows: tuple[Group, ...], above: tuple[str, str], even: str
) -> None:
    found = attacked.rmia(network(split, *knows), split, Path())
    assert min(found[name] for name in above) > 0.8
    assert found[even] == pytest.approx(0.5, abs=0.1)


def test_the_memorised_tenth_is_known_by_who_saw_it(split: Split) -> None:
    untouched = attacked.attacked(network(split, Group.FORGET, Group.RETAIN), split, Path())
    retrained = attacked.attacked(network(split, Group.RETAIN), split, Path())
    assert untouched["memorised_auc"] > 0.8 > retrained["memorised_auc"]


def test_a_class_that_is_still_answered_stands_apart_from_models_without_it() -> None:
    """Class 0 is forgotten whole: who never saw it sends it to class 1."""
    rng = np.random.default_rng(3)
    labels = np.concatenate(
        [np.zeros(40, int), np.repeat(np.arange(1, CLASSES), 40), np.arange(CLASSES).repeat(40)]
    )
    groups = np.repeat([int(g) for g in (Group.FORGET, Group.RETAIN, Group.TEST)], [40, 120, 160])

    def sent(to: int) -> Outputs:
        logits = rng.normal(0, 1, (len(labels), CLASSES)).astype(np.float32)
        logits[np.arange(len(labels)), np.where(labels == 0, to, labels)] += SURE
        return Outputs(logits, labels, groups, np.arange(len(labels)))

    others = [sent(1), sent(1)]
    honest, elsewhere = (attacked.class_gap(sent(to), others) for to in (1, 3))
    assert honest["mia_nn"] < 0.1 < 0.8 < elsewhere["mia_nn"]
    assert honest["class_tv"] < 0.1 < 0.8 < elsewhere["class_tv"]
    assert attacked.class_gap(sent(1), others[:1]) == {}
