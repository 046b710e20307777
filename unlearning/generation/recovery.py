"""Bringing a forgotten class back: what is left in a generator, and how near it lies.

Models that never saw the class learn it too, from few pictures: only what comes back sooner than in
them says that something was left.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from unlearning.domain import Examples, Measurement, TrainingSets
from unlearning.errors import Diverged
from unlearning.gates.generated import attacks
from unlearning.generation.contract import forgotten_class
from unlearning.generation.generators import Generator
from unlearning.generation.measures import Bench
from unlearning.generation.noise import dropped, losses, noised
from unlearning.generation.sampling import Told, as_one, untold
from unlearning.generation.stepping import Source


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """The attacks: tuning on what stays, on few pictures, another guidance, another label row.

    tuning_steps: on the retain set alone, which shows nothing of the class: the damning one. shots:
    pictures of the class for the two that have some. shot_steps: numbers of steps after which it
    is asked. guidances: other scales at which pictures are drawn. row_steps, row_rate: of the
    search for a label row, with all other weights as they are.
    """

    tuning_steps: int = 40
    shots: int = 8
    shot_steps: tuple[int, ...] = (20, 40)
    guidances: tuple[float, ...] = (1.0, 3.0, 4.0, 5.0)
    row_steps: int = 60
    row_rate: float = 0.1
    learning_rate: float = 1e-3
    batch_size: int = 64
    label_drop: float = 0.1
    clip: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        """Name the attacks, as `recovered` does."""
        return attacks(self.shots, self.shot_steps, self.guidances)

    def steps(self, bench: Bench) -> int:
        """Steps of drawing in which all attacks are measured."""
        return len(self.names) * bench.own_steps

    def recovered(
        self,
        network: Generator,
        sets: TrainingSets,
        bench: Bench,
        seed: int = 0,
        told: Told = untold,
    ) -> dict[str, Measurement]:
        """Give FA after each attack, by its name; the network stays as it is.

        An attack after which nothing can be drawn measured nothing, and is left out.
        """
        with as_one(told, self.steps(bench)) as one:
            found = list(self._each(network, sets, bench, seed, one))
        return {m.name: m for m in found if m is not None}

    def _each(
        self, network: Generator, sets: TrainingSets, bench: Bench, seed: int, told: Told
    ) -> Iterator[Measurement | None]:
        names = iter(self.names)
        forgotten_class(sets)
        rng = torch.Generator().manual_seed(seed)
        few = sets.forget.take(
            np.random.default_rng(seed).permutation(len(sets.forget))[: self.shots]
        )

        def asked(name: str, of: Generator, guidance: float) -> Measurement | None:
            try:
                sampler = replace(bench.sampler, guidance=guidance)
                return bench.share_of_class(of, name, sampler, told)
            except Diverged:
                return None

        usual = bench.sampler.guidance
        tuned = self.tuned(network, sets.retain, self.tuning_steps, rng)
        yield asked(next(names), tuned, usual)
        for steps in self.shot_steps:
            yield asked(next(names), self.tuned(network, few, steps, rng), usual)
        yield asked(next(names), self.with_found_row(network, few, rng), usual)
        for scale in self.guidances:
            yield asked(next(names), network, scale)

    def tuned(
        self, network: Generator, examples: Examples, steps: int, rng: torch.Generator
    ) -> Generator:
        """Train a copy on examples as a generator is trained."""
        made = deepcopy(network).train().requires_grad_(True)
        self._train(made, list(made.parameters()), examples, steps, self.learning_rate, rng)
        return made.eval()

    def with_found_row(
        self, network: Generator, examples: Examples, rng: torch.Generator
    ) -> Generator:
        """Give a copy whose label row was trained on pictures of the class, and nothing else."""
        made = deepcopy(network).eval().requires_grad_(False)
        made.table.weight.requires_grad_(True)
        rows = made.table.weight
        assert isinstance(rows, nn.Parameter)
        self._train(made, [rows], examples, self.row_steps, self.row_rate, rng)
        return made

    def _train(
        self,
        made: Generator,
        weights: list[nn.Parameter],
        examples: Examples,
        steps: int,
        rate: float,
        rng: torch.Generator,
    ) -> None:
        """Train some weights in place; where the label rows alone are trained none is dropped."""
        source = Source(examples, self.batch_size, rng)
        made.to(source.x0.device)
        adam = torch.optim.Adam(weights, lr=rate)
        share = self.label_drop if len(weights) > 1 else 0.0
        for _ in range(steps):
            x0, labels = source.next()
            again = max(1, self.batch_size // len(x0))  # of few pictures, each under more noise
            x0, labels = (part.repeat_interleave(again, 0) for part in (x0, labels))
            asked = dropped(labels, made.recipe.null, share, rng)
            loss = losses(made, noised(x0, made.recipe, rng), asked).mean()
            adam.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(weights, self.clip)
            adam.step()
        made.cpu()
