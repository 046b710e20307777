"""FAMR's forgetting loss (Eqs. 2-5), ready to be evaluated on batches of one forget set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning.domain import Examples
from unlearning.errors import UsageError
from unlearning.features import tapped
from unlearning.training.distillation import kl_from
from unlearning.training.loop import Shelf, pictures_on

TARGETS = ("uniform_all", "uniform_retain", "trw")
NEUTRALS = ("grey", "retain", "class")


def gram(features: Tensor) -> Tensor:
    """Gram matrices phi phi^T over channels, (n, channels, channels) (FAMR, Eq. 3).

    features: (n, channels, height, width) of a convolution, (n, tokens, channels) of a transformer
    or (n, channels). As the paper writes it, nothing divides by the number of positions.
    """
    if features.ndim == 3:
        phi = features.transpose(1, 2)
    else:
        phi = features.flatten(2) if features.ndim > 3 else features[:, :, None]
    return phi @ phi.transpose(1, 2)


@dataclass(frozen=True, eq=False)
class Style:
    """What the Gram matrices of the forget set are drawn to (Eq. 4).

    layer: dotted name of the module that gives phi. neutral: (k, channels, channels) matrices;
    which: (n,) which of them each forget example is drawn to. weight: beta of Eq. 5.
    """

    layer: str
    neutral: Tensor
    which: Tensor
    weight: float

    def distance(self, features: Tensor, index: Tensor) -> Tensor:
        """||G(phi(x)) - G_target||_F^2 of each example of a batch, (batch,)."""
        wanted = self.neutral[self.which[index]]
        return (gram(features) - wanted).square().sum((1, 2))

    def size(self) -> float:
        """||G_target||_F^2, the mean over the neutral matrices."""
        return float(self.neutral.square().sum((1, 2)).mean())


@dataclass(frozen=True, eq=False)
class ForgetLoss:
    """L_forget of Eq. 5 on one forget set.

    images, labels: (n, channels, height, width) uint8 and (n,), on the device. target: (n, classes)
    probabilities that the outputs are drawn to, with weight alpha.
    """

    images: Tensor
    labels: Tensor
    target: Tensor
    weight: float
    style: Style | None

    def __len__(self) -> int:
        """Count the forget examples."""
        return len(self.labels)

    def __call__(self, network: nn.Module, index: Tensor) -> Tensor:
        """alpha KL(target || p) + beta ||G - G_target||_F^2 of some of the examples, (batch,)."""
        if self.style is None:
            return self.weight * kl_from(self.target[index], network(self.images[index]))
        with tapped(network, self.style.layer) as tap:
            divergence = kl_from(self.target[index], network(self.images[index]))
        distance = self.style.distance(tap.value, index)
        return self.weight * divergence + self.style.weight * distance

    def batches(self, network: nn.Module, size: int) -> Iterator[Tensor]:
        """Give the loss of every example in order, batch by batch."""
        for index in torch.split(torch.arange(len(self), device=self.labels.device), size):
            yield self(network, index)


def uniform_over(present: Tensor, n: int) -> Tensor:
    """(n, classes) rows that are uniform over the classes that `present` (classes,) marks."""
    if not present.any():
        raise UsageError(
            "famr.target: no class is left in the retain set, expected at least one; "
            "use uniform_all"
        )
    row = present.float() / present.sum()
    return row.expand(n, -1)


def classes_left(retain: Examples, classes: int) -> Tensor:
    """Mask of the classes that have an example in the retain set, (classes,)."""
    return torch.bincount(torch.from_numpy(retain.labels), minlength=classes) > 0


def grey(images: Tensor) -> Tensor:
    """Replace every channel by the mean over channels; images (n, channels, height, width)."""
    return images.float().mean(1, keepdim=True).to(images.dtype).expand_as(images)


@torch.no_grad()
def mean_grams(
    network: nn.Module, layer: str, images: Tensor | Shelf, groups: Tensor, count: int
) -> Tensor:
    """Mean Gram matrix at a layer over each of `count` groups, (count, channels, channels).

    groups: (n,) which group an image belongs to. A group without images gets the mean over all.
    """
    if not len(images):
        raise UsageError("famr.neutral: no example to take the neutral style from; use grey")
    total = torch.zeros((), device=images.device)
    for start, where in zip(range(0, len(images), 256), torch.split(groups, 256), strict=True):
        with tapped(network, layer) as tap:
            network(images[start : start + 256])
        chosen = nn.functional.one_hot(where, count).to(tap.value.dtype)
        total = total + torch.einsum("nk,nij->kij", chosen, gram(tap.value))
    sizes = torch.bincount(groups, minlength=count)[:, None, None]
    return torch.where(sizes > 0, total / sizes.clamp_min(1), total.sum(0) / len(images))


def neutral_style(
    network: nn.Module,
    layer: str,
    kind: str,
    weight: float,
    forget: tuple[Tensor, Tensor],
    retain: Examples,
    classes: int,
) -> Style:
    """Measure the neutral style at the original; `kind` is one of NEUTRALS (see Famr.neutral)."""
    images, labels = forget
    nothing = torch.zeros_like(labels)
    if kind == "grey":
        matrices = mean_grams(network, layer, grey(images), nothing, 1)
        return Style(layer, matrices, nothing, weight)
    kept, kept_labels = pictures_on(retain, labels.device)
    if kind == "retain":
        matrices = mean_grams(network, layer, kept, torch.zeros_like(kept_labels), 1)
        return Style(layer, matrices, nothing, weight)
    matrices = mean_grams(network, layer, kept, kept_labels, classes)
    return Style(layer, matrices, labels, weight)
