"""Which weights matter for which examples: gradient saliency, Fisher information, masks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from unlearning.domain import Examples
from unlearning.training.keyed import kept, key_of
from unlearning.training.loop import pick_device, pictures_on

CHUNK = 32
"""Examples whose separate gradients are held at once."""


def saliency(network: nn.Module, examples: Examples, *, batch_size: int) -> list[Tensor]:
    """|gradient of the loss at the network's weights|, as `gradient` gives it (SalUn, Eq. 4)."""
    return [g.abs() for g in gradient(network, examples, batch_size=batch_size)]


def gradient(network: nn.Module, examples: Examples, *, batch_size: int) -> list[Tensor]:
    """Gradient of the loss at the network's weights, one tensor a trainable parameter.

    The mean loss over all examples, in evaluation mode and without augmentation, so that neither
    the batch size nor a short last batch changes it, which in the public code of SalUn they do.
    """
    key = key_of(network, examples, what="gradient")

    def compute() -> list[Tensor]:
        total = [torch.zeros_like(p) for p in _trainable(network)]
        for share, gradients in _batch_gradients(network, examples, batch_size):
            total = [t + share * g for t, g in zip(total, gradients, strict=True)]
        return total

    return kept(key, compute)


def fisher(
    network: nn.Module, examples: Examples, *, gradients: str, batch_size: int
) -> list[Tensor]:
    """Diagonal of the empirical Fisher information: the mean of squared gradients of the loss.

    gradients: `examples` squares every example's own, as the definition has it; `batches` squares
    the mean over each batch, as the public code of SFR-on and SSD does, which is smaller by about
    the batch size wherever single gradients disagree. A batch counts by its number of examples. In
    that code a last batch of one counts as a whole one, and decides for all the others.
    """
    size = batch_size if gradients == "batches" else 0
    key = key_of(network, examples, what="fisher", gradients=gradients, batch_size=size)

    def compute() -> list[Tensor]:
        total = [torch.zeros_like(p) for p in _trainable(network)]
        squares = (
            _batch_squares(network, examples, batch_size)
            if gradients == "batches"
            else _example_squares(network, examples)
        )
        for share, square in squares:
            total = [t + share * s for t, s in zip(total, square, strict=True)]
        return total

    return kept(key, compute)


def top_share(values: list[Tensor], share: float) -> list[Tensor]:
    """Masks of the largest `share` (a fraction) of all values together; at least one is kept."""
    flat = torch.cat([v.flatten() for v in values])
    count = max(1, round(share * len(flat)))
    chosen = torch.zeros_like(flat)
    chosen[flat.topk(count).indices] = 1.0
    cut = torch.split(chosen, [v.numel() for v in values])
    return [c.reshape(v.shape) for c, v in zip(cut, values, strict=True)]


def above_ratio(forget: list[Tensor], retain: list[Tensor], threshold: float) -> list[Tensor]:
    """Masks of the weights whose Fisher information ratio forget / retain reaches `threshold`.

    1e-15 is added to both, so that a weight without any information counts as 1 (SFR-on).
    """
    return [
        ((f + 1e-15) / (r + 1e-15) >= threshold).float()
        for f, r in zip(forget, retain, strict=True)
    ]


def share_kept(masks: list[Tensor]) -> float:
    """Give the fraction of weights that masks let through."""
    return float(sum(m.sum() for m in masks)) / sum(m.numel() for m in masks)


def _trainable(network: nn.Module) -> list[nn.Parameter]:
    return [p for p in network.parameters() if p.requires_grad]


def _batch_gradients(
    network: nn.Module, examples: Examples, batch_size: int
) -> Iterator[tuple[float, tuple[Tensor, ...]]]:
    """Give (share of all examples, gradient of the mean loss) of each batch, in evaluation mode."""
    device, was_training = pick_device(), network.training
    home = next(network.parameters()).device
    images, labels = pictures_on(examples, device)
    network.to(device).eval()
    for start in range(0, len(labels), batch_size):
        part = slice(start, start + batch_size)
        loss = functional.cross_entropy(network(images[part]), labels[part])
        share = len(labels[part]) / len(labels)
        yield share, torch.autograd.grad(loss, _trainable(network))
    network.to(home).train(was_training)


def _batch_squares(
    network: nn.Module, examples: Examples, batch_size: int
) -> Iterator[tuple[float, list[Tensor]]]:
    for share, gradients in _batch_gradients(network, examples, batch_size):
        yield share, [g**2 for g in gradients]


def _example_squares(
    network: nn.Module, examples: Examples
) -> Iterator[tuple[float, list[Tensor]]]:
    device, was_training = pick_device(), network.training
    home = next(network.parameters()).device
    images, labels = pictures_on(examples, device)
    network.to(device).eval()
    names = [name for name, p in network.named_parameters() if p.requires_grad]
    weights = {n: p.detach() for n, p in network.named_parameters() if p.requires_grad}
    fixed = {n: t.detach() for n, t in network.named_parameters() if not t.requires_grad}
    fixed |= dict(network.named_buffers())

    def loss(chosen: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(network, {**fixed, **chosen}, (image[None],))
        return functional.cross_entropy(logits, label[None])

    each = vmap(grad(loss), in_dims=(None, 0, 0))
    for start in range(0, len(labels), CHUNK):
        part = slice(start, start + CHUNK)
        gradients = each(weights, images[part], labels[part])
        yield 1 / len(labels), [(gradients[name] ** 2).sum(0) for name in names]
    network.to(home).train(was_training)
