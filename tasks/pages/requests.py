"""The board of requests, and the page of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ledger.chain import Entry
from ledger.domain import State
from ledger.replay.lineage import taints
from ledger.replay.purged import purged_copies, rows_of
from ledger.replay.statements import ATTESTED, COMPLETED
from ledger.requests.identity import identity_in_words
from tasks.pages.known import Known, day, link, page_of_entry

SOON = 7
"""Days before its deadline from which a request is counted as due soon."""

HEADER = ("Request", "State", "Due", "Days left", "Law", "Examples", "Note")
Row = Mapping[str, Any]


def board(rows: Sequence[Row], upgraded: Mapping[str, Entry] | None = None) -> dict[str, Any]:
    """Lay out requests as `lethe list requests` gives them, the earliest deadline first.

    upgraded: the entry by which a request's assurance has risen.
    """
    risen = upgraded or {}
    rows = [{**row, "risen": _risen(risen.get(str(row["request"])))} for row in rows]
    open_ = [row for row in rows if row["days_left"] is not None]
    ended = [row for row in rows if row["days_left"] is None]
    counts = {
        "open": len(open_),
        "late": sum(row["days_left"] < 0 for row in open_),
        "soon": sum(0 <= row["days_left"] < SOON for row in open_),
        "days": SOON,
        "ended": len(ended),
    }
    lines = {"open": [*map(_line, open_)], "ended": [*map(_line, ended)]}
    return {"header": HEADER, "counts": counts, **lines}


def _line(row: Row) -> list[object]:
    days = row["days_left"]
    left = "overdue" if days is not None and days < 0 else days
    said = [row[key] for key in ("reason", "waits_for", "risen") if row.get(key)]
    page = link(row["request"], f"requests/{row['request']}.html")
    state = str(row["state"]).replace("_", " ")
    facts = (row["jurisdiction"], row["examples"], "; ".join(said))
    return [page, state, day(row["due_at"]), left, *facts]


def _risen(entry: Entry | None) -> str | None:
    """Say that what is assured has risen, since when, and by which run's release."""
    if entry is None:
        return None
    body = entry.body
    return f"{body['assurance']} since {day(entry.at)} by {body['by']}, {body['from']} before"


def page_of(known: Known, row: Row, reports: Mapping[str, str]) -> dict[str, Any]:
    """Lay out one request. reports: the page of each run that has one."""
    ref, runs = str(row["request"]), list(dict.fromkeys(known.runs.get(str(row["request"]), ())))
    risen = _risen(known.upgraded.get(ref))
    waited_for = dict.fromkeys([*runs, *known.serving.get(ref, ())])
    return {
        "ref": ref,
        "known": [
            ("State", str(row["state"]).replace("_", " ")),
            ("Received", day(row["received_at"])),
            ("Due", day(row["due_at"])),
            ("Days left", row["days_left"]),
            *_to_confirm(row),
            ("Law", row["jurisdiction"]),
            ("Examples", row["examples"]),
            *_cut(known, ref),
            ("Who asks was confirmed", _confirmed(known, ref)),
            *([("Assurance", risen)] if risen else []),
        ],
        "history": [_happened(entry) for entry in known.of_request.get(ref, ())],
        "runs": [_run(known, run, reports) for run in runs],
        "copies": [copy for run in waited_for for copy in copies_of(known, run)],
    }


def _to_confirm(row: Row) -> list[tuple[str, str | None]]:
    by = row.get("acknowledge_by")
    return [("Receipt to be confirmed by", day(by))] if by else []


def _cut(known: Known, ref: str) -> Iterator[tuple[str, object]]:
    """Say of which request it is a part, and which parts were taken from it."""
    if (whole := known.at.ledger.part_of(ref)) is not None:
        yield "Part of", link(whole, f"{whole}.html")
    for part in known.at.ledger.parts(ref):
        words = f"{part.ref}: {part.examples}, {part.state}"
        yield "Apart from it", link(words, f"{part.ref}.html")


def _confirmed(known: Known, ref: str) -> str | None:
    """Say how and by which system it was confirmed who asks."""
    found = known.at.ledger.identity(ref)
    return identity_in_words(found) if found else None


def _happened(entry: Entry) -> list[object]:
    body = entry.body
    said = [str(body[key]) for key in ("ground", "reason", "answer", "reviewer") if body.get(key)]
    seq = page_of_entry(entry.seq, "../")
    what = str(entry.event).replace("_", " ")
    return [day(entry.at), what, str(body.get("state", "")).replace("_", " "), "; ".join(said), seq]


def _run(known: Known, run: str, reports: Mapping[str, str]) -> list[object]:
    decided = known.step(run, "decided")
    ends = [known.entry(run, step) for step in ("decided", ATTESTED, COMPLETED)]
    page = link("report", f"../{reports[run]}") if run in reports else None
    level = known.step(run, ATTESTED).get("assurance", decided.get("assurance"))
    times = [None if end is None else day(end.at) for end in ends]
    return [run, decided.get("decision", "not decided yet"), level, *times, page]


def copies_of(known: Known, run: str) -> Iterator[list[object]]:
    """Tell of a run's copies by what is known of them; those seen gone are counted by place."""
    found = purged_copies(known.entries, run)
    if found is None:
        return
    gone: dict[str, int] = {}
    for row in rows_of(known.entries, run):
        if row.get("status") == "removed":
            gone[str(row["where"])] = gone.get(str(row["where"]), 0) + 1
    told = [("removed", f"{where}: {n}") for where, n in gone.items()]
    told += [(s, name) for s in ("confirmed", "unverified", "remaining") for name in found[s]]
    for status, name in told:
        yield [status, name, None]
    for number, until in kept_versions(known, run):
        yield ["kept", f"weights of version {number}", f"{until:%Y-%m-%d}"]


def kept_versions(known: Known, run: str | None) -> Iterator[tuple[int, datetime]]:
    """Name the versions that learned from a run's examples, and until when each is kept."""
    for number in sorted({release.version for release in known.made}):
        by = taints(number, known.made)
        if any(release.run == run for release in by):
            until = _kept_until(known, [str(release.run) for release in by], by[0].at)
            if until > known.now:
                yield number, until


def _kept_until(known: Known, runs: Sequence[str], first: datetime) -> datetime:
    """As the purge reckons: grace from the first taint on, at most until a deadline."""
    grace = first + timedelta(days=known.at.params.model.grace_days)
    found = known.at.ledger.requests(None, known.now)
    purging = [r for r in found if r.state is State.PURGING]
    serving = {r.ref: {r.run, *known.serving.get(r.ref, ())} for r in purging}
    return min([grace, *(r.due_at for r in purging if not serving[r.ref].isdisjoint(runs))])
