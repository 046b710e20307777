"""Training as the unlearning papers have it, which can stop and go on.

unlearning.training's loop has Nesterov's momentum and a rate that falls at every step; the papers
have plain SGD whose rate changes with the epoch. Going on from a checkpoint gives, on a processor,
bit for bit what would have come without the stop; on a GPU, whose sums have no fixed order, what
another run might have given.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from unlearning import networks
from unlearning.domain import Examples
from unlearning.errors import Diverged, UsageError
from unlearning.networks import Classifier, Recipe
from unlearning.training.loop import Progress, augment, batches, pick_device, pixels_on, uses_bf16

EVERY = 2
"""Epochs between two checkpoints; so much is lost at most when a call's time runs out."""

SCHEDULES = ("cosine", "steps")


@dataclass(frozen=True, kw_only=True)
class PublishedTraining:
    """SGD for CIFAR-10 and ResNet-18 as SFR-on and AMUN train, 200 epochs in the papers.

    schedule: `cosine` falls to 0 over the epochs (SFR-on); `steps` divides the rate by ten after
    each fifth of them (AMUN, StepLR every 40). augmentation, precision: as in unlearning.training.
    """

    epochs: int = 200
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    augmentation: str = "crop_flip"
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.epochs < 1 or self.schedule not in SCHEDULES:
            raise UsageError(
                f"published training: got {self.epochs} epochs of {self.schedule!r}, expected at "
                f"least 1 and one of {', '.join(SCHEDULES)}"
            )

    def rate(self, epoch: int) -> float:
        """Give the learning rate of an epoch; the first is 0."""
        if self.schedule == "steps":
            return self.learning_rate * 0.1 ** (epoch // max(1, self.epochs // 5))
        return self.learning_rate * (1 + math.cos(math.pi * epoch / self.epochs)) / 2

    def optimiser(self, network: nn.Module) -> torch.optim.SGD:
        """Give plain SGD over a network's parameters."""
        return torch.optim.SGD(
            network.parameters(),
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )


class Spent(NamedTuple):
    """What a training has taken so far, over all calls: epochs, wall and processor seconds."""

    epochs: int
    wall: float
    processor: float

    def and_one(self, began: float, busy: float) -> Spent:
        """Add an epoch that began at these readings of the two clocks."""
        wall, processor = time.perf_counter() - began, time.process_time() - busy
        return Spent(self.epochs + 1, self.wall + wall, self.processor + processor)


@dataclass(frozen=True)
class Checkpoint:
    """Where a training that is under way is kept: `folder`/epoch-NNNN, the newest counts.

    Weights and momentum are files apart, so that each can travel alone.
    """

    folder: Path

    def newest(self) -> Path | None:
        """Give the newest state's folder, None before the first."""
        return max(self.folder.glob("epoch-[0-9][0-9][0-9][0-9]"), default=None)

    def save(self, spent: Spent, run: Run) -> None:
        """Keep the state, whole or not at all, and drop the one before."""
        path = self.folder / f"epoch-{spent.epochs:04d}"
        part = path.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        told = {"spent": json.dumps(spent)}
        save_file(run.weights(), part / "weights.safetensors", metadata=told)
        save_file(run.momentum(), part / "momentum.safetensors")
        older = self.newest()
        part.replace(path)
        if older is not None:
            shutil.rmtree(older)

    def restore(self, run: Run) -> Spent:
        """Put the newest state, if there is one, into a run; give what it has taken."""
        newest = self.newest()
        if newest is None:
            return Spent(0, 0.0, 0.0)
        weights, told = _read(newest / "weights.safetensors")
        momentum, _ = _read(newest / "momentum.safetensors")
        run.put(weights, momentum)
        return Spent(*json.loads(told["spent"]))


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


@dataclass(frozen=True, eq=False)
class Run:
    """What changes while a network is trained."""

    network: nn.Module
    optimiser: torch.optim.SGD
    rng: torch.Generator

    def weights(self) -> dict[str, Tensor]:
        """Give weights, buffers and the generator's state, by name."""
        state = {f"network.{name}": _home(t) for name, t in self.network.state_dict().items()}
        return {**state, "generator": self.rng.get_state()}

    def momentum(self) -> dict[str, Tensor]:
        """Give the optimiser's buffers, by the name of the parameter."""
        state = self.optimiser.state
        return {n: _home(state[p]["momentum_buffer"]) for n, p in self.network.named_parameters()}

    def put(self, weights: dict[str, Tensor], momentum: dict[str, Tensor]) -> None:
        """Take over a state that `weights` and `momentum` gave."""
        self.rng.set_state(weights.pop("generator"))
        bare = {name.removeprefix("network."): value for name, value in weights.items()}
        self.network.load_state_dict(bare)
        for name, parameter in self.network.named_parameters():
            self.optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(
                momentum[name]
            )

    def epoch(
        self, images: Tensor, labels: Tensor, training: PublishedTraining, rate: float
    ) -> float:
        """Train for one epoch; give the mean loss."""
        self.optimiser.param_groups[0]["lr"] = rate
        bf16 = uses_bf16(training.precision, images.device)
        total = torch.zeros((), device=images.device)
        for index in batches(len(labels), training.batch_size, self.rng):
            where = index.to(images.device)
            picked = augment(images[where], training.augmentation, self.rng)
            with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
                logits = self.network(picked)
            loss = functional.cross_entropy(logits.float(), labels[where])
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total += loss.detach() * len(index)
        return float(total) / len(labels)


def _home(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def record_path(path: Path) -> Path:
    """Name the record of a network's training: its cost, and its digest in case it stays behind."""
    return path.with_suffix(".json")


def train_to(
    path: Path,
    recipe: Recipe,
    examples: Examples,
    training: PublishedTraining,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Train a network, or what is left of it, to a file, write its record and give that.

    It is the last epoch's network: the papers' code keeps the best on the test set, which is a
    choice by what judges.
    """
    rng = torch.Generator().manual_seed(seed)
    network = networks.build(recipe, rng)
    checkpoint = Checkpoint(path.with_suffix(""))
    spent = _trained(network, examples, training, rng, checkpoint, progress)
    digest = networks.save(network, path)
    record = write_record(path, digest, spent, training.epochs * len(examples))
    shutil.rmtree(checkpoint.folder)
    return record


def write_record(path: Path, digest: str, spent: Spent, passes: int) -> dict[str, Any]:
    """Write beside a trained network what it cost, and give that."""
    record = {
        "sha256": digest,
        "epochs": spent.epochs,
        "seconds": spent.wall,
        "processor_seconds": spent.processor,
        "passes": passes,
    }
    record_path(path).write_text(json.dumps(record, indent=1))
    return record


def _trained(
    network: Classifier,
    examples: Examples,
    training: PublishedTraining,
    rng: torch.Generator,
    checkpoint: Checkpoint,
    progress: Progress,
) -> Spent:
    device = pick_device()
    network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    run = Run(network, training.optimiser(network), rng)
    spent = checkpoint.restore(run)
    images, labels = pixels_on(examples, device)
    for epoch in range(spent.epochs, training.epochs):
        began, busy = time.perf_counter(), time.process_time()
        loss = run.epoch(images, labels, training, training.rate(epoch))
        spent = spent.and_one(began, busy)
        if not math.isfinite(loss):
            raise Diverged(f"published training diverged in epoch {epoch + 1}: mean loss is {loss}")
        if spent.epochs % EVERY == 0 or spent.epochs == training.epochs:
            checkpoint.save(spent, run)
        progress(epoch + 1, training.epochs, loss)
    network.to("cpu").eval()
    return spent
