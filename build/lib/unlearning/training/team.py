"""One training by several processes: each passes its share of every batch, and all take one step.

Every process runs the same program with the same seed, so that the same examples are drawn in the
same order. Of a batch it computes its share; the answers are gathered, so that each sees the loss
of the whole batch, whatever that loss is; and the mean of all gradients is the batch's. What is
scored without gradients every process scores for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def members() -> int:
    """Count the processes that train together; 1 is alone."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def shared(network: nn.Module, images: Tensor) -> Tensor:
    """Give a network's answers on a whole batch, of which each process computes its share.

    A batch too small to be shared, of which somebody would get less than two, each computes whole.
    """
    team = members()
    if team == 1 or len(images) < 2 * team or not torch.is_grad_enabled():
        whole: Tensor = network(images)
        return whole
    shares = torch.tensor_split(images, team)
    answers = network(shares[dist.get_rank()].contiguous(memory_format=torch.channels_last))
    found: Tensor = _Gathered.apply(answers, [len(share) for share in shares])
    return found


def mean_over(own: Tensor) -> Tensor:
    """Give the mean of what the processes have of a batch; one's own where one is alone."""
    if members() == 1:
        return own
    found = own.clone()
    dist.all_reduce(found)
    return found / members()


@torch.no_grad()
def as_the_first(tensors: Sequence[Tensor]) -> None:
    """Overwrite tensors by the first process's, so that all go on from the same."""
    if members() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)


class _Gathered(torch.autograd.Function):
    """The answers of all processes, in order; the gradient of one's own, for a mean over all."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, sizes: Sequence[int]) -> Tensor:
        ctx.sizes = sizes
        largest = torch.zeros((max(sizes), *own.shape[1:]), dtype=own.dtype, device=own.device)
        largest[: len(own)] = own
        found = [torch.empty_like(largest) for _ in sizes]
        dist.all_gather(found, largest)
        return torch.cat([part[:size] for part, size in zip(found, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        own = torch.split(gradients[0], list(ctx.sizes))[dist.get_rank()]
        return own * len(ctx.sizes), None


@contextmanager
def one_gradient(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Let the gradients that are added meanwhile be the mean over all processes."""
    if members() == 1:
        yield
        return
    before = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    yield
    _average(parameters)
    for parameter, earlier in zip(parameters, before, strict=True):
        if earlier is not None:
            parameter.grad = earlier if parameter.grad is None else earlier + parameter.grad


def _average(parameters: Sequence[nn.Parameter]) -> None:
    moved = [parameter for parameter in parameters if parameter.grad is not None]
    if not moved:
        return
    flat = torch.cat([p.grad.flatten() for p in moved if p.grad is not None])
    dist.all_reduce(flat)
    flat /= members()
    for parameter, part in zip(moved, torch.split(flat, [p.numel() for p in moved]), strict=True):
        parameter.grad = part.view_as(parameter).clone()
