"""A bank whose bytes are not those that were written judges nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.unlearning.bank.test_shadows import PLAN, build
from unlearning.bank.files import (
    index_digest,
    readable,
    shadow_path,
    write_arrays,
    write_index,
)
from unlearning.bank.shadows import load_bank, without_examples
from unlearning.bank.state import state_in
from unlearning.errors import IntegrityError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished bank of four shadows."""
    return build(tmp_path_factory.mktemp("whole"))[0]


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of it that may be spoilt."""
    copy = tmp_path / whole.name
    copy.mkdir()
    for path in whole.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def reverse(folder: Path) -> None:
    """Turn what a shadow answers into its opposite: a file of the right kind and size."""
    path = shadow_path(folder, 1)
    arrays = readable(path)
    assert arrays is not None
    write_arrays(path, {**arrays, "logits": -arrays["logits"]})


def cut(folder: Path) -> None:
    path = shadow_path(folder, 1)
    path.write_bytes(path.read_bytes()[:-100])


def take_away(folder: Path) -> None:
    shadow_path(folder, 1).unlink()


@pytest.mark.parametrize("spoil", [reverse, cut, take_away])
def test_a_shadow_that_is_not_the_one_that_was_written_is_an_alarm(
    folder: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(folder)
    for read in (
        load_bank,
        lambda f: state_in(f, 4),
        lambda f: without_examples(f, np.array(["a"]), replace(PLAN, data_version="v2"), f.parent),
    ):
        with pytest.raises(IntegrityError, match=r"shadow-001.safetensors: got .*, expected") as e:
            read(folder)
        assert "lethe train --shadows" in str(e.value)
        assert e.value.exit_code == 30


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"plan": {"shadows": 4}, "ids": ["a"], "sha256": {}}']
)
def test_an_index_that_is_none_is_an_alarm(folder: Path, content: str) -> None:
    (folder / "bank.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"bank.json"):
        load_bank(folder)


def test_who_knows_the_index_knows_every_shadow(folder: Path) -> None:
    """A shadow that was changed together with its digest gives the index another digest."""
    before = index_digest(folder)
    reverse(folder)
    write_index(folder, json.loads((folder / "bank.json").read_text()))
    load_bank(folder)
    assert index_digest(folder) != before


def test_the_index_is_told_of_before_it_is_written(tmp_path: Path, whole: Path) -> None:
    told: list[tuple[Path, str]] = []

    def seal(folder: Path, sha256: str) -> None:
        assert not (folder / "bank.json").exists()
        told.append((folder, sha256))

    built = build(tmp_path, seal=seal)[0]
    assert told == [(built, index_digest(built))]
    assert index_digest(built) == index_digest(whole)  # all of it follows from the plan
    plan = replace(PLAN, data_version="v2")
    derived = without_examples(built, load_bank(built).ids[:3], plan, tmp_path, seal)
    assert told[1:] == [(derived, index_digest(derived))]


@pytest.mark.parametrize("content", [b"", b"\0" * 100])
def test_what_a_crash_left_of_a_shadow_is_trained_again(
    folder: Path, whole: Path, content: bytes
) -> None:
    (folder / "bank.json").unlink()
    shadow_path(folder, 2).write_bytes(content)
    _, seen = build(folder.parent)
    assert seen == [(4, 4)]
    assert index_digest(folder) == index_digest(whole)
