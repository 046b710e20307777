"""In whatever order things happen to requests, the ledger agrees with what a person would write.

The other side is a book of its own: a state and a deadline for each request, and which run holds
it, written down by the rules of the domain and not by the ledger's tables.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ledger.deadlines import due_at, extended_due_at, profile_of
from ledger.domain import Selector, State
from ledger.errors import KeyMissing, LateExtension
from ledger.keys import create_keys
from ledger.replay.lineage import TAINTED
from ledger.requests import Ledger, Verb
from tests.tampering import LONG
from unlearning.errors import LetheError, RequestDenied, UsageError

FIRST = datetime.fromisoformat("2026-01-31T23:30:00+00:00")
LAWS = ("gdpr", "gdpr-de", "gdpr-gr", "gdpr-pt", "ccpa")
OPEN = frozenset({"accepted", "held", "in a run", "purging"})

moments = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=20))


@dataclass(frozen=True)
class Written:
    """A request as a person would note it."""

    state: str
    due: datetime
    law: str
    received: datetime
    extended: bool = False


class Orders(RuleBasedStateMachine):
    """Receive, hold (all or some), resume, deny, extend, claim, give back, release, taint..."""

    requests: Bundle[str] = Bundle("requests")
    runs: Bundle[str] = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.root, self.now = Path(self.folder.name), FIRST
        create_keys(self.root / "keys", self.root / "records")
        self.ledger = self.opened()
        self.book: dict[str, Written] = {}
        self.held_by: dict[str, tuple[str, ...]] = {}
        self.heads: list[str] = []

    def teardown(self) -> None:
        self.folder.cleanup()

    def opened(self) -> Ledger:
        return Ledger.open(self.root / "records", self.root / "keys")

    def refused(self, why: type[LetheError] = RequestDenied) -> pytest.RaisesExc[LetheError]:
        return pytest.raises(why)

    @rule(passes=moments)
    def time_passes(self, passes: timedelta) -> None:
        self.now += passes

    @rule(target=requests, law=st.sampled_from(LAWS), late=moments, examples=st.integers(0, 3))
    def received(self, law: str, late: timedelta, examples: int) -> str:
        """It may be recorded days after it came in; what matches nothing is denied."""
        came = self.now - late
        found = self.ledger.submit(
            Selector("subject", (f"person {len(self.book)}",)),
            received_at=came,
            jurisdiction=law,
            idempotency_key=None,
            examples=examples,
            now=self.now,
        )
        state = "accepted" if examples else "denied"
        self.book[found.ref] = Written(state, due_at(came, law), law, came)
        return found.ref

    @rule(ref=requests, verb=st.sampled_from([Verb.HOLD, Verb.RESUME, Verb.DENY]))
    def somebody_says(self, ref: str, verb: Verb) -> None:
        one = self.book[ref]
        may = {
            Verb.HOLD: {"accepted": "held"},
            Verb.RESUME: {"held": "accepted"},
            Verb.DENY: {"accepted": "denied", "held": "denied"},
        }[verb]
        if one.state not in may:
            with self.refused():
                self.ledger.say(verb, ref, reason="art. 12", now=self.now)
            return
        self.ledger.say(verb, ref, reason="art. 12", now=self.now)
        self.book[ref] = replace(one, state=may[one.state])

    @rule(target=requests, ref=requests)
    def some_of_it_is_held(self, ref: str) -> str:
        """A part is a request of its own, with the deadline of the whole; the rest stays."""
        one, examples = self.book[ref], self.ledger.request(ref).examples
        said = {"examples": examples, "reason": "art. 17(3)", "now": self.now}
        if one.state not in {"accepted", "held"} or examples < 2:
            with self.refused(LetheError):
                self.ledger.hold_part(ref, ["e-1"], **said)
            return ref
        part = self.ledger.hold_part(ref, [f"e-{len(self.book)}"], **said)
        assert (part.examples, self.ledger.request(ref).examples) == (1, examples - 1)
        self.book[part.ref] = replace(one, state="held")
        return part.ref

    @rule(ref=requests)
    def extended(self, ref: str) -> None:
        """Once, before the first deadline is over, while it is open."""
        one = self.book[ref]
        late = self.now > due_at(one.received, one.law)
        if one.state not in OPEN or one.extended or late:
            with self.refused(LateExtension if one.state in OPEN and late else RequestDenied):
                self.ledger.say(Verb.EXTEND, ref, reason="complex", now=self.now)
            return
        self.ledger.say(Verb.EXTEND, ref, reason="complex", now=self.now)
        due = extended_due_at(one.received, one.law, now=self.now)
        self.book[ref] = replace(one, due=due, extended=True)

    @rule(target=runs, refs=st.lists(requests, min_size=1, max_size=3, unique=True))
    def claimed(self, refs: list[str]) -> str:
        """All of them or none."""
        if any(self.book[ref].state != "accepted" for ref in refs):
            with self.refused():
                self.ledger.start_run(refs, now=self.now)
            return ""
        run = self.ledger.start_run(refs, now=self.now)
        for ref in refs:
            self.ledger.move(ref, State.EXTRACTING, now=self.now, key=f"{run}/{ref}/extracting")
            self.book[ref] = replace(self.book[ref], state="in a run")
        self.held_by[run] = tuple(sorted(refs))
        return run

    @rule(run=consumes(runs), released=st.booleans())
    def ended(self, run: str, released: bool) -> None:
        """What nothing was released for waits again; what was erased is `purging`."""
        if not run:
            return
        path = (State.UNLEARNING, State.JUDGING, State.PROMOTING, State.PURGING)
        for ref in self.held_by.pop(run):
            for state in path if released else (State.UNLEARNING, State.JUDGING, State.ACCEPTED):
                self.ledger.move(ref, state, now=self.now, key=f"{run}/{ref}/{state}")
            state = "purging" if released else "accepted"
            self.book[ref] = replace(self.book[ref], state=state)
        self.ledger.finish_run(run, now=self.now)

    @rule(ref=requests)
    def nothing_is_left(self, ref: str) -> None:
        one = self.book[ref]
        if one.state != "purging":
            with self.refused():
                self.ledger.move(ref, State.COMPLETE, now=self.now)
            return
        self.ledger.move(ref, State.COMPLETE, now=self.now)
        self.book[ref] = replace(one, state="complete")

    @rule(ref=requests, other=requests)
    def goes_with_another(self, ref: str, other: str) -> None:
        """Its examples were erased by the run of another request."""
        run = self.ledger.request(other).run
        if run is None or self.book[other].state != "purging":
            return
        if (
            self.book[ref].state == "accepted"
            and self.ledger.log.find(f"{run}/{ref}/linked") is None
        ):
            self.ledger.link(ref, run, now=self.now)
            self.book[ref] = replace(self.book[ref], state="purging")

    @rule(version=st.integers(1, 3))
    def tainted(self, version: int) -> None:
        """A mark on a version is for good, and no request's business."""
        body = {"version": version, "sha256": "ab" * 32, "reason": "a test"}
        self.ledger.record(TAINTED, body, key=f"version/{version}/tainted", now=self.now)

    @rule()
    def restarted(self) -> None:
        self.ledger = self.opened()

    @invariant()
    def each_request_is_in_the_state_that_is_written(self) -> None:
        for ref, one in self.book.items():
            found = self.ledger.request(ref)
            state = "in a run" if found.state is State.EXTRACTING else str(found.state)
            assert (state, found.due_at) == (one.state, one.due)
            assert found.state.terminal == (one.state in {"denied", "complete"})
            assert found.received_at == one.received and found.due_at > found.received_at

    @invariant()
    def runs_hold_what_is_written(self) -> None:
        assert self.ledger.unfinished_runs() == self.held_by

    @invariant()
    def what_an_ended_request_named_nobody_can_read(self) -> None:
        """Whoever completes a request shreds its key; that of a denied one goes at once."""
        for ref, one in self.book.items():
            if one.state in OPEN:
                assert self.ledger.selector(ref).kind == "subject"
            else:
                with pytest.raises((RequestDenied, KeyMissing)):
                    self.ledger.selector(ref)

    @invariant()
    def the_log_only_grows_and_its_replay_is_the_state(self) -> None:
        hashes = [entry.hash for entry in self.ledger.log.entries()]
        assert hashes[: len(self.heads)] == self.heads
        self.heads = hashes
        assert self.ledger.check().ok

    @invariant()
    def whoever_is_due_is_listed_first(self) -> None:
        listed = self.ledger.requests(timedelta(days=7), self.now)
        due = [one.due for one in self.book.values() if one.state in OPEN]
        near = sorted(day for day in due if day <= self.now + timedelta(days=7))
        assert [request.due_at for request in listed] == near


TestOrders = Orders.TestCase
TestOrders.settings = settings(
    max_examples=(LONG or 300) // 20, stateful_step_count=30, deadline=None
)


# Fifty years, day by day: facts of the calendar, not of the code.
YEARS = range(2026, 2076)


@pytest.mark.parametrize("law", [name for name in LAWS if name != "ccpa"])
def test_a_month_over_fifty_years(law: str) -> None:
    """Due on the same day of the next month, or its last, or the first working day after that.

    No run of days off is longer than six: 24 to 29 December, with a weekend.
    """
    zone = profile_of(law).zone
    day = datetime(YEARS[0], 1, 1, 12, tzinfo=zone)
    while day.year in YEARS:
        due = due_at(day, law)
        after = (day.year * 12 + day.month) // 12, (day.year * 12 + day.month) % 12 + 1
        month_end = (datetime(*after, 28, tzinfo=zone) + timedelta(days=4)).replace(day=1)
        last = (month_end - timedelta(days=1)).day
        plain = datetime(*after, min(day.day, last), tzinfo=zone).date()
        assert timedelta(0) <= due.date() - plain <= timedelta(days=6)
        assert due.weekday() < 5 and (due.hour, due.minute, due.second) == (23, 59, 59)
        assert (due.month, due.day) not in {(1, 1), (12, 25)}
        if due.date() > plain:  # then the plain day itself was none to work on
            assert plain.weekday() >= 5 or due_at(day - timedelta(days=1), law) <= due
        day += timedelta(days=1)


def test_forty_five_days_over_fifty_years() -> None:
    """Calendar days where the law holds: leap years and the hour of summer change none."""
    zone = profile_of("ccpa").zone
    for count in range(0, 50 * 365, 3):
        day = datetime(YEARS[0], 1, 1, 0, 30, tzinfo=zone) + timedelta(days=count)
        assert (due_at(day, "ccpa").date() - day.date()).days == 45
        assert (extended_due_at(day, "ccpa", now=day).date() - day.date()).days == 90


@pytest.mark.parametrize(
    ("received", "law", "due"),
    [
        ("2028-01-31T10:00:00+01:00", "gdpr", "2028-02-29"),  # a leap year's last day, a Tuesday
        ("2027-01-31T10:00:00+01:00", "gdpr", "2027-03-01"),  # 28 February is a Sunday
        ("2028-02-29T10:00:00+01:00", "gdpr", "2028-03-29"),
        ("2026-11-25T10:00:00+01:00", "gdpr", "2026-12-28"),  # Christmas Day, then a weekend
        ("2026-12-01T10:00:00+01:00", "gdpr", "2027-01-04"),  # New Year's Day, then a weekend
        ("2026-03-31T23:30:00-05:00", "gdpr", "2026-05-01"),  # 1 April in Brussels already
        ("2026-03-31T23:30:00-05:00", "gdpr-de", "2026-05-04"),  # 1 May is a holiday there
        ("2026-09-03T10:00:00+02:00", "gdpr-de", "2026-10-05"),  # 3 October, then a Sunday
        ("2026-01-01T07:00:00+00:00", "ccpa", "2026-02-14"),  # 31 December in Los Angeles still
    ],
)
def test_days_that_a_calendar_shows(received: str, law: str, due: str) -> None:
    assert due_at(datetime.fromisoformat(received), law).date().isoformat() == due


def test_a_time_that_names_no_zone_is_refused() -> None:
    with pytest.raises((UsageError, ValueError)):
        due_at(datetime(2026, 1, 1), "gdpr")  # noqa: DTZ001 - that is what is refused
