"""One inference pass for everything that is measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from unlearning.domain import ByteArray, Examples, FloatArray, Group, Outputs, Split
from unlearning.errors import is_out_of_memory
from unlearning.training.loop import pick_device

BATCH = {"cpu": 200, "cuda": 2000}
"""Examples in a batch. On a CPU a larger one makes temporaries above 32 MiB, which the C library
hands back to the system after each layer: half of the time went into that at 1,000."""


def logits_of(
    network: nn.Module, examples: Examples, *, batch_size: int | None = None
) -> FloatArray:
    """Give the logits (n, classes) float32, in evaluation mode and full precision."""
    device = pick_device()
    batch_size = batch_size or BATCH[device.type]
    home = next(network.parameters()).device
    was_training = network.training
    network.to(device).eval()
    with torch.inference_mode():
        found = _answers(network, examples.images[:batch_size], device)
        # One array for all: small ones, kept between large temporaries, leave holes that nothing
        # fits in again, a megabyte for every batch.
        logits = np.empty((len(examples), *found.shape[1:]), np.float32)
        logits[:batch_size] = found
        for start in range(batch_size, len(examples), batch_size):
            part = slice(start, start + batch_size)
            logits[part] = _answers(network, examples.images[part], device)
    network.to(home).train(was_training)
    return logits


def _answers(network: nn.Module, images: ByteArray, device: torch.device) -> FloatArray:
    """Give the logits on a batch; where memory does not do, of its halves one after the other."""
    try:
        there = torch.from_numpy(images).to(device)
        logits = network(there.contiguous(memory_format=torch.channels_last))
        return np.asarray(logits.cpu().numpy())
    except (MemoryError, RuntimeError) as problem:
        if not is_out_of_memory(problem) or len(images) < 2:
            raise
    middle = len(images) // 2
    halves = (_answers(network, part, device) for part in (images[:middle], images[middle:]))
    return np.concatenate(list(halves))


def groups_of(split: Split) -> Mapping[Group, Examples]:
    """Give the examples of a split by group, in the order in which `outputs_of` lays them."""
    return {
        Group.FORGET: split.forget,
        Group.RETAIN: split.retain,
        Group.HOLDOUT: split.holdout,
        Group.TEST: split.test,
    }


def outputs_of(network: nn.Module, split: Split) -> Outputs:
    """Run a network over forget, retain, holdout and test examples, one group after another."""
    groups = [part for part in groups_of(split).values() if len(part)]
    return laid_out(np.concatenate([logits_of(network, part) for part in groups]), split)


def laid_out(logits: FloatArray, split: Split) -> Outputs:
    """Lay logits (n, classes) beside the examples of a split that they answer, in its order."""
    groups = {group: part for group, part in groups_of(split).items() if len(part)}
    subjects = np.concatenate([part.subjects for part in groups.values()])
    return Outputs(
        logits=logits,
        labels=np.concatenate([part.labels for part in groups.values()]),
        groups=np.concatenate([np.full(len(part), group) for group, part in groups.items()]),
        subjects=np.unique(subjects, return_inverse=True)[1],
    )


def accuracy(logits: FloatArray, labels: np.ndarray) -> float:
    """Give the share of examples whose highest logit is their label's."""
    return float(np.mean(logits.argmax(1) == labels))
