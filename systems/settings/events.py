"""service.yaml: how requests come in from outside, and who is told of their states.

Secrets are in keys/sources/ alone: a section names the source whose secret it uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from unlearning.settings import above, at_least, between


@dataclass(frozen=True)
class Intake:
    """What the doors take.

    body_bytes: of one HTTP request. per_second, burst: requests of one source, on the long run and
    at once. certificates: sources that may learn the end of their own requests and fetch the
    evidence; to all others a state tells nothing of what was found.
    """

    body_bytes: int = field(default=1_000_000, metadata=between(1_000, 100_000_000))
    per_second: float = field(default=20.0, metadata=above(0))
    burst: int = field(default=200, metadata=at_least(1))
    certificates: tuple[str, ...] = ()
