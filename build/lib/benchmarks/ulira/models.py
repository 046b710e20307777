"""The models of the U-LiRA benchmark: who saw what, who forgets what, and what they then answer.

Some subjects are seen by every model, as the rest of the data is; of the others, the pool, each
model sees a half and unlearns half of that, twice from the same original: once either half. So
every example of the pool is unlearned in a quarter of the runs, kept in a quarter, and was never
seen in a half.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import nn

from benchmarks.presets import Preset
from benchmarks.samples import Setting
from benchmarks.sources import code_digest
from unlearning import networks
from unlearning.bank.files import write_arrays
from unlearning.bank.shadows import draw_halves
from unlearning.digests import digest_of, digest_of_arrays
from unlearning.domain import BoolArray, Examples, FloatArray, IntArray, Split, joined
from unlearning.errors import UsageError
from unlearning.networks import Classifier
from unlearning.outputs import logits_of
from unlearning.training import keyed
from unlearning.training.loop import Training, silent, train


@dataclass(frozen=True, kw_only=True)
class Design:
    """How many models, and how many subjects are seen by all or are in the pool.

    models: an even number, since they come in pairs that saw complementary halves of the pool.
    """

    models: int
    base: int
    pool: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be cut in halves of halves."""
        if self.models < 8 or self.models % 2 or self.pool < 4 or self.pool % 4:
            raise UsageError(
                f"ulira: got {self.models} models and a pool of {self.pool} subjects, expected an "
                "even number of at least 8, and a multiple of 4"
            )


@dataclass(frozen=True, eq=False)
class Drawn:
    """Who saw and who forgets what, over the training examples.

    pool: (n,). seen: (models, n). forgets: (models, 2, n), the two halves of what a model saw of
    the pool.
    """

    pool: BoolArray
    seen: BoolArray
    forgets: BoolArray

    @property
    def group(self) -> IntArray:
        """Number the pairs of complementary models, (runs,): theirs are the same examples."""
        return np.repeat(np.arange(len(self.seen)) // 2, 2)

    @property
    def unlearned(self) -> BoolArray:
        """Say what each run unlearned of the pool, (runs, pool)."""
        return self.forgets.reshape(-1, self.forgets.shape[-1])[:, self.pool]

    @property
    def never(self) -> BoolArray:
        """Say what each run never saw of the pool, (runs, pool)."""
        return np.repeat(~self.seen[:, self.pool], 2, axis=0)


def drawn(design: Design, setting: Setting) -> Drawn:
    """Draw everything from the design's seed; subjects that reach into the holdout set stay out."""
    rng = np.random.default_rng(design.seed)
    subjects = setting.train.subjects
    whole = np.setdiff1d(subjects, setting.holdout.subjects)
    if len(whole) < design.base + design.pool:
        raise UsageError(
            f"ulira: got {design.base} + {design.pool} subjects, expected at most {len(whole)}"
        )
    chosen = rng.permutation(whole)[: design.base + design.pool]
    pool = chosen[design.base :]
    halves = draw_halves(pool, design.models, rng)
    cutting = np.random.default_rng([design.seed, 1])  # so that fewer models are the first of more
    known = [cutting.permutation(pool[half]) for half in halves]
    cuts = [np.split(people, 2) for people in known]
    base = np.isin(subjects, chosen[: design.base])
    return Drawn(
        pool=np.isin(subjects, pool),
        seen=np.stack([base | np.isin(subjects, people) for people in known]),
        forgets=np.stack([[np.isin(subjects, part) for part in cut] for cut in cuts]),
    )


@dataclass(frozen=True, eq=False)
class Lab:
    """Where models are trained, made to unlearn, and asked; what is there is not done again.

    A file's name is a digest of all that it follows from.
    """

    setting: Setting
    training: Training
    design: Design
    folder: Path

    @cached_property
    def drawn(self) -> Drawn:
        """Give who saw what."""
        return drawn(self.design, self.setting)

    @cached_property
    def examples(self) -> Examples:
        """Give the training, holdout and test examples, in the order of all answers."""
        return joined(self.setting.train, self.setting.holdout, self.setting.test)

    def answers(self, preset: Preset | None) -> FloatArray:
        """Give all runs' logits after a method, (runs, examples, classes); None: the originals'.

        Raises Diverged if a run does.
        """
        models = range(self.design.models)
        return np.stack(
            [self._answered(preset, model, half) for model in models for half in (0, 1)]
        )

    def original(self, model: int) -> Path:
        """Give an original's weights, trained unless they are there."""
        path = self.folder / f"original-{digest_of(self._origin(model))}.safetensors"
        if not path.exists():
            rng = torch.Generator().manual_seed(self.design.seed * 100_003 + model)
            network = networks.build(self.setting.recipe, rng)
            train(network, self.setting.train.take(self.drawn.seen[model]), self.training, rng)
            path.parent.mkdir(parents=True, exist_ok=True)
            networks.save(network, path)
        return path

    def _origin(self, model: int) -> dict[str, Any]:
        return {
            "data": digest_of_arrays(np.asarray(self.examples.images), self.examples.labels),
            "seen": digest_of_arrays(self.drawn.seen[model]),
            "recipe": dataclasses.asdict(self.setting.recipe),
            "training": dataclasses.asdict(self.training),
            "seed": [self.design.seed, model],
        }

    def _answered(self, preset: Preset | None, model: int, half: int) -> FloatArray:
        path = self.folder / f"answers-{self._run(preset, model, half)}.safetensors"
        if not path.exists():
            network = networks.load(self.original(model))
            after = network if preset is None else self._unlearned(preset, network, model, half)
            write_arrays(path, {"logits": logits_of(after, self.examples)})
        return np.asarray(load_file(path)["logits"])

    def _run(self, preset: Preset | None, model: int, half: int) -> str:
        key = {"original": self._origin(model)}
        if preset is not None:
            method = preset.create(self.training)
            key["method"] = {
                "name": preset.method,
                "settings": dataclasses.asdict(method),  # type: ignore[call-overload]
                "forgets": digest_of_arrays(self.drawn.forgets[model, half]),
                "code": code_digest(type(method).__module__),
            }
        return digest_of(key)

    def _unlearned(self, preset: Preset, network: Classifier, model: int, half: int) -> nn.Module:
        rng = torch.Generator().manual_seed(700_000 + 2 * model + half)
        keyed.clear()  # what another run has computed is not this one's
        method = preset.create(self.training)
        return method.unlearn(network, self.split(model, half).handed(), rng, silent)

    def split(self, model: int, half: int) -> Split:
        """Give what a run may see: of the training examples only those that its original saw."""
        forgets, of = self.drawn.forgets[model, half], self.setting
        kept = self.drawn.seen[model] & ~forgets
        parts = of.train.take(forgets), of.train.take(kept), of.holdout, of.test
        return Split(*parts, of.recipe.classes)
