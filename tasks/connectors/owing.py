"""What a run's connectors have to be asked for: noted and sealed before anything is erased.

Afterwards nobody could tell any more what the pictures were. It is sealed under the first request's
key, and so unreadable once that request is complete.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger import durable, sealed
from ledger.replay.purged import CONNECTOR, OWED, RECEIPTS
from systems.connectors.contract import Demand
from systems.connectors.places import place_of, require_outside
from systems.copies import Copy, Status
from systems.data import loading
from systems.settings import ownership
from systems.settings.connectors import Connector
from systems.settings.service import load_service
from systems.settings.workspace import Workspace
from tasks.connectors import marks
from tasks.running.opened import Opened
from tasks.running.run import Run
from unlearning.errors import InfrastructureError

SEALED = "asked.sealed"


def check_connectors(at: Opened) -> None:
    """Refuse settings that could not be used; UsageError, PolicyError or InfrastructureError."""
    for one in load_service(at.ws.root).connectors:
        check(at, one)


def check(at: Opened, one: Connector) -> None:
    """Refuse one that lies within what is ours or has no secret, as it is now; errors as above."""
    witnesses = load_service(at.ws.root).witness.at
    remote = at.params.remote.url
    require_outside(one, at.ws, (*witnesses, *([remote] if remote else [])))
    if one.source is not None and not (at.ws.keys / "sources" / f"{one.source}.key").is_file():
        raise InfrastructureError(
            f"connector {one.name}: source {one.source} has no secret, expected one to sign with: "
            f"run `lethe source add {one.source}`"
        )


def problem(at: Opened, one: Connector) -> str:
    """Say what is wrong with a connector, by reaching for it; nothing if nothing is."""
    check(at, one)
    place_of(one, at.ws.keys).reach()
    noted = ownership.place_of(at.ws)
    return COPIED if noted and not noted.here(at.ws) else ""


COPIED = (
    "the workspace was copied or restored, and the original's copies may be there: change "
    "connectors in service.yaml, or, if the original is gone, remove records/place"
)


def owe(run: Run) -> None:
    """Note which connectors this run asks, and seal for what; nothing where there are none."""
    connectors = load_service(run.at.ws.root).connectors
    if connectors and run.done("erased") is None:
        run.once(OWED, lambda: _owe(run, connectors))


def _owe(run: Run, connectors: tuple[Connector, ...]) -> dict[str, Any]:
    ids = run.all_ids()
    images, subjects = loading.leaving(run.at.ws, ids)
    value = {"examples": ids, "subjects": subjects, "images": [digest for _, digest in images]}
    path = sealed_at(run.at.ws, run.ref)
    durable.make_folder(path.parent)
    sealed.seal(path, run.at.ws.keys, run.requests[0], value)
    return {"connectors": [_told(one) for one in connectors]}


def _told(one: Connector) -> dict[str, Any]:
    return {"name": one.name, "kind": one.kind, "address": one.address, "meaning": one.meaning}


def demanded(run: Run) -> Demand:
    """Unseal what a run's connectors are asked for; InfrastructureError where it is lost."""
    value = sealed.unseal(sealed_at(run.at.ws, run.ref), run.at.ws.keys, run.requests[0])
    erased = run.done("erased") or {}
    return Demand(
        run.ref,
        tuple(value["examples"]),
        tuple(value["subjects"]),
        tuple(erased.get("shards") or ()),
        frozenset(value["images"]),
        frozenset(key for key in erased.get("replaced", ()) if not key.endswith(".dir")),
    )


def forget_demands(at: Opened) -> None:
    """Remove what is sealed for requests whose key is destroyed; a crash may have left it."""
    known = sealed.with_key(at.ws.keys)
    for path in (at.ws.records / RECEIPTS).glob(f"*/{SEALED}"):
        if at.ledger.run_requests(path.parent.name)[0] not in known:
            marks.forget(at.ws, path.parent.name)
            durable.remove_file(path, within=at.ws.records)


def sealed_at(ws: Workspace, run: str) -> Path:
    """Where it is sealed what a run's connectors are asked for."""
    return ws.records / RECEIPTS / run / SEALED


def present(at: Opened) -> list[Copy]:
    """List the places outside that a run would ask."""
    what = "copies outside, which are asked for once the data are erased"
    named = load_service(at.ws.root).connectors
    return [Copy(f"{CONNECTOR}{one.name}", what, Status.PRESENT) for one in named]
