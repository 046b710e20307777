"""Convolution transpose: every kernel is mirrored, and the retain set teaches what it was."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from unlearning.domain import TrainingSets
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.methods.finetune import FineTune
from unlearning.training.loop import Progress, train


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class ConvTranspose(FineTune):
    """Swap rows and columns of each kernel and fine-tune on the retain set.

    An image turned about its diagonal would be answered as before; of one that is not, the network
    has its features, but none where it learned them. Kernels of one pixel, and what is no
    convolution, stay. Defaults: those of the challenge's entry in DeepUnlearn's code (rate .001,
    3 epochs, batches of 64), whose momentum does not look ahead.
    """

    name: ClassVar[str] = "conv_transpose"
    paper: ClassVar[str] = "CT, of the NeurIPS 2023 challenge, in Cadet et al., Deep Unlearn (2024)"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    exact: ClassVar[bool] = False

    epochs: int = 3
    learning_rate: float = 0.001
    batch_size: int = 64

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Fine-tune a mirrored copy of the original."""
        start = mirrored(original)
        candidate = train(start, split.retain, self._training(), rng, progress)
        return candidate.train(original.training)


def mirrored(original: nn.Module) -> nn.Module:
    """Give a copy with the last two dimensions of each square, trainable kernel swapped.

    Raises UsageError where there is none of more than a pixel.
    """
    copy = deepcopy(original)
    kernels = [m.weight for m in copy.modules() if isinstance(m, nn.Conv2d)]
    square = [k for k in kernels if k.requires_grad and k.shape[2] == k.shape[3] > 1]
    if not square:
        raise UsageError(
            "conv_transpose: got a network without a square kernel that may move, expected "
            "convolutions: take another method"
        )
    with torch.no_grad():
        for kernel in square:
            kernel.copy_(kernel.transpose(2, 3).clone())
    return copy
