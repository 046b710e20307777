"""Attacks, one file each; importing this package registers them all."""

from unlearning.contracts import Attack
from unlearning.registry import Registry

ATTACKS: Registry[Attack] = Registry("attack")

from unlearning.attacks import lira, loss  # noqa: E402, F401
