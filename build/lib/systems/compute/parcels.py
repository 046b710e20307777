"""What crosses between the coordinator and the workers of a cluster: tensors, under a digest.

A parcel is bytes in safetensors' form and their SHA-256, in both directions. Ids and subjects are
no tensors and have no place in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from unlearning import networks
from unlearning.digests import sha256_hex
from unlearning.domain import Examples
from unlearning.errors import IntegrityError
from unlearning.networks import Classifier, Recipe

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Parcel:
    """Tensors as bytes, and the digest that they are named by."""

    sha256: str
    content: bytes


def packed(tensors: Tensors) -> Parcel:
    """Put tensors into a parcel."""
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    return Parcel(sha256_hex(content), content)


def unpacked(parcel: Parcel, sha256: str, where: str) -> dict[str, Tensor]:
    """Take the tensors out, in order of names; IntegrityError unless `sha256` is of the bytes."""
    if parcel.sha256 != sha256 or sha256_hex(parcel.content) != sha256:
        raise IntegrityError(
            f"{where}: the bytes that came are not those of their digest {sha256[:8]}, expected "
            "them unchanged: look at its memory and network, and run the same command again"
        )
    return dict(sorted(load(parcel.content).items()))


def within(name: str, tensors: Tensors) -> dict[str, Tensor]:
    """Put tensors under a name of their own."""
    return {f"{name}.{key}": tensor for key, tensor in tensors.items()}


def under(name: str, tensors: Tensors) -> dict[str, Tensor]:
    """Give what `within` put under a name."""
    start = f"{name}."
    return {k.removeprefix(start): t for k, t in tensors.items() if k.startswith(start)}


def tensors_of(name: str, examples: Examples) -> dict[str, Tensor]:
    """Give pictures and labels; pictures that stay on disk are read."""
    images = torch.from_numpy(np.ascontiguousarray(examples.images))
    return within(name, {"images": images, "labels": torch.from_numpy(examples.labels)})


def examples_of(name: str, tensors: Tensors) -> Examples:
    """Give examples of nobody."""
    images, labels = (tensors[f"{name}.{part}"].numpy() for part in ("images", "labels"))
    nobody = np.zeros(len(labels), dtype="U1")
    return Examples(images, labels, nobody, nobody)


def network_of(name: str, tensors: Tensors, recipe: Recipe) -> Classifier:
    """Give a network in evaluation mode, as it is read from a file."""
    return networks.of_tensors(under(name, tensors), recipe, name)
