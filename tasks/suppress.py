"""Before the examples go, they are listed, so that they are never taken in again (I7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ledger import suppression
from ledger.domain import Selector, State
from systems.data import loading, resolving
from systems.data.alike.erased import likenesses
from systems.data.texts import look
from tasks.requests.asked import open_requests
from tasks.running.records import utc_now
from tasks.running.run import Run


def suppress_examples(run: Run) -> dict[str, Any]:
    """List what goes, before it is gone (I7); other requests for no more than that go with it."""
    run.move(State.PURGING)
    body = run.once("suppressed", lambda: _suppress(run))
    _list_again(run, body)
    in_runs = {ref for refs in run.at.ledger.unfinished_runs().values() for ref in refs}
    for ref in body.get("covers", ()):
        if ref in in_runs or run.at.ledger.request(ref).state is not State.ACCEPTED:
            continue  # linked already, in another run, or denied or held since
        run.at.ledger.link(ref, run.ref, now=utc_now())
    return body


def _suppress(run: Run) -> dict[str, Any]:
    ws, covers = run.at.ws, _covered(run)
    added, plain = _listed(run, covers, None)
    return {
        "added": added,
        "without_likeness": plain,
        "sha256": suppression.digest(ws.records),
        "covers": covers,
    }


def _listed(run: Run, covers: Sequence[str], version: str | None) -> tuple[int, int]:
    """List what the run erases; give the new lines, and the pictures without a likeness.

    covers: other requests, for no more than that. version: where to look instead of in data/, of
    which some may be gone.
    """
    ws = run.at.ws
    pictures, plain = likenesses(ws, run.all_ids(), version)
    values = _values(run, covers, version)
    return suppression.add(ws.records, ws.keys, values, run=run.ref, pictures=pictures), plain


def _values(run: Run, covers: Sequence[str], version: str | None) -> list[tuple[str, str]]:
    """What the run lists beside likenesses. covers, version: as in `_listed`."""
    ledger = run.at.ledger
    images, subjects = loading.leaving(run.at.ws, run.all_ids(), version)
    values = [value for example in images for value in suppression.example_values(*example)]
    values += suppression.subject_values(subjects)
    for ref in (*run.requests, *covers):
        if not ledger.request(ref).state.terminal:  # one that goes along may have been denied since
            values += _asked_for(run, ledger.selector(ref), version)
    return values + suppression.looks(values, look)


def _list_again(run: Run, listed: Mapping[str, Any]) -> None:
    """Put back on the list what the run had put there, where an older list was put in its place.

    What other runs had listed before cannot be made again: `check_standing` has refused a list
    without it.
    """
    ws = run.at.ws
    if suppression.digest(ws.records) == listed["sha256"] or run.done("erased"):
        return
    version = str((run.done("extracted") or {})["data_version"])
    _listed(run, listed.get("covers", ()), version)
    run.erases()  # it is the same list again, or an alarm


def _asked_for(run: Run, selector: Selector, version: str | None) -> list[tuple[str, str]]:
    """What a class or an attribute is known by; ids are listed where they belonged to something.

    Of a request that was cut in two only what nothing is left of: the other part may be held.
    """
    if selector.kind == "example":
        return []
    if not (selector.only or selector.without):
        return suppression.named_values(selector)
    each = [Selector(selector.kind, (value,), selector.column) for value in selector.values]
    earlier = resolving.resolve_earlier(run.at.ws, version, each) if version else None
    found = earlier or resolving.resolve_all(run.at.ws, each)
    going = frozenset(run.all_ids())
    gone = (one for one, named in zip(each, found, strict=True) if going.issuperset(named.ids))
    return [value for one in gone for value in suppression.named_values(one)]


def _covered(run: Run) -> list[str]:
    """The open requests that ask for nothing but what this run erases.

    Those in another run, or that wait to be confirmed, go with this one once they are tried.
    """
    erased = set(run.all_ids())
    others = (a for a in open_requests(run.at).asked if a.ref not in run.requests and a.all_ids)
    return [one.ref for one in others if one.all_ids <= erased]
