"""Ask the places outside until each has shown that nothing is left; every line has its receipt.

Whatever goes wrong keeps the line open, and the request `purging`. It is asked again later, each
time after twice as long, a day at most; `lethe purge REQUEST` asks at once.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from ledger import durable
from ledger.domain import State
from ledger.errors import KeyMissing, SelectorMissing
from ledger.replay.purged import (
    ASKED,
    CONNECTOR,
    OWED,
    RECEIPTS,
    connected,
    open_rows,
    receipt_file,
    receipts,
)
from systems.connectors.contract import Outcome
from systems.connectors.places import place_of
from systems.copies import Copy, Status
from systems.settings.connectors import Connector
from systems.settings.ownership import mark_place
from systems.settings.service import load_service
from tasks.connectors import marks
from tasks.connectors.owing import COPIED, check, demanded
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from unlearning.digests import canonical_json, sha256_hex
from unlearning.errors import InfrastructureError, IntegrityError, LetheError

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(days=1)
WHAT = "copies of what was erased"


def ask_all(run: Run) -> list[Copy]:
    """Ask every connector that the run owes; a copy for each, whatever came of it."""
    owed = (run.done(OWED) or {}).get("connectors", ())
    return [_ask(run, one) for one in owed]


def ask_again(at: Opened, runs: Iterable[str], now: datetime) -> None:
    """Ask those that are due again, and log what changed."""
    for ref in sorted(runs):
        run = Run(at, ref)
        owed = {one["name"]: one for one in (run.done(OWED) or {}).get("connectors", ())}
        for row in _open_rows(at, ref):
            name = row["where"].removeprefix(CONNECTOR)
            if _due(at, ref, name, now):
                _log(run, row, _ask(run, owed[name]))


def ask_gone(run: Run) -> list[Copy]:
    """Ask once more those that have shown that nothing is left; give those that now say otherwise.

    Once the first request is complete nobody can tell any more what to ask for.
    """
    if run.at.ledger.request(run.requests[0]).state is State.COMPLETE:
        return []
    owed = {one["name"]: one for one in (run.done(OWED) or {}).get("connectors", ())}
    found = []
    for row in connected(run.at.ledger.log.entries(), run.ref):
        if row["status"] == Status.REMOVED:
            copy = _ask(run, owed[row["where"].removeprefix(CONNECTOR)])
            _log(run, row, copy)
            found += [] if copy.gone else [copy]
    return found


def open_lines(at: Opened, run: str | None) -> list[Copy]:
    """List the copies that connectors have not shown to be gone, and that nobody can confirm."""
    return [
        Copy(row["where"], row["what"], Status(row["status"]), row.get("why"), row.get("until"))
        for row in _open_rows(at, run)
        if row["status"] != Status.UNVERIFIED
    ]


def due_runs(at: Opened, now: datetime) -> list[str]:
    """Name the runs that have a connector to be asked again by now."""
    purging = (r.run for r in at.ledger.requests(None, now) if r.state is State.PURGING)
    runs = sorted({run for run in purging if run})
    return [run for run in runs if any(_is_due(at, run, row, now) for row in _open_rows(at, run))]


def at_once(at: Opened, run: str | None) -> None:
    """Let all of a run's connectors be due now, since a person asks."""
    if run is not None:
        durable.remove_file(_tries_file(at, run), within=at.ws.artifacts)


def _is_due(at: Opened, run: str, row: Mapping[str, Any], now: datetime) -> bool:
    return _due(at, run, row["where"].removeprefix(CONNECTOR), now)


def _open_rows(at: Opened, run: str | None) -> list[Mapping[str, Any]]:
    rows = open_rows(at.ledger.log.entries(), run)
    return [row for row in rows if row["where"].startswith(CONNECTOR)]


def _log(run: Run, before: Mapping[str, Any], copy: Copy) -> None:
    after = copy.as_record()
    if after != before:
        key = run.at.ledger.log.next_key(f"{run.ref}/{ASKED}")
        body = {"run": run.ref, "copies": [after]}
        run.at.ledger.record(ASKED, body, key=key, now=utc_now())


def _ask(run: Run, owed: Mapping[str, Any]) -> Copy:
    run.at.ledger.log.require_alone()  # the one before may have taken its time
    outcome = _outcome(run, owed)
    name, until = str(owed["name"]), outcome.until.isoformat() if outcome.until else None
    receipt = None
    if outcome.status is Status.REMOVED:
        receipt = _keep(run, name, outcome)
    _note_try(run.at, run.ref, name, outcome)
    return Copy(f"{CONNECTOR}{name}", WHAT, outcome.status, outcome.why, until, receipt)


def _outcome(run: Run, owed: Mapping[str, Any]) -> Outcome:
    """Ask one, once; what hinders it is an outcome too."""
    named = {one.name: one for one in load_service(run.at.ws.root).connectors}
    settings = named.get(str(owed["name"]))
    if settings is None or settings.address != owed["address"]:
        return Outcome(Status.UNVERIFIED, "service.yaml no longer names this place: look there")
    if changed := _changed(settings, owed):
        why = f"service.yaml has other {changed} than when this was owed: put that back, or look"
        return Outcome(Status.UNVERIFIED, f"{why} there")
    if not mark_place(run.at.ws).here(run.at.ws):
        return Outcome(Status.REMAINS, COPIED)
    try:
        check(run.at, settings)
        place, demand = place_of(settings, run.at.ws.keys), demanded(run)
        seen = marks.noted(run.at.ws, run.ref, settings.name, place.mark())
        return place.remove(replace(demand, seen=seen))
    except (KeyMissing, SelectorMissing):
        why = "what it is to be asked for is lost with its key or file: look there"
        return Outcome(Status.UNVERIFIED, why)
    except IntegrityError:
        raise
    except LetheError as problem:
        return Outcome(Status.REMAINS, str(problem))
    except Exception as problem:  # noqa: BLE001  # its words may hold an id
        return Outcome(Status.REMAINS, f"it could not be asked ({type(problem).__name__})")


def _changed(settings: Connector, owed: Mapping[str, Any]) -> str:
    """Name the settings by which something else would be looked for than what is owed."""
    noted = owed.get("meaning", {})
    return ", ".join(key for key, now in settings.meaning.items() if noted.get(key) != now)


def _keep(run: Run, name: str, outcome: Outcome) -> str:
    """Write the receipt, and give the SHA-256 that the log will tell; it names nobody.

    One that the log tells of stays, and the next has a file of its own.
    """
    receipt = {
        "run": run.ref,
        "connector": name,
        "status": "gone",
        "looked": outcome.looked,
        "removed": outcome.removed,
        "at": utc_now().isoformat(),
        "nonce": secrets.token_hex(16),
        **outcome.answer,
    }
    content = canonical_json(receipt)
    folder = run.at.ws.records / RECEIPTS / run.ref
    durable.make_folder(folder)
    told = {file for ref, file, _ in receipts(run.at.ledger.log.entries()) if ref == run.ref}
    files = (receipt_file(name, number) for number in count(1))
    durable.write(folder / next(file for file in files if file not in told), content)
    return sha256_hex(content)


def _tries_file(at: Opened, run: str) -> Path:
    return at.ws.artifacts / f"asked-{run}.json"


def _tries(at: Opened, run: str) -> dict[str, dict[str, Any]]:
    """How often each was asked in vain, and when it is next; nothing where that is lost."""
    path = _tries_file(at, run)
    try:
        found: dict[str, dict[str, Any]] = json.loads(durable.read(path)) if path.exists() else {}
    except (ValueError, InfrastructureError):
        return {}
    return found


def _due(at: Opened, run: str, name: str, now: datetime) -> bool:
    told = _tries(at, run).get(name)
    return told is None or datetime.fromisoformat(told["next"]) <= now


def _note_try(at: Opened, run: str, name: str, outcome: Outcome) -> None:
    known = _tries(at, run)
    tries = known.pop(name, {"tries": 0})["tries"] + 1
    if outcome.status is not Status.REMOVED:
        later = utc_now() + min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE)
        after = max(later, outcome.until) if outcome.until else later
        known[name] = {"tries": tries, "next": after.isoformat()}
    if known:
        durable.write(_tries_file(at, run), canonical_json(known))
    else:
        durable.remove_file(_tries_file(at, run), within=at.ws.artifacts)
