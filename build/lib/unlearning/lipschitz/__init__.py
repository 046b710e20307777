"""How far a network's answers may move with its input: spectra of its layers, and clipping them."""

from unlearning.lipschitz.contract import Clipper
from unlearning.registry import Registry

CLIPPERS: Registry[Clipper] = Registry("clipper")

from unlearning.lipschitz import (  # noqa: E402, F401
    fastclip,
    gouk,
    miyato,
    senderovich,
)
