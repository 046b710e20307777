"""Runs: over which requests one may begin, and that it erases only after it has decided to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ledger.chain import Entry
from ledger.domain import State
from ledger.evidence import COMPLETION
from ledger.replay.purged import CHANGED, LOOKED_AGAIN
from ledger.replay.semantics.asked import IN_RUNS
from ledger.replay.semantics.releases import promoted
from ledger.replay.semantics.standing import History, Run
from ledger.replay.statements import ABORTED, ATTESTED, COMPLETED, SEALED

_AFTER: Mapping[str, str] = {
    "promoted": SEALED,
    "erased": "suppressed",
    "purged": "erased",
    ATTESTED: "purged",
    COMPLETED: ATTESTED,
}
"""Steps that come after another one: nothing serves before its evidence is sealed, nothing is
erased before it is listed, so that it never comes back, or attested before it is gone."""


def started(history: History, entry: Entry) -> Iterator[str]:
    """A run begins over accepted requests that no other run is at."""
    ref, requests = entry.body["run"], tuple(entry.body["requests"])
    if ref in history.runs:
        yield f"run {ref}: was started before"
    if not requests:
        yield f"run {ref}: is over no request"
    for request in requests:
        found = history.requests.get(request)
        if found is None:
            yield f"run {ref}: began over {request}, which was never submitted"
            continue
        if found.state is not State.ACCEPTED:
            yield f"run {ref}: began over {request}, which is {found.state}, expected accepted"
        if run := history.working(request):
            yield f"run {ref}: began over {request}, which is in {run.ref}, unfinished"
        found.run = ref
    history.runs[ref] = Run(ref, requests)
    history.unfinished.add(ref)


def step(history: History, entry: Entry) -> Iterator[str]:
    """A run does a step, in its turn."""
    ref, _, name = entry.key.rpartition("/")
    run = history.run(ref)
    if ABORTED in run.steps and name != "discarded":
        yield f"run {ref}: goes on with {name}, and was aborted"
    if (before := _AFTER.get(name)) and before not in run.steps:
        yield f"run {ref}: {name} comes before {before}"
    if name == "begun":
        run.parent = entry.body.get("parent")
    elif name == "decided":
        run.decision, run.candidate = entry.body.get("decision"), entry.body.get("candidate")
        run.assurance = entry.body.get("assurance")
    elif name == "promoted":
        yield from promoted(history, run, entry)
    elif name == "suppressed" and not run.may_erase:
        yield f"run {ref}: listed what it erases, and has not decided to, or released nothing yet"
    elif name == "purged":
        run.told.append(entry)
        run.looked = False if COMPLETION in entry.body else None
        run.owes_statement = history.attests or COMPLETION in entry.body
    elif name == ATTESTED:
        history.attests = True
        history.ending.add(ref)
    elif name == COMPLETED:
        history.ending.discard(ref)
        yield from _not_all(history, run)
    run.steps.add(name)


def finished(history: History, entry: Entry) -> Iterator[str]:
    """A run ends, and has left no request in the middle."""
    run = history.run(entry.body["run"])
    for ref in run.requests:
        found = history.requests.get(ref)
        if found and found.run == run.ref and found.state in IN_RUNS - {State.PURGING}:
            yield f"run {run.ref}: is finished, and request {ref} is {found.state}"
    if ATTESTED in run.steps:
        yield from _without_end(history, run)
    run.finished = True
    history.unfinished.discard(run.ref)


def told(history: History, entry: Entry) -> Iterator[str]:
    """Something is told of copies of what runs erase; of runs elsewhere nothing is known."""
    named = (*entry.body.get("runs", ()), entry.body.get("run"))
    for ref in (ref for ref in named if isinstance(ref, str) and ref in history.runs):
        run = history.runs[ref]
        run.told.append(entry)
        if run.looked is not None and entry.event in (LOOKED_AGAIN, CHANGED):
            run.looked = entry.event == LOOKED_AGAIN
    yield from ()


def brought(history: History, entry: Entry) -> Iterator[str]:
    """A suppression list comes from another workspace, with the names of its runs."""
    history.brought = True
    yield from ()


def _not_all(history: History, run: Run) -> Iterator[str]:
    for ref in run.requests:
        if history.request(ref).state is not State.COMPLETE:
            yield f"run {run.ref}: attests its end, and request {ref} is not complete"


def _without_end(history: History, by: Run) -> Iterator[str]:
    """Runs whose end is not attested, and has to be: a run that erased looks after all before it
    is finished, so what a command that was killed left undone has been done by then."""
    for ref in sorted(history.ending):
        run = history.runs[ref]
        if all(history.request(one).state is State.COMPLETE for one in run.requests):
            yield f"run {by.ref}: is finished, and the end of {ref}, all complete, is not attested"
            history.ending.discard(ref)  # named once
