"""How much one source may send: a bucket of tokens that fills at an even rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Lock

from unlearning.errors import InfrastructureError


class OverQuota(InfrastructureError):
    """A source sends more than it may. seconds: after which it may send again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"quota: is used up, expected fewer requests: wait {seconds} s")
        self.seconds = seconds


class Quotas:
    """One bucket for each source, in this process."""

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """per_second: how fast a bucket fills; burst: how much it holds."""
        self._rate, self._burst, self._clock = per_second, float(burst), clock
        self._buckets: dict[str, tuple[float, float]] = {}  # source -> tokens, and when
        self._lock = Lock()

    def take(self, source: str) -> None:
        """Take one token of a source that has shown who it is; OverQuota if there is none.

        Only known sources come here, and all others as one, so nobody can use up another one's or
        fill the memory.
        """
        with self._lock:
            now = self._clock()
            tokens, then = self._buckets.get(source, (self._burst, now))
            tokens = min(self._burst, tokens + (now - then) * self._rate)
            if tokens >= 1:
                self._buckets[source] = (tokens - 1, now)
                return
            self._buckets[source] = (tokens, now)
        raise OverQuota(math.ceil((1 - tokens) / self._rate))
