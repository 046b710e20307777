"""Attacks, one file each; importing this package registers them all."""

from unlearning.contracts import Attack
from unlearning.registry import Registry

ATTACKS: Registry[Attack] = Registry("attack")

from unlearning.attacks import (  # noqa: E402, F401
    correctness,
    entropy,
    lira,
    loss,
    mia_conf_svc,
    mia_entropy_lr,
    modified_entropy,
    recalibrated,
    rmia,
)
