"""When requests that wait are served: how many, for how long, or how near a deadline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from unlearning.counting import numbered
from unlearning.settings import at_least


@dataclass(frozen=True)
class Collect:
    """`collect:` of a policy; the first that holds begins a run. By default each does at once.

    requests: so many wait. days: the oldest was received so long ago; 0 sets no such limit.
    margin_days: before the earliest deadline.
    """

    requests: int = field(default=1, metadata=at_least(1))
    days: int = field(default=0, metadata=at_least(0))
    margin_days: int = field(default=14, metadata=at_least(0))

    def why(self, waiting: Sequence[tuple[datetime, datetime]], now: datetime) -> str | None:
        """Say why a run begins; None if it is not time yet. waiting: (received at, due at)."""
        if not waiting:
            return None
        if len(waiting) >= self.requests:
            wait = numbered(len(waiting), "request waits", "requests wait")
            return f"{wait}, of {self.requests} that a run is begun for"
        if self.days and now - min(received for received, _ in waiting) >= timedelta(self.days):
            return f"one was received {numbered(self.days, 'day', 'days')} ago"
        if min(due for _, due in waiting) - now <= timedelta(self.margin_days):
            return f"a deadline is {numbered(self.margin_days, 'day', 'days')} away or less"
        return None

    def latest(self, waiting: Sequence[tuple[datetime, datetime]]) -> datetime:
        """Say until when a run may wait for more: the margin before a deadline, or `days` if set.

        waiting: (received at, due at), one at least.
        """
        margin = min(due for _, due in waiting) - timedelta(self.margin_days)
        oldest = min(received for received, _ in waiting)
        return min(margin, oldest + timedelta(self.days)) if self.days else margin
