"""Adversarial examples: what a search for them is told, what it gives, and the steps it takes.

Distances are in pixels from 0 to 1. A network normalises inside.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import BoolArray, FloatArray, IntArray
from unlearning.errors import UsageError
from unlearning.training.loop import pick_device

_KNOWN = {
    "attack": ("pgd", "ffgsm"),
    "restart": ("from_original", "from_iterate"),
    "start": ("linear", "eps_init"),
    "precision": ("auto", "fp32", "bf16"),
}


@dataclass(frozen=True, kw_only=True)
class EpsilonSearch:
    """How to look for adversarial examples.

    attack: `pgd`, or `ffgsm`, one signed step from a random start (Wong et al. 2020), whose epsilon
    bounds each pixel instead of the L2 distance. eps_init, steps, step (a share of epsilon): AMUN's
    .04, 50 and .1. doublings: how often epsilon may double. restart: where the ascent begins again
    after a doubling: at the original, as Algorithm 4 says, or where it was, as the public code
    does. start: at the first epsilon of eps_init 2^k beyond the linearised distance to the boundary
    (`linear`), or always at `eps_init`, as published. refinements: how often an example that was
    found is brought closer, by a direction halfway to the boundary's normal and so many halvings
    along it; published 0. seed: of the random starts.
    """

    attack: str = "pgd"
    eps_init: float = 0.04
    steps: int = 50
    step: float = 0.1
    doublings: int = 10
    restart: str = "from_original"
    start: str = "linear"
    refinements: int = 3
    halvings: int = 4
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        for field, known in _KNOWN.items():
            if getattr(self, field) not in known:
                raise UsageError(f"{field}: got {getattr(self, field)!r}, expected one of {known}")
        if min(self.eps_init, self.step) <= 0 or self.steps < 1:
            raise UsageError(
                f"epsilon search: got eps_init {self.eps_init}, step {self.step}, {self.steps} "
                "steps; expected sizes above 0 and at least 1 step"
            )
        if min(self.doublings, self.refinements, self.halvings) < 0:
            raise UsageError(
                f"epsilon search: got doublings {self.doublings}, refinements {self.refinements}, "
                f"halvings {self.halvings}; expected none below 0"
            )

    @property
    def typical_passes(self) -> int:
        """Estimate what it costs for one example, in passes forward and backward.

        From benchmarks/results/beside-amun.json: with the defaults 14 passes and 18 forward alone,
        of a third of the work each; from eps_init on, as published, 1.7 times the steps. Of single
        signed steps all doublings are counted.
        """
        if self.attack == "ffgsm":
            return round((self.doublings + 1) * 4 / 3)
        return 20 if self.start == "linear" else round(1.7 * self.steps)

    @property
    def cap(self) -> float:
        """The largest epsilon that is tried."""
        return self.eps_init * float(2**self.doublings)


@dataclass(frozen=True, eq=False)
class Adversarial:
    """What a search found, in the order of the examples.

    images: (n, channels, height, width) float32, 0..1; the last one tried where none was found.
    labels: (n,) the network's answers to them. l2: (n,) distances. eps: (n,) the first of
    eps_init 2^k that bounds it, or the largest tried. found: (n,). attempts: (n,) attacks tried: 0
    where the network was wrong before, 1 where the first found it, more where a fallback had to.
    passes: examples passed forward and backward.
    """

    images: FloatArray
    labels: IntArray
    l2: FloatArray
    eps: FloatArray
    found: BoolArray
    attempts: IntArray
    passes: int


def frozen_copy(network: nn.Module) -> nn.Module:
    """Copy a network to the device, in evaluation mode, its weights without gradients."""
    copy: nn.Module = deepcopy(network).to(pick_device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
    return copy.eval().requires_grad_(False)


Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Give -log p of the label, (n,): what the published attack ascends."""
    return functional.cross_entropy(logits, labels, reduction="none")


def lost_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """max_{c != y} z_c - z_y, (n,): below 0 where y wins; no softmax that could saturate."""
    own = labels[:, None]
    return logits.scatter(1, own, -torch.inf).amax(1) - logits.gather(1, own)[:, 0]


def input_gradient(
    network: nn.Module, pixels: Tensor, labels: Tensor, loss: Loss, *, bf16: bool = False
) -> tuple[Tensor, Tensor]:
    """Give logits (n, classes) float32 and each loss's gradient with respect to its own pixels."""
    wanted = pixels.detach().requires_grad_()
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=bf16):
        logits = network(wanted)
    (gradient,) = torch.autograd.grad(loss(logits.float(), labels).sum(), wanted)
    return logits.detach().float(), gradient


def fgsm(
    network: nn.Module,
    pixels: Tensor,
    labels: Tensor,
    bound: Tensor | float,
    *,
    loss: Loss = cross_entropy,
    rng: torch.Generator | None = None,
) -> Tensor:
    """Take one step of `bound` along the sign of the gradient (Goodfellow et al. 2015).

    With `rng` it is FFGSM: a random start within the bound and a step of 1.25 bounds (Wong et al.
    2020, Algorithm 3). bound: per pixel, 0..1, one number or (n, 1, 1, 1). Gives pixels (n, c, h,
    w) within the bound and 0..1.
    """
    start, step = pixels, 1.0
    if rng is not None:
        noise = 2 * torch.rand(pixels.shape, generator=rng).to(pixels.device) - 1
        start, step = (pixels + bound * noise).clamp(0, 1), 1.25
    _, gradient = input_gradient(network, start, labels, loss)
    moved = (start + step * bound * gradient.sign()).clamp(pixels - bound, pixels + bound)
    return moved.clamp(0, 1)


def pgd(
    network: nn.Module,
    pixels: Tensor,
    labels: Tensor,
    bound: float,
    *,
    steps: int,
    step: float,
    rng: torch.Generator,
    loss: Loss = cross_entropy,
) -> Tensor:
    """Ascend the loss by signed steps from a random start, each pixel within `bound`.

    Madry et al. 2018. Gives pixels (n, c, h, w) within the bound and 0..1. rng: on the CPU.
    """
    noise = 2 * torch.rand(pixels.shape, generator=rng).to(pixels.device) - 1
    low, high = (pixels - bound).clamp_min(0), (pixels + bound).clamp_max(1)
    moved = (pixels + bound * noise).clamp(low, high)
    for _ in range(steps):
        _, gradient = input_gradient(network, moved, labels, loss)
        moved = (moved + step * gradient.sign()).clamp(low, high)
    return moved


def unit(images: Tensor) -> Tensor:
    """Give each image the L2 norm 1; one of norm 0 stays."""
    return images / l2_norm(images).clamp_min(1e-30)


def l2_norm(images: Tensor) -> Tensor:
    """Give the L2 norm of each image, (n, 1, 1, 1)."""
    norm: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3), keepdim=True)
    return norm
