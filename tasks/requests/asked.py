"""What the open requests ask for: nothing is trained on it, whoever the training is for.

From its acceptance on a request's examples are restricted (GDPR Art. 18). A restriction yields to
the rights of others (Art. 18(2)) where it would keep everybody from being served: if it would leave
nothing to learn from beside what is forgotten and what earlier requests ask for, or if a request
that cannot be served now, because it or what it names is held or it waits for a person's approval,
would cost the model a class.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ledger.domain import State
from ledger.requests.confirming import unconfirmed_among
from systems.data import resolving, versions
from systems.data.sharding import load_manifest
from systems.settings.workspace import Workspace
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.domain import SPLITS, TRAIN


@dataclass(frozen=True)
class Asked:
    """An open request and the ids that it selects, by split: personal data.

    unconfirmed: it waits until it is confirmed who asks.
    """

    ref: str
    state: State
    ids: Mapping[str, frozenset[str]]
    unconfirmed: bool = False

    @property
    def on_hold(self) -> bool:
        """Whether nobody may erase them; what only waits to be confirmed holds up nobody."""
        return self.state is State.HELD and not self.unconfirmed

    @property
    def all_ids(self) -> frozenset[str]:
        """Its ids of all splits."""
        return frozenset[str]().union(*self.ids.values())


@dataclass(frozen=True)
class Open:
    """The open requests in the order in which they were recorded. lost: those nobody can read."""

    asked: tuple[Asked, ...]
    lost: Mapping[str, str]

    @property
    def held(self) -> frozenset[str]:
        """The examples of requests on hold: nobody's run may erase them."""
        held = (one.all_ids for one in self.asked if one.on_hold)
        return frozenset[str]().union(*held)


@dataclass(frozen=True)
class Restriction:
    """What a training leaves out. out: requests with their examples; yielding: others, by ref."""

    out: tuple[Asked, ...]
    yielding: tuple[str, ...]

    @property
    def ids(self) -> frozenset[str]:
        """The training examples that are left out."""
        return frozenset[str]().union(*(one.ids[TRAIN] for one in self.out))


def open_requests(at: Opened) -> Open:
    """Find what every open request asks for; read once as long as they are the same."""
    known = [r for r in at.ledger.requests(None, utc_now()) if not r.state.terminal]
    states = {request.ref: request.state for request in known}
    asked_of = (versions.data_version(at.ws), states)
    kept = at.kept.get("open requests")
    if kept is None or kept[0] != asked_of:
        at.kept["open requests"] = kept = (asked_of, _open(at, states))
    found: Open = kept[1]
    return found


def _open(at: Opened, states: Mapping[str, State]) -> Open:
    entries = at.ledger.log.entries()
    recorded = [e.body["request"] for e in entries if e.event == "submitted"]
    waits = unconfirmed_among(entries)
    refs = [ref for ref in recorded if ref in states]
    lost = {ref: why for ref in refs if (why := at.ledger.lost(ref)) is not None}
    read = [ref for ref in refs if ref not in lost]
    found = resolving.resolve_all(at.ws, [at.ledger.selector(ref) for ref in read])
    ids = [{part: frozenset(getattr(one, part)) for part in SPLITS} for one in found]
    pairs = zip(read, ids, strict=True)
    return Open(tuple(Asked(ref, states[ref], parts, ref in waits) for ref, parts in pairs), lost)


def restriction(
    at: Opened, forgotten: Collection[str] = (), firm: Collection[str] = ()
) -> Restriction:
    """Say what a training without these examples leaves out of what open requests ask for.

    firm: requests that were left out when the run began, and so are to its end.
    """
    known, without = open_requests(at), frozenset(forgotten)
    out: list[Asked] = []
    yielding: list[str] = []
    gone = without
    for one in known.asked:
        more = gone | one.ids[TRAIN]
        if one.ref not in firm and more != gone and _yields(at.ws, one, known.held, without, more):
            yielding.append(one.ref)
        else:
            out, gone = [*out, one], more
    return Restriction(tuple(out), tuple(yielding))


def _yields(
    ws: Workspace, one: Asked, held: frozenset[str], forgotten: frozenset[str], gone: frozenset[str]
) -> bool:
    if resolving.classes_left(ws, gone) < 2:
        return True
    waits = one.state is State.AWAITING_APPROVAL or not one.all_ids.isdisjoint(held)
    waits = waits or one.unconfirmed
    return waits and bool(classes_lost(ws, forgotten, gone))


def restricted_ids(
    at: Opened, forgotten: Collection[str] = (), firm: Collection[str] = ()
) -> list[str]:
    """Give the training examples that nothing may be trained on, as `restriction`; personal data.

    forgotten: what is left out in any case.
    """
    return sorted(restriction(at, forgotten, firm).ids)


def classes_lost(ws: Workspace, forgotten: Collection[str], gone: Collection[str]) -> set[int]:
    """Give the classes that `forgotten` leaves examples of, and `gone`, which holds it, does not.

    Both are training examples.
    """
    counts = [n for n in load_manifest(ws).counts.get(TRAIN, {}).values() if n]
    if len(gone) < min(counts, default=0):
        return set()
    kept, out = frozenset(forgotten), frozenset(gone)
    stay = [(e, label) for e, label in resolving.trained(ws) if e not in kept]
    return {label for _, label in stay} - {label for e, label in stay if e not in out}
