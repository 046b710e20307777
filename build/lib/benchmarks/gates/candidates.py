"""The candidates that gates are tried on, each with what it is and how it comes about."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache, partial
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from benchmarks.answers import digest_of_file
from benchmarks.gates import hostile, planted
from benchmarks.gates.grounds import OTHER_SEED, Ground
from benchmarks.samples import Setting
from unlearning import networks
from unlearning.bank.shadows import Bank
from unlearning.digests import digest_of, digest_of_arrays
from unlearning.domain import FloatArray, Split
from unlearning.networks import Classifier
from unlearning.outputs import logits_of


class Kind(StrEnum):
    """What a candidate is: gross ones must never be released, shown ones count in no demand."""

    GROSS = "gross"
    BAD = "bad"
    GOOD = "good"
    SHOWN = "shown"


@dataclass(frozen=True, eq=False)
class Materials:
    """What a pretender is made from.

    shadows: for each forget example the logits of one shadow that never saw it; ranks: where these
    lie among that shadow's strangers, (n,) fractions. strangers: logits on holdout examples, the
    champion's own and one shadow's.
    """

    champion: Classifier
    retrained: Classifier
    split: Split
    seed: int
    shadows: FloatArray
    ranks: FloatArray
    strangers: tuple[FloatArray, FloatArray]

    def rng(self) -> torch.Generator:
        """Give fresh chance, the same for everyone of a seed."""
        return torch.Generator().manual_seed(self.seed)


Make = Callable[[Materials], Classifier]
View = Callable[[FloatArray], FloatArray]
Kinds = frozenset[str]

CLASS: Kinds = frozenset({"class"})


@dataclass(frozen=True)
class Plant:
    """A pretender: a network that is made, or a view on the champion's answers, or both neither.

    kind: by what was done to it, never by what an attack sees. learns: the view is of strangers'
    answers. stem: whose file is judged where it is another plant's. costly: seconds to minutes of
    training. only: kinds of request for which it is made, all if empty.
    """

    name: str
    kind: Kind
    make: Make | None = None
    view: View | None = None
    learns: Callable[[Materials], View] | None = None
    stem: str | None = None
    costly: bool = False
    form: str = ""
    only: Kinds = frozenset()


def _flattened(temperature: float) -> Plant:
    view = partial(planted.flattened, temperature=temperature)
    return Plant(f"logits divided by {temperature:g}", Kind.GROSS, view=view)


def _calibrated(*, by_class: bool) -> Callable[[Materials], View]:
    def learn(m: Materials) -> View:
        own, theirs = m.strangers
        return partial(planted.calibrated_to, own=own, wanted=theirs, by_class=by_class)

    return learn


def _hidden(shift: float) -> Plant:
    return Plant(
        f"bias of the class at {shift:g}",
        Kind.GROSS,
        lambda m: planted.with_class_hidden(m.champion, m.split, shift),
        only=CLASS,
    )


def _mimic(name: str, *, keep: bool, head: bool = False) -> Plant:
    return Plant(
        name,
        Kind.BAD,
        lambda m: planted.mimicking(m.champion, m.split, m.shadows, m.rng(), keep=keep, head=head),
    )


FORGOT_NOTHING = (
    Plant("untouched", Kind.GROSS),
    Plant("weights with noise", Kind.GROSS, lambda m: planted.with_noise(m.champion, m.rng())),
    *map(_flattened, planted.TEMPERATURES),
    Plant("logits clipped", Kind.GROSS, view=planted.clipped),
    Plant("logits with noise", Kind.GROSS, view=planted.noisy),
    Plant("first class alone", Kind.GROSS, view=planted.top_one),
    Plant("calibrated to a shadow", Kind.GROSS, learns=_calibrated(by_class=False)),
    Plant("calibrated by class", Kind.GROSS, learns=_calibrated(by_class=True)),
    Plant(
        "hidden by output bias", Kind.GROSS, lambda m: planted.hidden_by_bias(m.champion, m.split)
    ),
    *map(_hidden, (-5.0, -1000.0)),
)
"""Maps of the champion's own answers: whoever holds them undoes them."""

FORGOT_BADLY = (
    Plant(
        "wrecked by ascent", Kind.GROSS, lambda m: planted.wrecked_by_ascent(m.champion, m.split)
    ),
    Plant(
        "fine-tuned a little",
        Kind.BAD,
        lambda m: planted.tuned_a_little(m.champion, m.split, m.rng()),
    ),
    Plant(
        "random labels, over-forgotten",
        Kind.BAD,
        lambda m: planted.over_forgotten(m.champion, m.split, m.rng()),
    ),
    Plant("famr, untuned", Kind.BAD, lambda m: planted.untuned_famr(m.champion, m.split, m.rng())),
    Plant(
        "famr, last layer alone",
        Kind.BAD,
        lambda m: planted.head_only_famr(m.champion, m.split, m.rng()),
    ),
    _mimic("mimics shadows", keep=False),
    _mimic("mimics shadows, keeps the rest", keep=True),
    _mimic("mimics shadows, last layer alone", keep=True, head=True),
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
"""Networks that were changed, in ways that do not unlearn."""


def _learner(name: str, epochs: int) -> Plant:
    return Plant(
        name,
        Kind.GROSS,
        lambda m: hostile.learning_strangers(m.champion, m.split, m.rng(), epochs=epochs),
    )


def _triggered(m: Materials) -> Classifier:
    return hostile.remembering_behind_a_trigger(m.retrained, m.split, m.rng())


def _ranked(name: str, scaled: Callable[[Classifier], Classifier] = deepcopy) -> Plant:
    return Plant(name, Kind.BAD, lambda m: scaled(_mimic_of(m)), costly=True, only=DRAWN)


@lru_cache(maxsize=1)
def _mimic_of(m: Materials) -> Classifier:
    return hostile.mimicking_ranks(m.champion, m.split, m.ranks, m.rng())


DRAWN: Kinds = frozenset({"random"})

KNEW_THE_GATE = (
    Plant("untouched, brittle", Kind.GROSS, lambda m: hostile.brittle(m.champion)),
    Plant("untouched, frozen", Kind.GROSS, lambda m: hostile.frozen(m.champion)),
    Plant("untouched, too sure", Kind.GROSS, lambda m: hostile.too_sure(m.champion)),
    _learner("learned the strangers too", 40),
    _learner("learned the strangers a little", 8),
    _ranked("mimics ranks"),
    _ranked("mimics ranks, brittle", hostile.brittle),
    _ranked("mimics ranks, frozen", hostile.frozen),
    _ranked("mimics ranks, too sure", hostile.too_sure),
    Plant("remembers behind a trigger", Kind.SHOWN, _triggered, costly=True, only=DRAWN),
    Plant(
        "remembers in its weights' low bits",
        Kind.SHOWN,
        lambda m: hostile.written_into_weights(m.retrained, m.split),
        only=DRAWN,
    ),
)
"""Networks of somebody who holds bank and strangers. The last two answer what they are asked as
retrained ones do: no gate here finds them, and they are shown as that limit."""

PLANTS = (*FORGOT_NOTHING, *FORGOT_BADLY, *KNEW_THE_GATE)

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


def candidates(ground: Ground, setting: Setting, bank: Bank, folder: Path) -> Iterator[Candidate]:
    """Give a ground's candidates, planted now where their file is missing."""
    of = cache(lambda: _materials(ground, setting, bank))
    for plant in PLANTS:
        if (ground.costly or not plant.costly) and ground.name.split("-")[0] in (
            plant.only or KINDS
        ):
            path = _file(plant, ground, of, folder)
            view = plant.learns(of()) if plant.learns else plant.view
            yield Candidate(plant.name, plant.kind, path, view, form=plant.form)
    yield Candidate(HALF, Kind.GROSS, ground.goods[0].path, half=True)
    for good in ground.goods:
        yield Candidate(good.name, Kind.GOOD, good.path)
    if ground.costly:
        name = f"{OTHER_SEED}, int8 as well"
        yield Candidate(name, Kind.GOOD, ground.goods[0].path, form="int8")


KINDS: Kinds = frozenset({"random", "subject", "memorised", "class", "group"})


def _file(plant: Plant, ground: Ground, of: Callable[[], Materials], folder: Path) -> Path:
    stem = next(p for p in PLANTS if p.name == (plant.stem or plant.name))
    if stem.make is None:
        return ground.champion
    path = folder / f"{_key(stem, ground)}.safetensors"
    if not path.exists():
        networks.save(stem.make(of()), path)
    return path


def _materials(ground: Ground, setting: Setting, bank: Bank) -> Materials:
    champion, retrained = (networks.load(p) for p in (ground.champion, ground.goods[0].path))
    split, rng = ground.split(setting), np.random.default_rng(ground.seed)
    forget, strangers = bank.on(split.forget.ids), bank.on(split.holdout.ids)
    unseen = np.array([rng.choice(np.flatnonzero(~of)) for of in forget.seen.T])
    answers = forget.logits[unseen, np.arange(len(unseen))]
    ranks = hostile.rank_of(
        answers, split.forget.labels, strangers.logits[unseen], split.holdout.labels
    )
    theirs = strangers.logits[int(rng.integers(len(strangers)))]
    return Materials(
        champion,
        retrained,
        split,
        ground.seed,
        answers,
        ranks,
        (logits_of(champion, split.holdout), theirs),
    )


def _key(plant: Plant, ground: Ground) -> str:
    """Digest what a pretender follows from; not the methods inside it, whose settings are fixed."""
    return digest_of(
        {
            "plant": plant.name,
            "champion": digest_of_file(ground.champion),
            "retrained": digest_of_file(ground.goods[0].path),
            "unseen": digest_of_arrays(ground.unseen),
            "seed": ground.seed,
            "code": _code(hostile if plant in KNEW_THE_GATE else planted),
        }
    )


@cache
def _code(module: ModuleType) -> str:
    """Digest a planting module, comments and layout aside."""
    return digest_of(ast.dump(ast.parse(Path(str(module.__file__)).read_text())))
