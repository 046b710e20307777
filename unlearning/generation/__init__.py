"""Forgetting a class in image generators: diffusion networks, methods, measures, verdicts."""

from unlearning.generation.contract import Forgetter
from unlearning.registry import Registry

FORGETTERS: Registry[Forgetter] = Registry("generator method")

from unlearning.generation import (  # noqa: E402, F401
    latent,
    retrain,
    sa,
    salun,
    sfr_on,
)
