"""The letters on a request and the record of processing: facts from the log, in each language.

Only what the log knows is said: no id of a person, whose name and address the sender adds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ledger.chain import Entry
from ledger.deadlines import day_of
from ledger.domain import State
from ledger.replay.purged import purged_copies
from ledger.replay.statements import ATTESTED, COMPLETED
from ledger.requests.confirming import ASKED, PAUSES
from ledger.requests.grounds import provision
from ledger.requests.splitting import PART_OF
from systems.report.grounds import ground_in_words
from systems.report.letters import (
    ACKNOWLEDGEMENT,
    COMPLETION,
    EXTENSION,
    FOLDER,
    IDENTITY,
    LANGUAGES,
    RECORD,
    REFUSAL,
    UPGRADE,
    written,
)
from systems.settings.mailing import shown
from systems.settings.service import load_service
from tasks.pages.known import Known
from tasks.pages.requests import kept_versions

Row = Mapping[str, Any]


def letters(known: Known, row: Row) -> Iterator[tuple[str, str, str]]:
    """Write each letter that a request has come to: its kind, its language, its text."""
    own = known.at.ws.root / FOLDER
    for kind, facts in _due(known, row, known.of_request.get(str(row["request"]), ())):
        for language in LANGUAGES:
            told = facts | _ground(facts, language) if kind == REFUSAL else facts
            yield kind, language, written(kind, language, told, own if own.is_dir() else None)


def _ground(facts: Row, language: str) -> dict[str, str | None]:
    """Say the ground of a denial; None where its reason alone says why."""
    place = provision(str(facts["ground_name"]), str(facts["law"]))
    return {"ground": ground_in_words(facts["ground_name"], place, language)}


def _due(known: Known, row: Row, entries: Sequence[Entry]) -> Iterator[tuple[str, dict[str, Any]]]:
    law = str(row["jurisdiction"])
    ledger, ref = known.at.ledger, str(row["request"])
    whole = ledger.part_of(ref)
    facts = {
        "request": row["request"],
        "part_of": {"request": whole, "examples": row["examples"]} if whole else None,
        "apart": [{"request": one.ref, "examples": one.examples} for one in ledger.parts(ref)],
        "received_on": _date(row["received_at"], law),
        "due_on": _date(row["due_at"], law),
        "law": law,
        "acknowledge_by": _date(by, law) if (by := row.get("acknowledge_by")) else None,
    }
    if entries and PART_OF not in entries[0].body:  # the request that it is taken from has one
        yield ACKNOWLEDGEMENT, _first(facts, entries)
        if (clock := entries[0].body.get(ASKED)) is not None:
            yield IDENTITY, facts | {"pauses": clock == PAUSES}
    for entry in entries:
        if entry.event == "extended":
            yield EXTENSION, facts | _extended(entry, law)
    if row["state"] == State.DENIED and entries:
        ended = [entry for entry in entries if entry.body.get("state") == State.DENIED][-1]
        said = {"reason": ended.body.get("reason"), "ground_name": ended.body.get("ground")}
        yield REFUSAL, facts | {"ended_on": _date(ended.at, law), **said}
    elif (found := _done(known, row)) is not None:
        yield COMPLETION, facts | found
        if found["upgraded_on"]:
            yield UPGRADE, facts | found


def _first(facts: dict[str, Any], entries: Sequence[Entry]) -> dict[str, Any]:
    """Tell the deadline that was acknowledged, which an extension has moved since."""
    extended = [entry for entry in entries if entry.event == "extended"]
    if not extended:
        return facts
    return facts | {"due_on": _date(extended[0].body["inform_by"], facts["law"])}


def _extended(entry: Entry, law: str) -> dict[str, Any]:
    body = entry.body
    return {
        "first_due_on": _date(body["inform_by"], law),
        "due_on": _date(body["due_at"], law),
        "reason": body.get("reason"),
    }


def _done(known: Known, row: Row) -> dict[str, Any] | None:
    """Tell what came of a request whose erasure is attested; None before."""
    run, law = row["run"], str(row["jurisdiction"])
    attested, completed = known.entry(run, ATTESTED), known.entry(run, COMPLETED)
    ended = row["state"] in (State.PURGING, State.COMPLETE)
    copies = purged_copies(known.entries, run)
    if attested is None or copies is None or not ended:
        return None
    complete = row["state"] == State.COMPLETE
    ref = str(row["request"])
    runs = dict.fromkeys([run, *known.serving.get(ref, ())])
    of_each = [found for one in runs if (found := purged_copies(known.entries, one)) is not None]
    named = dict.fromkeys(
        name for found in of_each for name in (*found["unverified"], *found["remaining"])
    )
    left = [{"what": name, "version": None, "until": None} for name in named]
    left += [
        {"what": None, "version": number, "until": until.date().isoformat()}
        for number, until in sorted({kept for one in runs for kept in kept_versions(known, one)})
    ]
    risen = known.upgraded.get(ref)
    return {
        "upgraded_on": _date(risen.at, law) if risen else None,
        "upgraded_by": risen.body["by"] if risen else None,
        "erased_on": _date(attested.at, law),
        "completed_on": _date(completed.at, law) if completed and complete else None,
        "assurance": known.assurance(run),
        "method": known.step(run, "decided").get("method"),
        "remaining": [] if complete else left,
        "confirmed": list(dict.fromkeys(n for found in of_each for n in found["confirmed"])),
    }


def _date(moment: str, law: str) -> str:
    """Give the day of a moment where the law counts its days."""
    return day_of(datetime.fromisoformat(moment), law).isoformat()


def records(known: Known, rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Write the record of processing: its language, its text."""
    own, at = known.at.ws.root / FOLDER, known.at
    facts = {
        "today": known.now.date().isoformat(),
        "model": at.params.model.name,
        "data_version": _data_version(known),
        "requests": len(rows),
        "states": sorted(Counter(str(row["state"]).replace("_", " ") for row in rows).items()),
        "grounds": sorted(_grounds(known).items()),
        "laws": sorted(Counter(str(row["jurisdiction"]) for row in rows).items()),
        "grace_days": at.params.model.grace_days,
        "witnesses": [shown(url) for url in load_service(at.ws.root).witness.at],
    }
    for language in LANGUAGES:
        yield language, written(RECORD, language, facts, own if own.is_dir() else None)


def _grounds(known: Known) -> Counter[str]:
    """Count the denials by their ground, those of before grounds were named left out."""
    denied = (e.body for e in known.entries if e.body.get("state") == State.DENIED)
    return Counter(str(body["ground"]) for body in denied if "ground" in body)


def _data_version(known: Known) -> str:
    """Give the data version of now by the log: the first, or what the last erasure made."""
    told = "unknown"
    for entry in known.entries:
        if entry.key == "initialised":
            told = str(entry.body.get("data_version"))
        elif entry.key.endswith("/erased") and entry.event == "step":
            told = str(entry.body.get("new_version", told))
    return told
