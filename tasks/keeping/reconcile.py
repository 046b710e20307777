"""What MLflow serves, held against the log, and whether the stores answer.

The alias can be moved by anybody in MLflow's pages. What the log released last is the truth: a
difference is an alarm, and with `reconcile: revert` in the policy the alias is put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ledger.replay.lineage import Release, blemish, marks, releases
from systems.data.remote.owner import owns
from systems.registry import models
from systems.settings.policy import REVERT, load_policy
from tasks.running.champion import PUT_BACK, put_back, standing
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.versions.held import unregistered
from unlearning.errors import InfrastructureError, IntegrityError, LetheError

DRIFTED, SETTLED = "champion_drifted", "champion_settled"
"""Events of the log: the champion is not what was released; it is again."""


@dataclass(frozen=True)
class Found:
    """What a look at a workspace gave. drift: why the champion must not serve; None if it may.

    unanswered: the stores that do not answer, and why. notes: versions that Lethe did not register,
    which are no alarm as long as none of them serves.
    """

    drift: str | None
    unanswered: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """All that is wrong, in one line each."""
        return [*([self.drift] if self.drift else []), *self.unanswered.values()]


def look(at: Opened) -> Found:
    """Look at champion and stores; nothing is written, so no lock is needed."""
    unanswered = dict(_unanswered(at))
    if "registry" in unanswered:
        return Found(None, unanswered)
    return Found(_drift(at), unanswered, tuple(unregistered(at)))


def _drift(at: Opened) -> str | None:
    try:
        standing(at)
    except IntegrityError as problem:
        return str(problem)
    return None


def _unanswered(at: Opened) -> Iterator[tuple[str, str]]:
    name = at.params.model.name
    stores: dict[str, Callable[[], object]] = {
        "registry": lambda: models.versions(at.ws.mlruns, name),
        "remote": lambda: _reach_remote(at),
    }
    for store, ask in stores.items():
        try:
            ask()
        except LetheError as problem:
            yield store, str(problem)


def _reach_remote(at: Opened) -> None:
    if not owns(at.ws):
        raise InfrastructureError(
            "dvc remote: bears no mark of this workspace, expected its own: see docs/operations.md"
        )


def differs(at: Opened, found: Found) -> bool:
    """Whether the log does not tell yet what was found; then there is something to settle."""
    return bool(found.drift) or _told(at) is not None


def settle(at: Opened) -> dict[str, Any]:
    """Look again, under the lock; log what differs, once each, and put back what policy says."""
    found = look(at)
    done = _settle(at, found) if differs(at, found) else {}
    return {**answer(found), **done}


def answer(found: Found) -> dict[str, Any]:
    """Give what was found as the flow answers it."""
    notes = {"notes": [*found.notes]} if found.notes else {}
    return {"problems": found.problems, **notes}


def _settle(at: Opened, found: Found) -> dict[str, Any]:
    if found.drift is None:
        _record(at, SETTLED, {})
        return {"settled": True}
    body = {"reason": found.drift}
    if _told(at) != body:
        _record(at, DRIFTED, body)
    last = _restorable(at)
    if last is None or load_policy(at.ws.policy).reconcile != REVERT:
        return {"settled": False}
    return {"settled": True, "version": _put_back(at, last)}


def _told(at: Opened) -> dict[str, Any] | None:
    """What the log told last of a drift; None if the champion was as released since."""
    events = (DRIFTED, SETTLED, PUT_BACK)
    last = [entry for entry in at.ledger.log.entries() if entry.event in events][-1:]
    return dict(last[0].body) if last and last[0].event == DRIFTED else None


def _restorable(at: Opened) -> Release | None:
    """The log's last release, if it may serve; a run that is promoting is not interfered with."""
    made = releases(at.ledger.log.entries())
    if not made or at.ledger.unfinished_runs():
        return None
    return None if blemish(made[-1].version, made, marks(at.ledger.log.entries())) else made[-1]


def _put_back(at: Opened, last: Release) -> int:
    served = models.champion(at.ws.mlruns, at.params.model.name)
    put_back(at, last, None if served is None else served.version)
    return last.version


def _record(at: Opened, event: str, body: dict[str, Any]) -> None:
    key = at.ledger.log.next_key("champion")
    at.ledger.record(event, body, key=key, now=utc_now())
