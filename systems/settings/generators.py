"""params.yaml's section on a generator: what draws, how it is trained, how it is sampled."""

from __future__ import annotations

from dataclasses import dataclass, field

from unlearning.errors import PolicyError
from unlearning.settings import above, between

NETWORKS = ("unet", "dit")
"""What `unlearning.generation` builds, which a test holds this against."""


@dataclass(frozen=True)
class GeneratorParams:
    """A network that draws the classes of the data. Then `network` and `training` are its judge's.

    network: unet, or dit, a transformer. width, depth: null takes the network's own. steps: of
    training, by batches of batch_size; each drops the label of a share of them. ema: decay of the
    average of weights, which is what draws. guidance: s of free + s (own - free), in so many
    sampling_steps of DDIM.
    """

    network: str = "unet"
    width: int | None = field(default=None, metadata=between(8, 1024))
    depth: int | None = field(default=None, metadata=between(1, 64))
    steps: int = field(default=500, metadata=between(1, 10_000_000))
    batch_size: int = field(default=64, metadata=between(2, 100_000))
    learning_rate: float = field(default=2e-3, metadata=above(0))
    label_drop: float = field(default=0.1, metadata=between(0.01, 0.9))
    ema: float = field(default=0.99, metadata=between(0, 0.99999))
    guidance: float = field(default=2.0, metadata=between(0, 20))
    sampling_steps: int = field(default=10, metadata=between(1, 1000))

    def __post_init__(self) -> None:
        """Refuse a network that nobody can build."""
        if self.network not in NETWORKS:
            raise PolicyError(
                f"params.yaml: generator.network: got {self.network!r}, expected one of "
                f"{', '.join(NETWORKS)}"
            )
