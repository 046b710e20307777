"""Forget sets by class, attribute, memorisation and likeness, on examples counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from flows.cli.work.requesting import selector_of
from ledger.domain import Selector
from unlearning.domain import ShadowOutputs
from unlearning.errors import UsageError
from unlearning.selecting import (
    ALIKE,
    ALIKE_IF_SMALL,
    BLOCK,
    alike_pictures,
    likeness_threshold,
    memorisation,
    near_duplicates,
    pixel_vectors,
)


def test_a_sub_class_or_a_style_is_asked_for_by_its_column() -> None:
    selector = selector_of(None, None, None, "subclass=coupe")
    assert selector == Selector("where", ("coupe",), "subclass")


def test_memorisation_is_the_confidence_gained_by_seeing() -> None:
    """Logits log p of two classes. Example 0, of class 0: shadows 0 and 1 saw it and answer .9 and
    .7, shadows 2 and 3 did not and answer .5 and .1: .8 - .3. Example 1, of class 1, is answered
    .6 by everybody: 0."""
    first = np.array([0.9, 0.7, 0.5, 0.1])
    p = np.stack([np.stack([first, 1 - first], 1), np.tile([0.4, 0.6], (4, 1))], 1)
    seen = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], dtype=bool)
    shadows = ShadowOutputs(np.log(p), seen)
    scores = memorisation(shadows, np.array([0, 1]))
    np.testing.assert_allclose(scores, [0.5, 0.0], atol=1e-12)


def test_memorisation_needs_shadows_of_both_kinds() -> None:
    all_saw = ShadowOutputs(np.zeros((2, 1, 3)), np.ones((2, 1), dtype=bool))
    with pytest.raises(UsageError, match="all shadows or none saw an example"):
        memorisation(all_saw, np.array([0]))


def test_near_duplicates_are_others_within_the_cosine() -> None:
    """To example 0, (1, 0): (2, 0) has cosine 1, (4, 3) has .8, (0, 1) has 0, zeros have none.
    Example 0 is itself like none of the chosen but itself, so it is not found."""
    vectors = np.array([[1, 0], [2, 0], [4, 3], [0, 1], [0, 0]], dtype=np.float64)
    chosen = np.array([True, False, False, False, False])
    at = {t: near_duplicates(vectors, chosen, threshold=t).tolist() for t in (0.9, 0.8)}
    assert at[0.9] == [False, True, False, False, False]
    assert at[0.8] == [False, True, True, False, False]


def test_two_chosen_examples_may_be_like_each_other() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float64)
    found = near_duplicates(vectors, np.array([True, True, False]), threshold=0.99)
    assert found.tolist() == [True, True, False]


def test_nobody_is_like_an_empty_set() -> None:
    assert not near_duplicates(np.eye(3), np.zeros(3, dtype=bool), threshold=0.5).any()


def test_blocks_do_not_hide_a_duplicate(rng: np.random.Generator) -> None:
    """The chosen example lies in the first block, its copy in the third."""
    vectors = rng.normal(size=(2 * BLOCK + 10, 32))
    vectors[-1] = 3 * vectors[5]
    chosen = np.zeros(len(vectors), dtype=bool)
    chosen[5] = True
    found = near_duplicates(vectors, chosen, threshold=0.999)
    assert np.flatnonzero(found).tolist() == [len(vectors) - 1]


def test_pixel_vectors_see_neither_brightness_nor_single_pixels(rng: np.random.Generator) -> None:
    """The same picture, 40 steps brighter and with one pixel of 1,024 changed, is a duplicate; an
    unrelated one, that has the same mean brightness, is none."""
    picture, other = rng.integers(0, 200, (2, 1, 3, 4, 4)).repeat(8, 3).repeat(8, 4)
    brighter = picture + 40
    brighter[0, :, 7, 7] = 0
    images = np.concatenate([picture, brighter, other]).astype(np.uint8)
    vectors = pixel_vectors(images)
    assert vectors.shape == (3, 3 * 16 * 16)
    np.testing.assert_allclose(vectors.mean(1), 0, atol=1e-3)
    found = near_duplicates(
        vectors, np.array([True, False, False]), threshold=likeness_threshold(images)
    )
    assert found.tolist() == [False, True, False]


def test_images_smaller_than_thumbnails_must_be_more_alike() -> None:
    sides = (8, 15, 16, 32)
    thresholds = [likeness_threshold(np.zeros((1, 1, s, s), dtype=np.uint8)) for s in sides]
    assert thresholds == [ALIKE_IF_SMALL, ALIKE_IF_SMALL, ALIKE, ALIKE]
    assert pixel_vectors(np.zeros((2, 1, 8, 8), dtype=np.uint8)).shape == (2, 64)


def test_no_picture_is_like_an_empty_set() -> None:
    """A request for test examples alone forgets none of those that were trained on."""
    images = np.zeros((3, 1, 8, 8), dtype=np.uint8)
    assert not alike_pictures(images, np.zeros(3, dtype=bool), threshold=0.9).any()
