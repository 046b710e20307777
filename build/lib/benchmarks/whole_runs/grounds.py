"""The workspaces that whole runs begin from, and who asks to be forgotten there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import samples
from benchmarks.head import ground as heads
from benchmarks.samples import SHARED
from unlearning import networks

Words = list[str]
"""Of a command line."""

Asked = Callable[[Path, np.random.Generator], Sequence[tuple[str, Words]]]
"""Gives the requests of a workspace in order, each with the words of `lethe submit`."""


@dataclass(frozen=True)
class Ground:
    """A data set as `lethe init` gets it.

    needs: the folder of ../shared/data that it is read from; none for digits. init: the words for
    it, given a folder to write into. before: whose recipe of benchmarks/recipe retraining took
    until now, on about as many examples.
    """

    needs: str | None
    init: Callable[[Path], Words]
    before: str
    asked: Asked
    ladder: tuple[str, ...] = ("retrain",)


def members(workspace: Path, column: str) -> list[str]:
    """Give the training set's subjects or example ids."""
    from systems.data import reading
    from systems.settings.workspace import Workspace

    table = reading.read_table(Workspace.at(workspace), [column, "split"])
    rows = zip(table[column].to_pylist(), table["split"].to_pylist(), strict=True)
    return sorted({value for value, split in rows if split == "train"})


def _each(option: str, values: Sequence[str]) -> Words:
    return [word for value in values for word in (option, value)]


def _people(few: int, many: int, names: tuple[str, str]) -> Asked:
    def asked(workspace: Path, rng: np.random.Generator) -> Sequence[tuple[str, Words]]:
        people = rng.permutation(members(workspace, "subject_id")).tolist()
        groups = people[:few], people[few : few + many]
        return [
            (name, _each("--subject", group)) for name, group in zip(names, groups, strict=True)
        ]

    return asked


def _examples_and_class(workspace: Path, rng: np.random.Generator) -> Sequence[tuple[str, Words]]:
    drawn = rng.permutation(members(workspace, "example_id"))[:500].tolist()
    return [
        ("500 random examples", _each("--example", drawn)),
        ("the class cat", ["--class", "cat"]),
    ]


def _files(data: str) -> Words:
    return [f"--data={SHARED / data / 'train.parquet'}", f"--test={SHARED / data / 'test.parquet'}"]


def _digits(_: Path) -> Words:
    return ["--data", "digits", "--epochs", "6"]


def _omniglot(_: Path) -> Words:
    named = "--label alphabet_label --subject subject_id --example sample_id --size 32"
    return [*_files("omniglot"), *named.split()]


def _cifar10(_: Path) -> Words:
    return [*_files("cifar10"), "--example", "sample_id", "--limit", "10000"]


def _on_backbone(folder: Path) -> Words:
    """Train a backbone on 25,000 other images, and lend it to a head on 10,000."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    ground = heads.Ground()
    backbone = folder / "backbone.safetensors"
    networks.save(ground.network_on(ground.lent(), 0)[0], backbone)
    table = pq.read_table(SHARED / "cifar10/train.parquet")
    for part in ("train", "holdout"):
        pq.write_table(table.take(ground.rows[part]), folder / f"{part}.parquet")
    mean, std = (",".join(map(str, values)) for values in (ground.recipe.mean, ground.recipe.std))
    return [
        *(f"--data={folder / 'train.parquet'}", f"--holdout={folder / 'holdout.parquet'}"),
        *(f"--test={SHARED / 'cifar10/test.parquet'}", "--example", "sample_id"),
        *("--network", heads.NETWORK, f"--backbone={backbone}", f"--mean={mean}", f"--std={std}"),
        *("--backbone-statement", "25,000 other images of CIFAR-10", "--head", "ridge"),
    ]


GROUNDS = {
    "digits": Ground(None, _digits, "digits", _people(1, 10, ("one person", "ten people"))),
    "omniglot": Ground(
        "omniglot", _omniglot, "omniglot", _people(1, 12, ("one drawer", "twelve drawers"))
    ),
    "cifar10": Ground("cifar10", _cifar10, "cifar10", _examples_and_class),
    "cifar10-head": Ground(
        "cifar10", _on_backbone, "cifar10", _examples_and_class, ("head_downdate", "retrain")
    ),
}


def there(ground: Ground) -> bool:
    """Tell whether the data that a ground needs are at hand."""
    return ground.needs is None or (samples.SHARED / ground.needs).is_dir()
