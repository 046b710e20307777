"""Pictures on disk answer like an array, and whatever learns from them learns the same."""

from __future__ import annotations

import dataclasses
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from systems.compute.producing import make_method, recipe_for, unlearn
from tests.unit import toys
from tests.unit.tasks.test_ladder import quick
from unlearning import networks, stored
from unlearning.bank.shadow_training import Job, in_memory, spread_over_processes, train_shadow
from unlearning.digests import sha256_file
from unlearning.domain import Examples, joined
from unlearning.methods import METHODS
from unlearning.outputs import logits_of
from unlearning.selecting import alike_pictures, near_duplicates, pixel_vectors
from unlearning.stored import Lazy, Stored, digest_of_pictures
from unlearning.training import keyed

HEAD = 64


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "SMALL", 0)
    keyed.clear()


def on_disk(examples: Examples, path: Path) -> Examples:
    """The same examples, their pictures in a file."""
    images = np.asarray(examples.images)
    path.write_bytes(bytes(HEAD) + images.tobytes())
    return dataclasses.replace(examples, images=Stored(path, images.shape, HEAD))


@pytest.fixture
def both(tmp_path: Path) -> tuple[Examples, Examples]:
    plain = toys.examples(40)
    return plain, on_disk(plain, tmp_path / "v1.pixels")


MASK = np.arange(40) % 3 == 0
ORDER = np.array([7, 3, 3, 39])


@pytest.mark.parametrize("key", [slice(3, 9), slice(None, None, 2), MASK, ORDER, 5, -1])
def test_rows_are_those_of_the_array(both: tuple[Examples, Examples], key: Any) -> None:
    plain, there = both
    assert isinstance(there.images, Lazy) and there.images.shape == plain.images.shape
    assert np.array_equal(there.images[key], plain.images[key])
    assert np.array_equal(np.asarray(there.images), np.asarray(plain.images))


def test_what_is_chosen_again_is_chosen_from_the_file(both: tuple[Examples, Examples]) -> None:
    plain, there = both
    chosen, wanted = there.take(MASK).take(ORDER[:2]), plain.take(MASK).take(ORDER[:2])
    assert isinstance(chosen.images, stored.Chosen) and isinstance(chosen.images.of, Stored)
    assert np.array_equal(np.asarray(chosen.images), np.asarray(wanted.images))
    assert digest_of_pictures(chosen.images) != digest_of_pictures(there.images)


def test_few_rows_are_read_at_once(
    both: tuple[Examples, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "SMALL", 10 * 64)
    assert isinstance(both[1].take(np.arange(10)).images, np.ndarray)
    assert isinstance(both[1].take(np.arange(11)).images, Lazy)


def test_sets_are_joined_without_being_read(both: tuple[Examples, Examples]) -> None:
    plain, there = both
    one, other = joined(plain.take(ORDER), there, there.take(MASK)), joined(plain, plain)
    assert isinstance(one.images, stored.Beside) and isinstance(other.images, np.ndarray)
    wanted = joined(plain.take(ORDER), plain, plain.take(MASK))
    some = np.array([50, 0, 43, 3, 20])
    assert np.array_equal(one.images[some], wanted.images[some])


BESIDE = ("head_downdate", "warm_retrain")
"""Methods that need a backbone, or stored bases."""


@pytest.mark.parametrize("name", [n for n in METHODS if n not in BESIDE])
def test_every_method_makes_the_same_candidate(name: str, tmp_path: Path) -> None:
    """Its bytes, from pictures in memory and from pictures on disk."""
    original, plain = tmp_path / "original.safetensors", toys.split()
    networks.save(toys.trained(), original)
    there = dataclasses.replace(
        plain,
        forget=on_disk(plain.forget, tmp_path / "forget.pixels"),
        retain=on_disk(plain.retain, tmp_path / "retain.pixels"),
    )
    method = make_method(name, quick(name), toys.TRAINING)
    made = [
        unlearn(original, split, method, 7, tmp_path / f"{n}.safetensors")
        for n, split in enumerate((plain, there))
    ]
    assert made[0].sha256 == made[1].sha256 == sha256_file(tmp_path / "1.safetensors")


def test_answers_moments_and_likeness_are_the_same(both: tuple[Examples, Examples]) -> None:
    plain, there = both
    network = toys.trained()
    assert np.array_equal(logits_of(network, plain), logits_of(network, there))
    assert recipe_for("conv-small", 3, plain) == recipe_for("conv-small", 3, there)
    vectors = pixel_vectors(np.asarray(plain.images))
    wanted = near_duplicates(vectors, MASK, threshold=0.9)
    assert np.array_equal(alike_pictures(there.images, MASK, threshold=0.9), wanted)


def test_workers_open_the_file_themselves(both: tuple[Examples, Examples]) -> None:
    """The job that travels is smaller than the pictures, and the shadows are the same."""
    plain, there = both
    few, training = toys.examples(4), dataclasses.replace(toys.TRAINING, epochs=1)
    seen = np.array([np.append(half, [True] * 4) for half in (MASK, ~MASK)])
    jobs = [Job(toys.RECIPE, training, 3, e, few, plain, seen) for e in (plain, there)]
    wanted = train_shadow(jobs[0], 1)
    got: dict[int, Any] = {}
    spread_over_processes(jobs[1], [0, 1], got.__setitem__, workers=2)
    assert np.allclose(got[1]["logits"], wanted["logits"], atol=1e-6)
    travels = multiprocessing.reduction.ForkingPickler.dumps(there.images)
    assert len(travels) < 500
    assert isinstance(in_memory(jobs[1]).train.images, np.ndarray)


def test_a_shelf_gives_what_a_tensor_of_all_gives(both: tuple[Examples, Examples]) -> None:
    """Layout in memory too, on which the last bits of a convolution depend."""
    from unlearning.training.loop import pictures_on

    cpu = torch.device("cpu")
    (whole, _), (shelf, _) = (pictures_on(examples, cpu) for examples in both)
    where = torch.tensor([3, 1, 2])
    assert torch.equal(whole[where], shelf[where])
    assert whole[where].stride() == shelf[where].stride()
