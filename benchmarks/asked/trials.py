"""The trials that single papers' questions are asked on, and the columns of a candidate there.

10,000 examples of CIFAR-10 and `conv-medium`, which over-fits them: a tenth at random, or a class
(cats, as in `benchmarks.methods`, or automobiles, as in TRW's paper). Each seed has an original and
retrained models of its own; all share one shadow bank.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import record
from benchmarks.methods import grounds
from benchmarks.methods.attacked import attacked
from benchmarks.methods.cells import MEASURING
from benchmarks.methods.grounds import Ground
from benchmarks.methods.jobs import Job
from benchmarks.methods.trials import TrialName
from benchmarks.sources import code_digest
from unlearning import networks
from unlearning.contracts import Method
from unlearning.digests import digest_of, sha256_file
from unlearning.domain import BoolArray, Group, Outputs, Split
from unlearning.errors import Diverged, UsageError
from unlearning.judging.comparing import columns, divergences, gaps
from unlearning.networks import Classifier
from unlearning.outputs import outputs_of
from unlearning.training import keyed
from unlearning.training.loop import silent

DATA = "cifar10-conv-medium"
AUTOMOBILE, LABEL = "automobile", 1
ORIGINAL, RETRAINED, OTHER = "original", "retrained", "retrained, other seed"

Row = dict[str, Any]
More = Callable[[nn.Module], Row]


def nothing(network: nn.Module) -> Row:
    """Ask nothing more of a network."""
    return {}


def ground() -> Ground:
    """Give the ground, with a task more: automobiles are forgotten."""
    whole = grounds.ground(DATA)
    parts = {"holdout": whole.setting.holdout, "test": whole.setting.test}

    def forgets(trial: TrialName) -> BoolArray:
        if trial.task != AUTOMOBILE:
            return whole.forgets(trial)
        return np.asarray(whole.setting.train.labels == LABEL)

    def alike(trial: TrialName, part: str) -> BoolArray:
        if trial.task != AUTOMOBILE:
            return whole.alike(trial, part)
        return np.asarray(parts[part].labels == LABEL)

    return replace(whole, forgets=forgets, alike=alike)


@dataclass(frozen=True, eq=False)
class Trial:
    """One task and seed on the ground; networks are trained when they are first asked for.

    cache: the folder of benchmarks.methods, of which this uses a folder of the ground's name.
    """

    on: Ground
    name: TrialName
    cache: Path

    @property
    def folder(self) -> Path:
        """Where networks lie."""
        return self.cache / self.on.setting.name

    @property
    def retrained(self) -> Job:
        """The retrained model that everything is held against."""
        return Job(self.name, 0)

    @cached_property
    def bank(self) -> Path:
        """The folder of the shadow bank, built unless it is there."""
        return grounds.bank_of(self.on.setting, self.folder, 1, record.told)

    @cached_property
    def split(self) -> Split:
        """Who is forgotten and who stays."""
        return self.on.split(self.name)

    def network(self, job: Job | None = None) -> Classifier:
        """Give the original, or another network."""
        wanted = job or Job(self.name, None)
        if not wanted.done(self.folder):
            print(f"training {wanted.path(self.folder).stem}", flush=True)
            wanted.run(self.on, self.folder)
        return networks.load(wanted.path(self.folder))

    @cached_property
    def aim(self) -> Outputs:
        """The retrained model's outputs, which everything is held against."""
        return outputs_of(self.network(self.retrained), self.split)

    @cached_property
    def before(self) -> Outputs:
        """The original's outputs."""
        return outputs_of(self.network(), self.split)

    def columns(self, network: nn.Module) -> dict[str, float]:
        """Give a network's columns beside the retrained model, the attacks, and its drift."""
        outputs, forgotten = outputs_of(network, self.split), self._forgotten_tests()
        own, wanted = columns(outputs, forgotten), columns(self.aim, forgotten)
        return {
            **own,
            **divergences(outputs, self.aim),
            **gaps(own, wanted),
            **attacked(outputs, self.split, self.bank),
            "drift": drift(self.before, outputs),
        }

    def unlearned(self, method: Method, seed: int | None = None) -> nn.Module:
        """Run a method on the original."""
        rng = torch.Generator().manual_seed(self.name.seed if seed is None else seed)
        keyed.clear()
        return method.unlearn(self.network(), self.split.handed(), rng, silent)

    def _forgotten_tests(self) -> BoolArray:
        mask = np.zeros(len(self.aim.labels), bool)
        mask[self.aim.of(Group.TEST)] = self.on.alike(self.name, "test")
        return mask

    def kept(self, row: str, follows: Any, measure: Callable[[], Row]) -> Row:
        """Give a row, measured now unless it was by the same code, network and settings."""
        self.network(self.retrained)
        network = sha256_file(self.retrained.path(self.folder))
        key = digest_of([row, str(self.name), network, follows, code_digest(*MEASURING)])
        path = self.folder / "asked" / f"{key}.json"
        if not path.exists():
            print(self.name, row, flush=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(measure()))
        found: Row = json.loads(path.read_text())
        return {"task": self.name.task, "seed": self.name.seed, "row": row, **found}

    def plain(self, more: More = nothing) -> Iterator[Row]:
        """Give the rows that no method makes."""
        whole = {"passes": self.on.setting.training.epochs * len(self.split.retain)}
        jobs = {ORIGINAL: None, RETRAINED: self.retrained, OTHER: Job(*self.name.other)}
        for row, job in jobs.items():
            cost = whole if row == RETRAINED else {}
            yield {**self.kept(row, {}, partial(self._plain, job, more)), **cost}

    def _plain(self, job: Job | None, more: More) -> Row:
        return self._measured(self.network(job), more)

    def row(self, name: str, method: Method, more: More = nothing) -> Row:
        """Give a method's row; more: what else is asked of its candidate."""
        follows = [type(method).__name__, settings_of(method), code_digest(type(method).__module__)]
        return self.kept(name, follows, lambda: self._made(method, more))

    def _made(self, method: Method, more: More) -> Row:
        passes = method.passes(len(self.split.forget), len(self.split.retain))
        try:
            network = self.unlearned(method)
        except (Diverged, UsageError) as problem:
            return {"diverged": str(problem)}
        return {"passes": passes, **self._measured(network, more)}

    def _measured(self, network: nn.Module, more: More) -> Row:
        return {"columns": self.columns(network), **more(network)}


def settings_of(method: Method) -> dict[str, Any]:
    """Give a method's settings that are numbers and words; what else it holds has a row's name."""
    return {k: v for k, v in vars(method).items() if isinstance(v, int | float | str | None)}


def drift(before: Outputs, after: Outputs) -> float:
    """Mean KL(before || after) on the retain examples, in nats: what befalls those who stay."""
    where = before.of(Group.RETAIN)
    return divergence(before.logits[where], after.logits[where])


def divergence(before: np.ndarray, after: np.ndarray) -> float:
    """Mean KL(p_before || p_after) of logits (n, classes), in nats."""
    p, q = (torch.from_numpy(x).double().log_softmax(1) for x in (before, after))
    return float((p.exp() * (p - q)).sum(1).mean())


def trials(tasks: Mapping[str, int], seeds: int, cache: Path) -> list[Trial]:
    """Give the trials, all seeds of a task together; tasks: the most seeds that each has."""
    on = ground()
    names = [TrialName(task, n) for task, most in tasks.items() for n in range(min(most, seeds))]
    return [Trial(on, name, cache) for name in names]
