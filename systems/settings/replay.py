"""How many of the released retrainings are done again, as a sample."""

from __future__ import annotations

from dataclasses import dataclass, field

from unlearning.settings import between


@dataclass(frozen=True)
class Sampling:
    """`replay:` of a policy. share: of released exact runs, drawn to be replayed; 0: none is."""

    share: float = field(default=0.1, metadata=between(0, 1))
