"""What waiting would give: how many requests share one run, by the workspace's own history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ledger.domain import State
from systems.settings.collect import Collect
from tasks.keeping.collecting import accepted
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.statistics.intervals import Interval, poisson

LEAST = 1.0
"""Days that a log must go back: what came in an hour says nothing about days."""

DAY = timedelta(days=1)


def collecting_told(
    at: Opened, collect: Collect, requests: Sequence[str], ladder: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Say what waiting with these requests would give; None where the log tells too little.

    ladder: what would be tried; its last rung is what requests can share in any case.
    """
    now, known = utc_now(), at.ledger.requests(None, utc_now())
    since = datetime.fromisoformat(at.ledger.log.entries()[0].at)
    came = [r.received_at for r in known if r.state is not State.DENIED and r.received_at > since]
    days = (now - since) / DAY
    if not ladder or not came or days < LEAST:
        return None
    waiting = {r.ref: (r.received_at, r.due_at) for r in known if r.ref in requests}
    waiting |= {r.ref: (r.received_at, r.due_at) for r in accepted(at)}
    rate = poisson(len(came), days)
    found = shared(collect, list(waiting.values()), rate, now, days)
    seconds = ladder[-1]["estimated_seconds"]
    each = None if seconds is None else round(seconds / found["requests"]["value"], 2)
    rates = {**_ends(rate), "n": len(came), "days": round(days, 2)}
    told = {
        **found,
        "method": ladder[-1]["method"],
        "rate_per_day": rates,
        "seconds_each": each,
        "seconds_alone": seconds,
    }
    return {**told, "words": _words(told, collect)}


def shared(
    collect: Collect,
    waiting: Sequence[tuple[datetime, datetime]],
    rate: Interval,
    now: datetime,
    history: float,
) -> dict[str, Any]:
    """Say for how many days to wait, and how many requests one run would then serve.

    waiting: (received at, due at) of those that are there. rate: requests a day. Nothing is
    foretold for longer than the `history`, in days, nor beyond the policy's window: the margin
    before the first deadline, its days, and its number of requests where that is more than one.
    """
    days = min(max(0.0, (collect.latest(waiting) - now) / DAY), history)
    most = collect.requests if collect.requests > 1 else None
    missing = None if most is None else max(0, most - len(waiting))
    if missing is not None and missing <= rate.value * days:
        days = missing / rate.value
        return {"days": round(days, 2), "requests": dict.fromkeys(("value", "low", "high"), most)}
    expected = (len(waiting) + per_day * days for per_day in (rate.value, rate.low, rate.high))
    ends = zip(("value", "low", "high"), expected, strict=True)
    return {"days": round(days, 2), "requests": {name: round(found, 1) for name, found in ends}}


def _ends(rate: Interval) -> dict[str, float]:
    return {"value": round(rate.value, 4), "low": round(rate.low, 4), "high": round(rate.high, 4)}


def _words(told: Mapping[str, Any], collect: Collect) -> str:
    """Say it in a line."""
    if not told["days"]:
        return "nothing is gained by waiting: the policy's window is over"
    many = told["requests"]
    cost = "" if told["seconds_each"] is None else f", {told['seconds_each']:.4g} s each"
    alone = "" if told["seconds_alone"] is None else f" instead of {told['seconds_alone']:.4g} s"
    return (
        f"wait {told['days']:.2g} days (a deadline stays {collect.margin_days} days away): about "
        f"{many['value']:.4g} requests ({many['low']:.4g} to {many['high']:.4g}) share one "
        f"{told['method']}{cost}{alone}"
    )
