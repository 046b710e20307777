"""Unlearning methods, one file each; importing this package registers them all."""

from unlearning.contracts import Method
from unlearning.registry import Registry

METHODS: Registry[Method] = Registry("method")

from unlearning.methods import famr, finetune, retrain  # noqa: E402, F401
