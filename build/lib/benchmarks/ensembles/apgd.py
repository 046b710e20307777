"""APGD (Croce and Hein 2020), by the adversarial robustness toolbox."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Apgd:
    """Ascend the cross-entropy with a step that halves by itself, in an L-infinity ball.

    bound: 0..1, in pixel space. classes: of the network. steps: at most.
    """

    bound: float
    classes: int
    steps: int = 50

    def __call__(self, network: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
        """Give the adversarial pixels."""
        from art.attacks.evasion import AutoProjectedGradientDescent
        from art.estimators.classification import PyTorchClassifier

        estimator = PyTorchClassifier(
            network,
            loss=nn.CrossEntropyLoss(),
            input_shape=tuple(pixels.shape[1:]),
            nb_classes=self.classes,
            clip_values=(0.0, 1.0),
            device_type="cpu" if pixels.device.type == "cpu" else "gpu",
        )
        attack = AutoProjectedGradientDescent(
            estimator,
            eps=self.bound,
            eps_step=2 * self.bound,
            max_iter=self.steps,
            nb_random_init=1,
            batch_size=len(pixels),
            loss_type="cross_entropy",
            verbose=False,
        )
        found = attack.generate(x=pixels.cpu().numpy(), y=labels.cpu().numpy())
        return torch.from_numpy(found).to(pixels)
