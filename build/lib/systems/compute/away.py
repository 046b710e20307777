"""Having workers elsewhere do what a process here would: data and ledger stay with the coordinator.

Ids and subjects stay here too. What comes back is laid beside the examples that were sent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from systems.compute.attempting import Attempted, Losses
from systems.compute.errands import Ask, Done, Errand, TrainFresh, TrainShadow, Unlearn
from systems.compute.parcels import Tensors, tensors_of, within
from unlearning import networks
from unlearning.bank.shadow_training import Job, Keep
from unlearning.contracts import Method
from unlearning.domain import SPLITS, Examples, Handed, Outputs, Split
from unlearning.errors import IntegrityError, UsageError
from unlearning.judging.doors import OPENED, PLAIN, compared
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import groups_of, laid_out
from unlearning.training.loop import Training

Send = Callable[[Sequence[Errand], Tensors], Iterable[tuple[int, Done]]]
"""Has errands done that take the same tensors; gives each one's number and what came of it, in any
order, after the bytes were held against their digest."""


SAME = "install the same Lethe on every worker, and run the same command again"


def _one(send: Send, errand: Errand, tensors: Tensors) -> Done:
    ((_, done),) = send([errand], tensors)
    return done


def unlearned(
    send: Send, method: Method, original: Classifier, handed: Handed, seed: int, losses: Losses
) -> Attempted:
    """Have a method run; raises what it raises there."""
    bases = [one for one in handed.bases if isinstance(one, Classifier)]
    tensors = {
        **within("original", networks.tensors_of(original)),
        **tensors_of("forget", handed.forget),
        **tensors_of("retain", handed.retain),
    }
    for number, base in enumerate(bases):
        tensors |= within(f"base-{number}", networks.tensors_of(base))
    recipes = tuple(base.recipe for base in bases)
    errand = Unlearn(
        method, original.recipe, handed.classes, seed, recipes, torch.get_num_threads()
    )
    return _made(_one(send, errand, tensors), original.recipe, losses)


def trained(
    send: Send, recipe: Recipe, training: Training, examples: Examples, seed: int, losses: Losses
) -> Attempted:
    """Have a network trained from fresh weights."""
    errand = TrainFresh(recipe, training, seed, torch.get_num_threads())
    return _made(_one(send, errand, tensors_of("train", examples)), recipe, losses)


def _made(done: Done, recipe: Recipe, losses: Losses) -> Attempted:
    notes = dict(done.notes)
    for said in notes.pop("told"):
        losses(*said)
    try:
        return Attempted(networks.of_tensors(done.tensors, recipe, "from a worker"), **notes)
    except UsageError as problem:
        raise IntegrityError(f"{problem}: {SAME}") from problem


def asked(
    network: Classifier, split: Split, sure: float | None, *, send: Send
) -> dict[str, Outputs]:
    """Have a network asked, as `unlearning.judging.doors.answers` asks here."""
    tensors = within("network", networks.tensors_of(network))
    for group, part in groups_of(split).items():
        tensors |= tensors_of(group.name.lower(), part)
    errand = Ask(network.recipe, split.classes, sure, torch.get_num_threads())
    found = _one(send, errand, tensors).tensors
    doors = () if sure is None else tuple(OPENED)
    return {
        PLAIN: _laid_out(found.get(PLAIN), split),
        **{door: _laid_out(found.get(door), compared(split)) for door in doors},
    }


def _laid_out(answered: Tensor | None, split: Split) -> Outputs:
    logits = np.zeros(()) if answered is None else answered.numpy()
    expected = (sum(map(len, groups_of(split).values())), split.classes)
    if logits.shape != expected:
        raise IntegrityError(
            f"a worker, ask: got answers of shape {logits.shape}, expected {expected}: {SAME}"
        )
    return laid_out(logits, split)


def spread(job: Job, shadows: Sequence[int], keep: Keep, *, send: Send) -> None:
    """Have shadows trained, and hand each one's answers over as soon as they are there."""
    of = partial(TrainShadow, job.recipe, job.training, job.seed)
    for number, done in send([of(shadow) for shadow in shadows], _of_job(job)):
        keep(shadows[number], {key: tensor.numpy() for key, tensor in done.tensors.items()})


def _of_job(job: Job) -> Mapping[str, Any]:
    parts = zip(SPLITS, (job.train, job.holdout, job.test), strict=True)
    tensors = {k: v for name, part in parts for k, v in tensors_of(name, part).items()}
    tensors["seen"] = torch.from_numpy(job.seen)
    if job.features is not None:
        of = dataclasses.asdict(job.features)
        tensors |= within("features", {k: torch.from_numpy(np.asarray(v)) for k, v in of.items()})
    return tensors
