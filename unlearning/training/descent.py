"""What methods that descend a loss have in common: settings, a copy to change, and its batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from unlearning.domain import Examples
from unlearning.errors import Diverged, UsageError
from unlearning.lipschitz.clipping import Clipping, require_bound
from unlearning.training.loop import (
    Progress,
    Training,
    augment,
    batches,
    learning_rate_factor,
    pick_device,
    pictures_on,
    uses_bf16,
)
from unlearning.training.optimisers import optimiser_of
from unlearning.training.team import one_gradient, shared

Factor = Callable[[int], float]
"""Factor on the learning rate at a step, counted from 0."""

Masks = Sequence[Tensor]
"""One tensor of 0 and 1 for each trainable parameter: where a gradient may act."""


@dataclass(frozen=True, kw_only=True)
class Stepping:
    """Settings of every method that takes gradient steps from the original.

    The words are those of `training.Training`, whose `lipschitz` is also theirs on the ladder of a
    workspace; SGD is without Nesterov's look-ahead, as in the
    public code of the papers. Where a method's paper has other defaults, the method says so.
    """

    learning_rate: float = 0.01
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    optimiser: str = "sgd"
    augmentation: str = "none"
    precision: str = "auto"
    lipschitz: float | None = None

    def __post_init__(self) -> None:
        """Refuse words that the training loop refuses."""
        require_bound(self.lipschitz, "lipschitz")
        Training(
            batch_size=self.batch_size,
            schedule=self.schedule,
            optimiser=self.optimiser,
            augmentation=self.augmentation,
            precision=self.precision,
        )

    def factor(self, steps: int) -> Factor:
        """Give the schedule over `steps` steps."""
        return partial(learning_rate_factor, total=max(1, steps), schedule=self.schedule)


@dataclass(frozen=True, kw_only=True)
class Descending(Stepping):
    """Settings of a method that goes over its examples in epochs."""

    epochs: int = 10

    def __post_init__(self) -> None:
        """Refuse less than one epoch as well."""
        super().__post_init__()
        if self.epochs < 1:
            raise UsageError(f"epochs: got {self.epochs}, expected at least 1")


@dataclass(frozen=True, eq=False)
class Batch:
    """Images (n, channels, height, width), labels (n,), and their places in the examples (n,)."""

    images: Tensor
    labels: Tensor
    index: Tensor


class Loader:
    """Examples on the device, in freshly shuffled and augmented batches."""

    def __init__(self, examples: Examples, settings: Stepping, rng: torch.Generator) -> None:
        """Put the examples on the device once; those on disk stay there."""
        self.device = pick_device()
        self.images, labels = pictures_on(examples, self.device)
        self.labels = labels.clone()  # methods relabel them; on a CPU they are the caller's own
        self._settings = settings
        self._rng = rng

    def __len__(self) -> int:
        """Count the batches of one epoch."""
        return len(batches(len(self.labels), self._settings.batch_size, torch.Generator()))

    def epoch(self, share: float = 1.0) -> Iterator[Batch]:
        """Give a random `share` of the examples once, batch by batch."""
        chosen = batches(len(self.labels), self._settings.batch_size, self._rng)
        yield from map(self._take, chosen[: max(1, round(share * len(chosen)))])

    def endless(self) -> Iterator[Batch]:
        """Give batches without end, shuffled again whenever all examples were given."""
        while True:
            yield from self.epoch()

    def _take(self, index: Tensor) -> Batch:
        where = index.to(self.device)
        images = augment(self.images[where], self._settings.augmentation, self._rng)
        return Batch(images, self.labels[where], where)


class Descent:
    """A copy of the original under way: its optimiser, schedule, precision and frozen weights.

    statistics: `update` lets batch norm follow the batches, as in training; `keep` runs the whole
    network in evaluation mode, so that forget-only batches do not ruin its statistics.
    """

    def __init__(
        self,
        original: nn.Module,
        settings: Stepping,
        factor: Factor,
        *,
        statistics: str = "update",
        masks: Masks | None = None,
        restore: bool = True,
    ) -> None:
        """Copy the original to the device.

        masks: weights whose gradient is dropped where 0. restore: hold them where they are, which
        weight decay and momentum would move; without it they drift, as in public code.
        """
        self.device = pick_device()
        self._home = next(original.parameters()).device
        self._mode = original.training
        copy = deepcopy(original)
        self.network = copy.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.train(statistics == "update")
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self._optimiser = optimiser_of(self.parameters, settings, nesterov=False)
        self._peak, self._factor, self._ticks = settings.learning_rate, factor, 0
        self._bf16 = uses_bf16(settings.precision, self.device)
        self._lipschitz = settings.lipschitz
        self._held: Clipping | None = None
        self._masks = masks
        self._start = [p.detach().clone() for p in self.parameters] if masks and restore else None
        self._total = torch.zeros((), device=self.device)
        self._count = 0

    def __call__(self, images: Tensor) -> Tensor:
        """Give the logits (n, classes) float32, computed at the settings' precision."""
        if self._held is None:
            self._picture = images[:1]
            self._held = Clipping(self.network, self._picture, self._lipschitz)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            logits = shared(self.network, images)
        return logits.float()

    def step(self, loss: Tensor, *, masks: Masks | None = None, clip: float | None = None) -> None:
        """Take one step down `loss`, its gradient masked and then clipped to a norm of `clip`."""
        self.add_gradient(loss, masks=masks, clip=clip)
        self.advance()

    def add_gradient(
        self, loss: Tensor, *, masks: Masks | None = None, clip: float | None = None
    ) -> None:
        """Add the gradient of `loss`; masks and clip act on all that was added since a step."""
        with one_gradient(self.parameters):
            loss.backward()  # type: ignore[no-untyped-call]
        if masks is not None:
            _hide(self.parameters, masks)
        if clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, clip)
        self._total += loss.detach()
        self._count += 1

    def advance(self) -> None:
        """Take one step along the gradients that were added."""
        if self._masks is not None:
            _hide(self.parameters, self._masks)
        self._optimiser.step(self._peak * self._factor(self._ticks))
        self.network.zero_grad(set_to_none=True)
        if self._masks is not None and self._start is not None:
            _put_back(self.parameters, self._start, self._masks)
            self._optimiser.forget(self._masks)
        if self._held is not None:  # before the masks: a bound that is not kept everywhere is none
            self._held.step()

    def tick(self) -> None:
        """Move the learning rate on by one step of its schedule."""
        self._ticks += 1

    def end_epoch(self, done: int, total: int, progress: Progress) -> None:
        """Report the mean loss since the last epoch's end; raises Diverged if it is not finite."""
        mean = float(self._total) / max(1, self._count)
        self._total, self._count = torch.zeros((), device=self.device), 0
        weights = torch.stack([p.detach().abs().max() for p in self.parameters])
        if not (torch.isfinite(torch.tensor(mean)) and torch.isfinite(weights).all()):
            raise Diverged(
                f"unlearning diverged in epoch {done}: mean loss is {mean}, expected finite "
                "numbers; lower the learning_rate"
            )
        progress(done, total, mean)

    def copied(self) -> nn.Module:
        """Give a copy as it is now, on the device, its layers held to the bound."""
        copy: nn.Module = deepcopy(self.network)
        if self._held is not None:
            Clipping(copy, self._picture, self._lipschitz).finish()
        return copy

    def finished(self) -> nn.Module:
        """Give the network on the original's device and in its mode."""
        self.network.zero_grad(set_to_none=True)
        if self._held is not None:
            self._held.finish()
        result: nn.Module = self.network.to(self._home).train(self._mode)
        return result


def _hide(parameters: list[nn.Parameter], masks: Masks) -> None:
    for parameter, mask in zip(parameters, masks, strict=True):
        if parameter.grad is not None:
            parameter.grad.mul_(mask)


@torch.no_grad()
def _put_back(parameters: list[nn.Parameter], start: Masks, masks: Masks) -> None:
    """Undo what momentum and weight decay did to frozen weights."""
    for parameter, old, mask in zip(parameters, start, masks, strict=True):
        parameter.copy_(torch.where(mask.bool(), parameter, old))
