"""The candidates that gates are tried on, each with what it is and how it comes about."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import torch

from benchmarks.answers import digest_of_file
from benchmarks.gates import planted
from benchmarks.gates.grounds import OTHER_SEED, Ground
from benchmarks.samples import Setting
from unlearning import networks
from unlearning.digests import digest_of, digest_of_arrays
from unlearning.domain import FloatArray, Split
from unlearning.networks import Classifier


class Kind(StrEnum):
    """What a candidate is: gross ones must never be released, shown ones count in no demand."""

    GROSS = "gross"
    BAD = "bad"
    GOOD = "good"
    SHOWN = "shown"


@dataclass(frozen=True, eq=False)
class Materials:
    """What a pretender is made from."""

    champion: Classifier
    retrained: Classifier
    split: Split
    seed: int

    def rng(self) -> torch.Generator:
        """Give fresh chance, the same for everyone of a seed."""
        return torch.Generator().manual_seed(self.seed)


Make = Callable[[Materials], Classifier]
View = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Plant:
    """A pretender: a network that is made, or a view on the champion's answers, or both neither.

    stem: whose file is judged where it is another plant's. costly: seconds to minutes of training.
    """

    name: str
    kind: Kind
    make: Make | None = None
    view: View | None = None
    stem: str | None = None
    costly: bool = False
    form: str = ""


PLANTS = (
    Plant("untouched", Kind.GROSS),
    Plant("weights with noise", Kind.GROSS, lambda m: planted.with_noise(m.champion, m.rng())),
    Plant(
        "fine-tuned a little",
        Kind.BAD,
        lambda m: planted.tuned_a_little(m.champion, m.split, m.rng()),
    ),
    Plant(
        "hidden by output bias", Kind.GROSS, lambda m: planted.hidden_by_bias(m.champion, m.split)
    ),
    Plant("flattened by temperature", Kind.BAD, view=lambda z: z / planted.TEMPERATURE),
    Plant("logits clipped", Kind.BAD, view=planted.clipped),
    Plant(
        "random labels, over-forgotten",
        Kind.BAD,
        lambda m: planted.over_forgotten(m.champion, m.split, m.rng()),
    ),
    Plant(
        "wrecked by ascent", Kind.GROSS, lambda m: planted.wrecked_by_ascent(m.champion, m.split)
    ),
    Plant("famr, untuned", Kind.BAD, lambda m: planted.untuned_famr(m.champion, m.split, m.rng())),
    Plant(
        "forgets in fp32, remembers in int8",
        Kind.BAD,
        lambda m: planted.remembers_in_int8(m.champion, m.retrained, m.split, m.rng()),
        costly=True,
        form="int8",
    ),
    Plant(
        "the same, judged in fp32 alone",
        Kind.SHOWN,
        stem="forgets in fp32, remembers in int8",
        costly=True,
    ),
)

HALF = "forgot half"


@dataclass(frozen=True)
class Candidate:
    """A network's file and how it is judged.

    view: what becomes of its answers. half: judged on the half-forgotten set instead. form: the
    rounded form that must pass as well, if any.
    """

    name: str
    kind: Kind
    weights: Path
    view: View | None = None
    half: bool = False
    form: str = ""


def candidates(ground: Ground, setting: Setting, folder: Path) -> Iterator[Candidate]:
    """Give a ground's candidates, planted now where their file is missing."""
    for plant in PLANTS:
        if ground.costly or not plant.costly:
            path = _file(plant, ground, setting, folder)
            yield Candidate(plant.name, plant.kind, path, plant.view, form=plant.form)
    yield Candidate(HALF, Kind.GROSS, ground.goods[0].path, half=True)
    for good in ground.goods:
        yield Candidate(good.name, Kind.GOOD, good.path)
    if ground.costly:
        name = f"{OTHER_SEED}, int8 as well"
        yield Candidate(name, Kind.GOOD, ground.goods[0].path, form="int8")


def _file(plant: Plant, ground: Ground, setting: Setting, folder: Path) -> Path:
    stem = next(p for p in PLANTS if p.name == (plant.stem or plant.name))
    if stem.make is None:
        return ground.champion
    path = folder / f"{_key(stem, ground)}.safetensors"
    if not path.exists():
        networks.save(stem.make(_materials(ground, setting)), path)
    return path


def _materials(ground: Ground, setting: Setting) -> Materials:
    champion, retrained = (networks.load(p) for p in (ground.champion, ground.goods[0].path))
    return Materials(champion, retrained, ground.split(setting), ground.seed)


def _key(plant: Plant, ground: Ground) -> str:
    """Digest what a pretender follows from; not the methods inside it, whose settings are fixed."""
    return digest_of(
        {
            "plant": plant.name,
            "champion": digest_of_file(ground.champion),
            "retrained": digest_of_file(ground.goods[0].path),
            "unseen": digest_of_arrays(ground.unseen),
            "seed": ground.seed,
            "code": _code(),
        }
    )


@cache
def _code() -> str:
    """Digest the planting module, comments and layout aside."""
    return digest_of(ast.dump(ast.parse(Path(planted.__file__).read_text())))
