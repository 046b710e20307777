"""One training loop for everything that trains: originals, retrained models, shadows, fine-tuning.

Examples live in memory as uint8 on the device, or on disk if they are too many for it; batching,
augmentation and normalisation run on the device, on whole batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import ByteArray, Examples
from unlearning.errors import Diverged, UsageError
from unlearning.lipschitz.clipping import Clipper, Clipping, require_bound
from unlearning.memory import room
from unlearning.stored import Lazy
from unlearning.training.layers import rates
from unlearning.training.optimisers import optimiser_of
from unlearning.training.team import one_gradient, shared

Progress = Callable[[int, int, float], None]
"""Called after each epoch with (epochs done, epochs in all, mean training loss)."""


def silent(done: int, total: int, loss: float) -> None:
    """Show progress to nobody."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train.

    learning_rate: the peak; schedule `cosine` falls to 0 from it, `one_cycle` rises for the first
    fifth, then falls to 0, `constant` keeps it. augmentation: `none`, `crop` (shift by up to an
    eighth of the size) or `crop_flip`. precision: `fp32`, `bf16`, or `auto`, bf16 autocast where
    the processor computes it natively. label_smoothing: share of each label that is spread over all
    classes. decays: what weight decay pulls to 0, `all`, or `weights` alone: neither biases nor
    what normalisation layers scale and shift by. layer_decay: factor on a layer's rate for each
    layer behind it, as vision transformers are fine-tuned; 1 moves all alike. warmup: share of the
    steps in which the rate rises to its peak before the schedule begins; None for the schedule's
    own. lipschitz: the largest singular value that a layer may have, a convolution together with
    its batch norm; None for any.
    """

    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "one_cycle"
    optimiser: str = "sgd"
    augmentation: str = "none"
    precision: str = "auto"
    label_smoothing: float = 0.0
    decays: str = "all"
    layer_decay: float = 1.0
    warmup: float | None = None
    lipschitz: float | None = None

    def __post_init__(self) -> None:
        """Refuse words that the loop does not know."""
        require_bound(self.lipschitz, "training.lipschitz")
        for field, known in _KNOWN.items():
            if getattr(self, field) not in known:
                raise UsageError(
                    f"training.{field}: got {getattr(self, field)!r}, expected one of {known}"
                )
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(
                f"training.label_smoothing: got {self.label_smoothing}, expected 0 up to below 1"
            )
        if not 0 < self.layer_decay <= 1:
            raise UsageError(f"training.layer_decay: got {self.layer_decay}, expected above 0 to 1")
        if self.warmup is not None and not 0 <= self.warmup < 1:
            raise UsageError(f"training.warmup: got {self.warmup}, expected 0 up to below 1")
        if self.epochs < 1 or self.batch_size < 2:
            raise UsageError(
                f"training: got {self.epochs} epochs of batches of {self.batch_size}, "
                "expected at least 1 epoch and batches of at least 2"
            )

    def factor(self, steps: int) -> Callable[[int], float]:
        """Give the factor on the learning rate by step, over so many steps."""
        return partial(
            learning_rate_factor, total=steps, schedule=self.schedule, warmup=self.warmup
        )

    def as_record(self) -> dict[str, Any]:
        """Give the settings as what follows from them is named by.

        One that came later is left out at its first value, with which all was trained before, so
        that old names hold.
        """
        known = asdict(self)
        first = {f.name: f.default for f in fields(self) if f.name in _LATER}
        return {k: v for k, v in known.items() if k not in first or v != first[k]}


_KNOWN = {
    "schedule": ("cosine", "one_cycle", "constant"),
    "optimiser": ("sgd", "adamw"),
    "augmentation": ("none", "crop", "crop_flip"),
    "precision": ("auto", "fp32", "bf16"),
    "decays": ("all", "weights"),
}
_LATER = ("label_smoothing", "decays", "layer_decay", "warmup", "lipschitz")
"""Settings that came later: at their first value they are not in `Training.as_record`."""


def pick_device() -> torch.device:
    """Use a GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Say whether training runs under bf16 autocast: asked for, or `auto` where it is native."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and _has_bf16_arithmetic()


def _has_bf16_arithmetic() -> bool:
    """Emulated bf16 is slower than fp32, so a CPU must have the instructions themselves."""
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return native is not None and bool(native())


class Shelf:
    """Pictures that stay on disk; what is taken from it comes to the device."""

    def __init__(self, pictures: Lazy, device: torch.device) -> None:
        """Take pictures from there."""
        self._pictures, self.device = pictures, device

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self._pictures)

    def __getitem__(self, where: Tensor | slice) -> Tensor:
        """Give some of them, uint8, channels last in memory, as a tensor of all would."""
        index = where if isinstance(where, slice) else where.cpu().numpy()
        return _there(self._pictures[index], self.device)


def _there(images: ByteArray, device: torch.device) -> Tensor:
    return torch.from_numpy(images).to(device).contiguous(memory_format=torch.channels_last)


def pixels_on(examples: Examples, device: torch.device) -> tuple[Tensor, Tensor]:
    """Put images (uint8, channels last in memory) and labels on the device once."""
    labels = torch.from_numpy(examples.labels).to(device)
    return _there(np.asarray(examples.images), device), labels


def pictures_on(examples: Examples, device: torch.device) -> tuple[Tensor | Shelf, Tensor]:
    """Do as `pixels_on`, but for images that stay on disk, which come as they are taken."""
    if isinstance(examples.images, Lazy):
        labels = torch.from_numpy(examples.labels).to(device)
        return Shelf(examples.images, device), labels
    return pixels_on(examples, device)


def batches(n: int, size: int, rng: torch.Generator) -> list[Tensor]:
    """Cut a fresh random order of n indices into the fewest batches of at most `size`, all alike.

    None is smaller than the others by more than one: batch normalisation learns nothing sound from
    a rest of a few examples, and its statistics keep what the last batch told them. A batch of one
    cannot be trained on at all, and is none where n is not 1.
    """
    count = max(1, min(-(-n // size), n // 2))
    return list(torch.tensor_split(torch.randperm(n, generator=rng), count))


def augment(images: Tensor, kind: str, rng: torch.Generator) -> Tensor:
    """Shift each image by up to an eighth of its size, zeros moving in, and flip half of them."""
    if kind == "none":
        return images
    n, _, size, _ = images.shape
    pad = max(1, size // 8)
    padded = functional.pad(images, (pad, pad, pad, pad))
    shift = torch.randint(2 * pad + 1, (2, n), generator=rng)
    steps = torch.arange(size)
    columns = shift[1, :, None] + steps
    if kind == "crop_flip":
        flip = torch.randint(2, (n, 1), generator=rng).bool()
        columns = torch.where(flip, columns.flip(1), columns)
    rows = (shift[0, :, None] + steps).to(images.device)
    columns = columns.to(images.device)
    picked = padded.permute(0, 2, 3, 1)[
        torch.arange(n, device=images.device)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return picked.permute(0, 3, 1, 2)


def learning_rate_factor(
    step: int, total: int, *, schedule: str, warmup: float | None = None
) -> float:
    """Give the factor on the peak learning rate at `step` of `total`.

    warmup: share of the steps in which it rises along a line; None for the schedule's own, a fifth
    of `one_cycle` and none of others.
    """
    rising = total * warmup if warmup is not None else total / 5 * (schedule == "one_cycle")
    if step < rising:
        return (step + 1) / (rising + 1)
    if schedule == "constant":
        return 1.0
    share = (step - rising) / max(1.0, total - rising)
    return float(0.5 * (1 + torch.cos(torch.tensor(torch.pi * min(1.0, share)))))


Loss = Callable[[Tensor, Tensor], Tensor]


def train(
    network: nn.Module,
    examples: Examples,
    training: Training,
    rng: torch.Generator,
    progress: Progress = silent,
    loss: Loss | None = None,
    clipper: Clipper | None = None,
) -> nn.Module:
    """Train `network` in place on `examples` and give it back in evaluation mode.

    loss: of a batch's logits and labels; cross-entropy, smoothed as `training` says, without one.
    clipper: holds layers to `training.lipschitz`, FastClip without one.
    Raises Diverged as soon as an epoch's mean loss is not finite.
    """
    device = pick_device()
    home = next(network.parameters()).device
    network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    images, labels = pictures_on(examples, device)
    trainable = [p for p in network.parameters() if p.requires_grad]
    optimiser = optimiser_of(
        trainable,
        training,
        nesterov=True,
        decays=training.decays,
        rates=rates(network, training.layer_decay),
    )
    steps = training.epochs * len(batches(len(examples), training.batch_size, _spare()))
    factors = map(training.factor(steps), range(steps))
    bf16 = uses_bf16(training.precision, device)
    own = partial(functional.cross_entropy, label_smoothing=training.label_smoothing)
    passed = partial(_pass, network, loss or own, bf16=bf16)
    held = Clipping(network, images[:1], training.lipschitz, clipper)
    with room() as found:  # what is learned about memory holds to the end
        for epoch in range(training.epochs):
            total = torch.zeros((), device=device)
            for index in batches(len(examples), training.batch_size, rng):
                where = index.to(device)
                picked = augment(images[where], training.augmentation, rng)
                value = found.fit(partial(passed, picked, labels[where]), len(index))
                optimiser.step(training.learning_rate * next(factors))
                held.step()
                total += value * len(index)
            mean = float(total) / len(examples)
            require_finite(mean, epoch)
            progress(epoch + 1, training.epochs, mean)
    held.finish()
    return network.to(home).eval()


def _pass(network: nn.Module, loss: Loss, images: Tensor, labels: Tensor, *, bf16: bool) -> Tensor:
    """Put the gradient of a batch's mean loss into the network, and give that loss."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        logits = shared(network, images)
    value = loss(logits.float(), labels)
    network.zero_grad(set_to_none=True)
    with one_gradient(list(network.parameters())):
        value.backward()  # type: ignore[no-untyped-call]
    return value.detach()


def _spare() -> torch.Generator:
    """A throw-away generator, so that counting steps draws nothing from the real one."""
    return torch.Generator().manual_seed(0)


def require_finite(loss: float, epoch: int, what: str = "training") -> None:
    """Raise Diverged for a mean loss that is no number, of an epoch counted from 0."""
    if not torch.isfinite(torch.tensor(loss)):
        raise Diverged(
            f"{what} diverged in epoch {epoch + 1}: mean loss is {loss}, expected a finite "
            "number; lower the learning rate"
        )
