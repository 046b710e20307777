"""What workers elsewhere do is what a process here does, and nobody is named to them.

A worker is played here by a process' border alone: all goes through bytes. The real cluster is an
integration test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from systems.compute.away import asked, spread
from systems.compute.errands import Back, Done, Errand, taken
from systems.compute.parcels import Parcel, Tensors, packed, unpacked
from systems.compute.producing import Produced, make_method, train_network, unlearn
from tests.unit import toys
from tests.unit.border import Border, named, split
from unlearning import networks
from unlearning.bank.shadow_training import Features, Job, spread_over_processes
from unlearning.errors import AttemptFailed, IntegrityError
from unlearning.judging.doors import answers
from unlearning.recipe import Head


@pytest.fixture
def border() -> Iterator[Border]:
    threads = torch.get_num_threads()
    yield Border()
    torch.set_num_threads(threads)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    networks.save(toys.trained(), tmp_path / "original.safetensors")
    return tmp_path / "original.safetensors"


SETTINGS: dict[str, dict[str, Any]] = {
    "finetune": {"epochs": 2, "batch_size": 16},
    "retrain": {},
    "warm_retrain": {},
}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_candidate_is_the_same_to_the_last_byte(
    name: str, border: Border, original: Path, tmp_path: Path
) -> None:
    method = make_method(name, SETTINGS[name], toys.TRAINING)
    stored = [tmp_path / f"base-{k}.safetensors" for k in range(2)]
    for base, path in zip(toys.bases(2), stored, strict=True):
        networks.save(base, path)
    told: list[tuple[int, int, float]] = []

    def made(where: str, away: Any) -> Produced:
        told.clear()
        return unlearn(
            *(original, split(), method, 3, tmp_path / where, lambda *at: told.append(at)),
            ancestors=stored if name == "warm_retrain" else (),
            away=away,
        )

    here, said_here = made("here.safetensors", None), list(told)
    away = made("away.safetensors", border.send)
    assert away.sha256 == here.sha256
    assert told == said_here and away.losses == here.losses
    assert away.report == here.report and away.parts == here.parts
    assert border.nobody_is_named()
    allowed = {"images", "labels"}
    assert {n.split(".")[-1] for n in border.names if n.startswith(("forget", "retain"))} == allowed


def test_a_fresh_network_is_the_same_to_the_last_byte(border: Border, tmp_path: Path) -> None:
    part = split().retain
    what = part, toys.RECIPE, toys.TRAINING, 5
    here = train_network(*what, tmp_path / "here.safetensors")
    away = train_network(*what, tmp_path / "away.safetensors", away=border.send)
    assert (away.sha256, away.losses) == (here.sha256, here.losses)
    assert border.nobody_is_named()


def test_a_method_that_fails_there_has_failed_here(
    border: Border, original: Path, tmp_path: Path
) -> None:
    training = dataclasses.replace(toys.TRAINING, learning_rate=1e20)
    method = make_method("retrain", {}, training)
    with pytest.raises(AttemptFailed, match="diverged"):
        unlearn(original, split(), method, 3, tmp_path / "x.safetensors", away=border.send)
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize("sure", [None, 2.0])
def test_answers_are_the_same_behind_every_door(
    border: Border, original: Path, sure: float | None
) -> None:
    network, parts = networks.load(original), split()
    here, away = answers(network, parts, sure), asked(network, parts, sure, send=border.send)
    assert list(away) == list(here) and len(here) == (1 if sure is None else 3)
    for name, outputs in here.items():
        for field in ("logits", "labels", "groups", "subjects"):
            assert np.array_equal(getattr(away[name], field), getattr(outputs, field)), (
                name,
                field,
            )
    assert border.nobody_is_named()


def job(features: Features | None = None) -> Job:
    train, holdout = named(toys.examples(24), "train"), named(toys.examples(12), "held")
    seen = np.random.default_rng(0).random((4, 36)) < 0.5
    recipe = toys.RECIPE
    if features is not None:
        recipe = dataclasses.replace(recipe, head=Head(backbone="0" * 64))
    return Job(recipe, toys.TRAINING, 7, train, holdout, toys.examples(12), seen, features)


@pytest.mark.parametrize("heads", [False, True])
def test_shadows_are_the_same(heads: bool, border: Border) -> None:
    rng = np.random.default_rng(1)
    found = Features(*(rng.random((n, 5)) for n in (24, 12, 12))) if heads else None
    kept: list[dict[int, dict[str, np.ndarray]]] = [{}, {}]
    torch.set_num_threads(1)
    spread_over_processes(job(found), [1, 3], kept[0].__setitem__, workers=1)
    spread(job(found), [1, 3], kept[1].__setitem__, send=border.send)
    assert sorted(kept[1]) == [1, 3]
    for shadow, answered in kept[0].items():
        assert set(answered) == set(kept[1][shadow])
        for key, values in answered.items():
            assert (
                np.array_equal(values, kept[1][shadow][key])
                and values.dtype == kept[1][shadow][key].dtype
            )
    assert border.nobody_is_named()


def test_other_bytes_than_the_digest_says_are_refused() -> None:
    good, other = packed({"a": torch.ones(3)}), packed({"a": torch.zeros(3)})
    with pytest.raises(
        IntegrityError, match=r"a worker, unlearn: the bytes that came are not those"
    ):
        taken(Back(Parcel(good.sha256, other.content), {}), "unlearn")
    with pytest.raises(IntegrityError, match="not those of their digest"):
        unpacked(good, other.sha256, "errand ask")
    assert torch.equal(unpacked(good, good.sha256, "errand ask")["a"], torch.ones(3))


def test_answers_for_other_examples_are_refused() -> None:
    def cut(errands: Sequence[Errand], tensors: Tensors) -> Iterator[tuple[int, Done]]:
        yield 0, Done({"plain": torch.zeros(5, 3)})

    with pytest.raises(IntegrityError, match=r"got answers of shape \(5, 3\), expected \(108, 3\)"):
        asked(toys.trained(), split(), None, send=cut)


def test_a_network_of_another_kind_is_no_candidate(original: Path, tmp_path: Path) -> None:
    def other(errands: Sequence[Errand], tensors: Tensors) -> Iterator[tuple[int, Done]]:
        yield 0, Done({"a": torch.zeros(1)}, {"told": [], "seconds": 0.0, "report": {}, "parts": 1})

    method = make_method("retrain", {}, toys.TRAINING)
    with pytest.raises(IntegrityError, match="from a worker"):
        unlearn(original, split(), method, 0, tmp_path / "x.safetensors", away=other)
    assert not (tmp_path / "x.safetensors").exists()
