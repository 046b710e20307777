"""What a method does wrong is an attempt that failed; what it stands on is not its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from systems.compute.producing import unlearn
from tests.unit import toys
from unlearning import networks
from unlearning.errors import AttemptFailed, Diverged, IntegrityError, UsageError
from unlearning.methods import METHODS


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "original.safetensors"
    networks.save(toys.trained(), path)
    return path


def raising(problem: Exception) -> Any:
    """Fine-tuning that raises this."""

    class Raising(METHODS["finetune"]):  # type: ignore[misc]  # a class of the registry
        def unlearn(self, *rest: Any) -> Any:
            raise problem

    return Raising()


@pytest.mark.parametrize(
    "problem",
    [
        RuntimeError("person-17: shapes do not fit"),
        MemoryError("alloc"),
        KeyError("person-17"),
        UsageError("finetune: batches of two on one example"),
        Diverged("finetune diverged in epoch 1"),
        ZeroDivisionError(),
    ],
)
def test_whatever_a_method_raises_is_a_failed_attempt_in_one_line(
    original: Path, tmp_path: Path, problem: Exception
) -> None:
    target = tmp_path / "candidate.safetensors"
    with pytest.raises(AttemptFailed) as caught:
        unlearn(original, toys.split(), raising(problem), 7, target)
    line = str(caught.value)
    assert line.startswith("finetune") and "\n" not in line and "person-17" not in line
    assert not target.exists()


@pytest.mark.parametrize(
    "problem", [OSError(28, "No space left on device"), IntegrityError("shard 3a: altered")]
)
def test_a_full_disk_and_altered_bytes_are_no_failure_of_the_method(
    original: Path, tmp_path: Path, problem: Exception
) -> None:
    with pytest.raises(type(problem)):
        unlearn(original, toys.split(), raising(problem), 7, tmp_path / "candidate.safetensors")


def test_a_method_that_gives_no_network_failed(original: Path, tmp_path: Path) -> None:
    @dataclasses.dataclass(frozen=True)
    class Nothing:
        name = "nothing"
        exact = False

        def unlearn(self, *rest: Any) -> None:
            return None

    with pytest.raises(AttemptFailed, match=r"nothing: raised TypeError in attempting\.py"):
        unlearn(original, toys.split(), Nothing(), 7, tmp_path / "c.safetensors")  # type: ignore[arg-type]


def test_a_method_that_needs_two_examples_says_so_of_one(tmp_path: Path) -> None:
    """Where a picture is one value a channel at last, a batch of one cannot be normalised."""
    networks.save(
        networks.build(dataclasses.replace(toys.RECIPE, network="resnet18-cifar")),
        tmp_path / "original.safetensors",
    )
    method = METHODS.create("neg_grad_plus", {"epochs": 1})
    target = tmp_path / "candidate.safetensors"
    with pytest.raises(AttemptFailed, match="cannot train on one example alone"):
        unlearn(tmp_path / "original.safetensors", toys.split(forget=1), method, 0, target)
    assert not target.exists()


def test_a_run_hands_a_method_nothing_that_judges_it(original: Path, tmp_path: Path) -> None:
    """Whoever reads the test or the holdout set fails, instead of choosing by it."""

    class Curious(METHODS["finetune"]):  # type: ignore[misc]
        def unlearn(self, network: Any, split: Any, *rest: Any) -> Any:
            assert len(split.forget) and len(split.retain)
            return split.test

    with pytest.raises(AttemptFailed, match="raised AttributeError"):
        unlearn(original, toys.split(), Curious(), 7, tmp_path / "c.safetensors")
