"""Whose requests go into one run: decided for each by itself, and again whenever it is claimed.

What can be served changes with every run. A request that nothing can serve any more ends as denied,
and one that cannot be served with those before it, or not now, waits and holds up nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledger.domain import State
from ledger.errors import KeyMissing
from ledger.requests import Verb
from ledger.requests.grounds import NOT_FOUND
from tasks.extract import refusal
from tasks.requests.asked import Asked, Open, open_requests
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.domain import SPLITS
from unlearning.errors import LetheError, RequestDenied


@dataclass(frozen=True)
class Choice:
    """What becomes of requests. refs: served in one run. The others each with the reason why.

    never: nothing can serve them. waiting: not in this run. lost: nobody can tell what they name.
    """

    refs: tuple[str, ...]
    never: Mapping[str, str]
    waiting: Mapping[str, str]
    lost: Mapping[str, str]

    def problem(self) -> LetheError | None:
        """The first reason why not all are served; None if they are."""
        for ref, why in self.never.items():
            return RequestDenied(f"request {ref}: is denied: {why}")
        for ref, why in self.waiting.items():
            return RequestDenied(f"request {ref}: {why}")
        for why in self.lost.values():
            return KeyMissing(why)
        return None

    @property
    def left(self) -> list[dict[str, str]]:
        """Those that are not served, and why."""
        denied = [{"request": r, "state": "denied", "why": w} for r, w in self.never.items()]
        others = {**self.waiting, **self.lost}
        return denied + [{"request": r, "state": "accepted", "why": w} for r, w in others.items()]


def consider(at: Opened, refs: Sequence[str]) -> Choice:
    """Choose among accepted requests, in the order in which they were recorded; nothing is written.

    References of requests in other states are passed over.
    """
    known = open_requests(at)
    asked = [one for one in known.asked if one.ref in refs and one.state is State.ACCEPTED]
    chosen: list[Asked] = []
    never: dict[str, str] = {}
    waiting: dict[str, str] = {}
    for one in asked:
        if (why := refusal(at, _ids([one]))) is not None:
            never[one.ref] = why
        elif (why := _not_now(at, known, chosen, one)) is not None:
            waiting[one.ref] = why
        else:
            chosen.append(one)
    lost = {ref: why for ref, why in known.lost.items() if ref in refs}
    return Choice(tuple(sorted(one.ref for one in chosen)), never, waiting, lost)


def _not_now(at: Opened, known: Open, chosen: Sequence[Asked], one: Asked) -> str | None:
    if not one.on_hold and not one.all_ids.isdisjoint(known.held):
        holding = [o.ref for o in known.asked if o.on_hold and o.all_ids & one.all_ids]
        return (
            f"names examples that are on hold by {', '.join(holding)}, expected none: it waits; "
            "lift the hold with `lethe resume`, or deny one of them"
        )
    together = refusal(at, _ids([*chosen, one]))
    if together is None:
        return None
    return (
        f"cannot be served together with {', '.join(o.ref for o in chosen)}, recorded before it: "
        f"{together}; serve those alone: this one is decided when it is claimed after them"
    )


def _ids(asked: Sequence[Asked]) -> dict[str, list[str]]:
    return {
        part: sorted(frozenset[str]().union(*(one.ids[part] for one in asked))) for part in SPLITS
    }


def choose(at: Opened, refs: Sequence[str]) -> Choice:
    """Choose, and deny what nothing can serve; an error if that leaves nobody to serve."""
    found = consider(at, refs)
    empty = {one.ref for one in open_requests(at).asked if not one.all_ids}
    for ref, why in found.never.items():
        ground = NOT_FOUND if ref in empty else None
        at.ledger.say(Verb.DENY, ref, reason=why, now=utc_now(), ground=ground)
    problem = found.problem()
    if problem is not None and not found.refs:
        raise problem
    return found


def require_all(at: Opened, refs: Sequence[str]) -> None:
    """Raise the reason why not all of these can be served in one run; what never can is denied."""
    problem = choose(at, refs).problem()
    if problem is not None:
        raise problem
