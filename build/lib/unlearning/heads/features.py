"""What a frozen backbone says of an image, as whole numbers, so that sums of it are exact.

Features are multiples of 2^-12 below 2^7: their products summed over 2^14 examples are whole
numbers below 2^53, which float64 adds without rounding, in whatever order. So what was added to a
sum can be taken out of it again, and nothing stays. Every image is asked in a batch of the same
size, since a processor may round other batches otherwise.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from unlearning.digests import digest_of, digest_of_arrays
from unlearning.domain import ByteArray, Examples, FloatArray
from unlearning.errors import UsageError
from unlearning.features import flat, tapped
from unlearning.networks import Classifier
from unlearning.stored import digest_of_pictures
from unlearning.training import keyed
from unlearning.training.loop import pick_device

UNIT = 2**12
"""One, in steps of a feature."""

LARGEST = 2**7
BATCH = 64


def whole_features(network: Classifier, examples: Examples) -> FloatArray:
    """Give features (n, d + 1) in units of 1 / UNIT, whole numbers in float64; the last is one.

    They are kept in this process's memory, under a digest of all that they follow from, and never
    on a disk. UsageError for a backbone whose features are not below LARGEST.
    """
    return keyed.kept(_key(network, examples), lambda: _computed(network, examples))


def _key(network: Classifier, examples: Examples) -> str:
    """Digest what features follow from: frozen weights, normalisation and pixels."""
    head = {id(part) for part in network.last_layer.parameters()}
    tensors = (*network.parameters(), *network.buffers())
    frozen = (t.detach().float().cpu().numpy() for t in tensors if id(t) not in head)
    digests = [digest_of_arrays(*frozen), digest_of_pictures(examples.images)]
    return digest_of(["features", *digests])


def _computed(network: Classifier, examples: Examples) -> FloatArray:
    device = pick_device()
    home, was_training = next(network.parameters()).device, network.training
    network.to(device).eval()
    parts = [
        _of_batch(network, examples.images[start : start + BATCH], device)
        for start in range(0, len(examples), BATCH)
    ]
    network.to(home).train(was_training)
    width = network.last_layer.in_features
    values = np.concatenate([np.empty((0, width)), *parts])
    _require_in_range(values)
    return np.hstack([np.rint(values * UNIT), np.full((len(values), 1), float(UNIT))])


def _of_batch(network: Classifier, images: ByteArray, device: torch.device) -> NDArray[np.float64]:
    filled = np.zeros((BATCH, *images.shape[1:]), dtype=np.uint8)
    filled[: len(images)] = images
    with tapped(network) as tap, torch.inference_mode():
        network(torch.from_numpy(filled).to(device))
    found: NDArray[np.float64] = flat(tap.value)[: len(images)].double().cpu().numpy()
    return found


def _require_in_range(values: NDArray[np.float64]) -> None:
    largest = float(np.abs(values).max(initial=0))
    if not largest < LARGEST:  # NaN too
        raise UsageError(
            f"backbone: a feature has the size {largest:.3g}, expected all below {LARGEST}: take "
            "one that normalises what its last layer reads"
        )
