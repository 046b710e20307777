"""Requests: how one may begin, where it may go from where it stands, and by which day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ledger.chain import Entry
from ledger.clock import come_to
from ledger.deadlines import HOURS, bounds, profile_of
from ledger.domain import JUDGED_WITH, NEXT, State
from ledger.replay.semantics.standing import ERASING, History, Request
from ledger.replay.statements import ATTESTED
from ledger.requests.book import part_of
from ledger.requests.confirming import ASKED, EXTENDED, PAUSES, STOOD
from ledger.requests.grounds import provision
from ledger.requests.splitting import PART_OF, REST, SPLIT
from ledger.requests.verbs import VERBS, Verb

BEGINNINGS = frozenset({State.RECEIVED, State.ACCEPTED, State.DENIED, State.HELD, State.PURGING})
"""As what a request may be submitted."""

IN_RUNS = frozenset(
    {
        *(State.EXTRACTING, State.UNLEARNING, State.JUDGING, State.AWAITING_APPROVAL),
        *(State.PROMOTING, State.PURGING),
    }
)
"""What a request may become only while a run is at it."""

_BY_PERSONS = frozenset({State.DENIED, State.HELD})
"""What a request becomes, or ceases to be, only by a verb or a confirmation."""

_VERBS = {VERBS[verb].event: (verb, VERBS[verb]) for verb in Verb}


def submitted(history: History, entry: Entry) -> Iterator[str]:
    """A request begins, once, due on a day that its law counts."""
    body, ref = entry.body, entry.body["request"]
    received = datetime.fromisoformat(body["received_at"])
    whole = history.requests.get(body.get(PART_OF) or "")
    since = whole.since if whole else entry.seq
    found = Request(State(body["state"]), received, body["jurisdiction"], body.get("run"), since)
    if ref in history.requests:
        yield f"request {ref}: was submitted before"
    if found.state not in BEGINNINGS:
        yield f"request {ref}: begins as {found.state}"
    if found.state is State.PURGING and not history.erased(found.run, "suppressed"):
        yield f"request {ref}: goes with a run that has erased nothing"
    if body.get("commitment") and received > datetime.fromisoformat(entry.at):
        yield f"request {ref}: was received at {body['received_at']}, after it was submitted"
    if {PART_OF, JUDGED_WITH, REST} & body.keys():
        yield from _part(history, ref, found, body)
    else:
        yield from _on_a_day(ref, body["due_at"], found, received, extended=False)
    if body.get(ASKED) == PAUSES:
        found.stands_since = datetime.fromisoformat(entry.at)
        if not profile_of(found.jurisdiction).pauses:
            yield f"request {ref}: {found.jurisdiction} does not let the clock pause"
    found.unconfirmed, found.confirmed = ASKED in body, "identity" in body
    found.question = "question" in body
    if found.unconfirmed and (found.state is not State.HELD or found.confirmed):
        yield f"request {ref}: is asked who it is from, expected held until that is confirmed"
    yield from _on_a_ground(ref, found, found.state, body)
    yield from _taking_the_place(history, ref, found, body)
    history.requests[ref] = found


def moved(history: History, entry: Entry) -> Iterator[str]:
    """A request goes on, as the table of states has it, and for that which it says."""
    ref, state = entry.body["request"], State(entry.body["state"])
    found = history.request(ref)
    if state not in NEXT[found.state]:
        expected = ", ".join(sorted(NEXT[found.state])) or "nothing, it is closed"
        yield f"request {ref}: is {found.state}, cannot become {state}: expected {expected}"
    if {found.state, state} & _BY_PERSONS:
        yield f"request {ref}: is {found.state}, became {state}, and nobody said so"
    if (found.state, state) == (State.PURGING, State.ACCEPTED):
        yield from _listed(history, ref, found)
    if state is State.COMPLETE:
        yield from _incomplete(history, ref, found)
    elif state in IN_RUNS:
        yield from _unserved(history, ref, state)
    found.state = state


def linked(history: History, entry: Entry) -> Iterator[str]:
    """A request goes with the run that has listed what it names as erased."""
    body, ref = entry.body, entry.body["request"]
    found, state = history.request(ref), State(body["state"])
    if state is not State.PURGING or state not in NEXT[found.state]:
        yield f"request {ref}: is {found.state}, cannot go with a run as {state}"
    if not history.erased(body["run"], "suppressed"):
        yield f"request {ref}: goes with a run that has erased nothing"
    found.state, found.run = state, body["run"]


def said(history: History, entry: Entry) -> Iterator[str]:
    """A person denies, holds or resumes a request that no run is at."""
    (verb, rule), ref = _VERBS[entry.event], entry.body["request"]
    found, state = history.request(ref), State(entry.body["state"])
    if found.state not in rule.states or state is not rule.to:
        yield (
            f"request {ref}: is {found.state}, {verb} makes it {state}: expected {rule.to} of one "
            f"that is {', '.join(sorted(rule.states))}"
        )
    if verb is Verb.RESUME and found.unconfirmed:
        yield f"request {ref}: goes on, and nobody has confirmed who asks"
    if run := history.working(ref):
        yield f"request {ref}: is in run {run.ref}, expected one that no run works on"
    yield from _on_a_ground(ref, found, state, entry.body)
    found.state = state


def confirmed(history: History, entry: Entry) -> Iterator[str]:
    """It is confirmed who asks: what waited for that goes on, its deadline by what it waited."""
    body, ref, at = entry.body, entry.body["request"], datetime.fromisoformat(entry.at)
    found, state = history.request(ref), State(body.get("state", history.request(ref).state))
    if found.state.terminal or (state is not found.state and found.state is not State.HELD):
        yield f"request {ref}: is {found.state}, cannot become {state} by a confirmation"
    if "state" in body and not found.unconfirmed:
        yield f"request {ref}: becomes {state} by a confirmation, and did not wait for one"
    if found.confirmed:
        yield f"request {ref}: is confirmed, and was confirmed before"
    expected = State.HELD if found.question else State.ACCEPTED
    if found.unconfirmed and body.get("state") != expected:
        yield f"request {ref}: waited to be confirmed, expected {expected} from then on"
    since = found.counted_from(at)
    if "due_at" in body:
        yield from _on_a_day(ref, body["due_at"], found, since, extended=found.extended)
    found.confirmed = True
    yield from _taking_the_place(history, ref, found, body)
    found.state, found.stood, found.stands_since = state, since - found.received_at, None
    found.unconfirmed = False


def extended(history: History, entry: Entry) -> Iterator[str]:
    """A deadline is moved once, inside the first period, to the law's longest."""
    body, ref = entry.body, entry.body["request"]
    found = history.request(ref)
    since = found.counted_from(datetime.fromisoformat(entry.at))
    first = bounds(since, found.jurisdiction)
    if found.state not in VERBS[Verb.EXTEND].states:
        yield f"request {ref}: is {found.state}, expected an open one to extend"
    moment = come_to(history.turns, found.since, datetime.fromisoformat(entry.at))
    if moment > first[1]:
        yield (
            f"request {ref}: was extended at {moment.isoformat()}, expected by "
            f"{first[1].isoformat()}: the first time limit was over"
        )
    if found.extended:
        yield f"request {ref}: was extended before, the law knows no second extension"
    yield from _on_a_day(ref, body["due_at"], found, since, extended=True)
    if "inform_by" in body:
        yield from _on_a_day(ref, body["inform_by"], found, since, extended=False)
    found.extended = True


def _on_a_day(
    ref: str, got: str, found: Request, since: datetime, *, extended: bool
) -> Iterator[str]:
    earliest, latest = bounds(since, found.jurisdiction, extended=extended)
    if not earliest <= datetime.fromisoformat(got) <= latest:
        limit, day = "longest" if extended else "first", (earliest + HOURS).date().isoformat()
        yield (
            f"request {ref}: is due at {got}, received at {found.received_at.isoformat()} expected "
            f"the {limit} limit of {found.jurisdiction}, {day} or the next working day"
        )


def _on_a_ground(
    ref: str, found: Request, state: State, body: Mapping[str, object]
) -> Iterator[str]:
    if "ground" in body and provision(str(body["ground"]), found.jurisdiction) is None:
        yield f"request {ref}: is {state} on a ground that {found.jurisdiction} does not know"


def _part(history: History, ref: str, found: Request, body: Mapping[str, Any]) -> Iterator[str]:
    """Why it cannot be a part of another: held, of one that waits, with that one's deadline."""
    name = str(body.get(PART_OF))
    whole = history.request(name)
    whole.parts += 1
    if ref != (wanted := part_of(name, whole.parts)) or REST not in body:
        yield f"request {ref}: is a part of {name}, expected {wanted}, and what is left"
    if found.state is not State.HELD:
        yield f"request {ref}: is a part of {name} and begins as {found.state}, expected held"
    if whole.state not in SPLIT or whole.unconfirmed:
        yield f"request {ref}: is a part of {name}, which is {whole.state}, expected one that waits"
    if run := history.working(name):
        yield f"request {ref}: is a part of {name}, which is in run {run.ref}"
    if (judged := body.get(JUDGED_WITH, name)) != name:
        yield f"request {ref}: is a part of {name}, and was judged with {judged}"
    if ("identity" in body) != whole.confirmed or {ASKED, "same"} & body.keys() or found.run:
        yield f"request {ref}: is a part of {name}, and says of itself what that one does not"
    if REST in body and min(int(body["examples"]), int(body[REST]["examples"])) < 1:
        yield f"request {ref}: is a part of {name}, expected some of its examples and not all"
    since = whole.received_at + whole.stood
    told = (found.received_at, found.jurisdiction, body.get(STOOD, 0), body.get(EXTENDED, False))
    stood = int(whole.stood.total_seconds())
    if told != (whole.received_at, whole.jurisdiction, stood, whole.extended):
        yield f"request {ref}: is a part of {name}, and was received at another time or law"
    found.extended, found.stood = whole.extended, whole.stood
    yield from _on_a_day(ref, body["due_at"], found, since, extended=whole.extended)


def _taking_the_place(
    history: History, ref: str, found: Request, body: Mapping[str, Any]
) -> Iterator[str]:
    """Why others cannot go with a request from now on: only those that wait, unconfirmed."""
    for name in body.get("same", {}):
        other = history.request(name)
        if not found.confirmed or other is found or other.confirmed:
            yield f"request {ref}: takes the place of {name}, and was not confirmed before it"
        if other.state is not State.ACCEPTED:
            yield f"request {ref}: takes the place of {name}, which is {other.state}"


def _unserved(history: History, ref: str, state: State) -> Iterator[str]:
    """Why no run can have taken a request to this state."""
    run = history.working(ref)
    if run is None:
        yield f"request {ref}: became {state}, and no run works on it"
    elif state is State.PROMOTING and run.decision != "released":
        yield f"request {ref}: became {state}, and {run.ref} has not decided to release"
    elif state is State.PURGING and run.decision not in ERASING:
        yield f"request {ref}: became {state}, and {run.ref} has not decided to erase"
    elif state is State.PURGING and not run.may_erase:
        yield f"request {ref}: became {state}, and {run.ref} has not released its candidate"


def _listed(history: History, ref: str, found: Request) -> Iterator[str]:
    """Why a request cannot wait again."""
    run = history.runs.get(found.run or "")
    if run and "suppressed" in run.steps:
        yield f"request {ref}: waits again, and {run.ref} has listed what it names as erased"


def _incomplete(history: History, ref: str, found: Request) -> Iterator[str]:
    """Why a request cannot be complete."""
    run = history.runs.get(found.run or "")
    if not history.erased(found.run, "purged"):
        yield f"request {ref}: became complete, and no run has purged what it names"
    elif run is not None and run.owes_statement and ATTESTED not in run.steps:
        yield f"request {ref}: became complete, and the erasure of {run.ref} was not attested"
    elif run is not None and (left := run.open_copies()):
        yield f"request {ref}: became complete, and {left[0]} is not known to be gone"
    elif run is not None and run.looked is False:
        yield f"request {ref}: became complete, and not all places were looked into again before"
