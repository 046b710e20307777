"""A log that is genuine to the last byte, and tells of what the ledger would never have written.

Each was signed with the workspace's own key: by an insider, or by a mistake of ours. Whoever
replays it names the entry and what is wrong with it; an honest log replays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.chain import GENESIS, Entry, Verification, sign_entry
from ledger.clock import WENT_BACK, jumps
from ledger.deadlines import bounds, due_at, extended_due_at
from ledger.domain import Selector
from ledger.keyring import keyring_of
from ledger.keys import load_public_keys
from ledger.moments import timestamp
from ledger.requests import Ledger, Verb
from ledger.requests.identity import Identity
from tasks.keeping.verified import verify_exported
from tests.unit.submitted import accepted

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
BEGAN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday: due Thursday, 2 April
DAY = timedelta(days=1)
FIRST, SECOND, THIRD = "a1" * 32, "b2" * 32, "c3" * 32
GONE = {"where": "dvc cache", "what": "shard 01", "status": "removed"}
UNSEEN = {"where": "dvc remote", "what": "shard 01", "status": "unverified", "why": "versions"}
ASKED = {"where": "connector lake", "what": "copies of what was erased", "status": "remains"}


@dataclass(frozen=True)
class Said:
    """One entry to be signed. days: after the log's first."""

    event: str
    key: str
    body: dict[str, Any]
    days: float


@dataclass
class Story:
    """What a log tells, entry by entry."""

    said: list[Said] = field(default_factory=list)

    def tell(self, event: str, key: str, body: dict[str, Any], days: float | None = None) -> None:
        last = self.said[-1].days if self.said else 0.0
        self.said.append(Said(event, key, body, last + 0.001 if days is None else days))

    def step(self, run: str, name: str, **body: Any) -> None:
        self.tell("step", f"{run}/{name}", body)

    def move(self, ref: str, state: str, key: str | None = None, days: float | None = None) -> None:
        body = {"request": ref, "state": state, "reason": None}
        self.tell("moved", key or f"{ref}/{len(self.said) + 1}", body, days)

    def submit(self, ref: str, state: str = "accepted", **other: Any) -> None:
        body = {
            **{"request": ref, "commitment": "ab" * 32, "state": state, "examples": 1},
            **{"received_at": timestamp(BEGAN), "due_at": timestamp(due_at(BEGAN, "gdpr"))},
            **{"jurisdiction": "gdpr", "reason": None, "key_digest": None, "run": None},
        }
        self.tell("submitted", f"{ref}/submitted", body | other)

    def verb(self, event: str, ref: str, state: str) -> None:
        body = {"request": ref, "state": state, "reason": "a lawsuit"}
        self.tell(event, f"{ref}/{len(self.said) + 1}", body)

    def extend(self, ref: str, due: datetime, days: float | None = None) -> None:
        body = {"request": ref, "reason": "many", "due_at": timestamp(due)}
        self.tell("extended", f"{ref}/{len(self.said) + 1}", body, days)

    def start(self, run: str, *refs: str) -> None:
        self.tell("run_started", f"{run}/started", {"run": run, "requests": [*refs]})

    def finish(self, run: str) -> None:
        self.tell("run_finished", f"{run}/finished", {"run": run})

    def decide(self, run: str, ref: str, parent: int, candidate: str) -> None:
        """Take a run up to its decision to release."""
        self.start(run, ref)
        self.step(run, "begun", parent=parent)
        for state in ("extracting", "unlearning", "judging"):
            self.move(ref, state)
        self.step(run, "decided", decision="released", candidate=candidate, assurance="A2")
        self.move(ref, "promoting")

    def release(self, run: str, ref: str, parent: int, version: int, candidate: str) -> None:
        """Take a run from its start to the end of its release."""
        self.decide(run, ref, parent, candidate)
        self.step(run, "sealed", statement="ef" * 32)
        self.step(run, "promoted", version=version, sha256=candidate, parent=parent)

    def erase(self, run: str, ref: str, *copies: dict[str, str]) -> None:
        """Erase what a run is to, and list what became of it."""
        self.move(ref, "purging")
        self.step(run, "suppressed", covers=[])
        self.step(run, "erased")
        self.step(run, "purged", copies=[*copies])
        self.step(run, "attested")

    def before(self, key: str, then: Callable[[Story], None]) -> None:
        """Tell something before the entry of this key."""
        at = next(i for i, one in enumerate(self.said) if one.key == key)
        rest, self.said = self.said[at:], self.said[:at]
        then(self)
        self.said += rest

    def without(self, *keys: str) -> None:
        self.said = [one for one in self.said if one.key not in keys]

    def change(self, key: str, **body: Any) -> None:
        self.said = [
            replace(one, body=one.body | body) if one.key == key else one for one in self.said
        ]

    def entries(self) -> list[Entry]:
        made: list[Entry] = []
        for one in self.said:
            header = {
                **{"seq": len(made) + 1, "previous": made[-1].hash if made else GENESIS},
                **{"at": timestamp(BEGAN + one.days * DAY), "event": one.event, "key": one.key},
                "body": one.body,
            }
            made.append(sign_entry(header, KEY))
        return made


def honest() -> Story:
    """Two who are served, a hold, a denial, an extension, and one that goes with a run."""
    story = Story()
    story.tell("initialised", "initialised", {"version": 1, "sha256": FIRST}, 0)
    for ref in ("req-1", "req-2", "req-3", "req-4"):
        story.submit(ref)
    story.verb("held", "req-3", "held")
    story.verb("resumed", "req-3", "accepted")
    story.verb("held", "req-4", "held")
    story.verb("denied", "req-4", "denied")
    story.extend("req-2", extended_due_at(BEGAN, "gdpr", now=BEGAN), days=20)
    story.release("run-1", "req-1", 1, 2, SECOND)
    story.erase("run-1", "req-1", GONE, UNSEEN, ASKED)
    body = {"request": "req-3", "run": "run-1", "state": "purging", "reason": "the same"}
    story.tell("linked", "run-1/req-3/linked", body)
    story.finish("run-1")
    story.tell("connector_asked", "run-1/asked", {"run": "run-1", "copies": [ASKED | REMOVED]}, 25)
    story.tell("confirmed", "run-1/confirmed", {"run": "run-1", "copies": [UNSEEN]})
    story.move("req-1", "complete", "req-1/complete", days=40)
    story.move("req-3", "complete", "req-3/complete")
    story.step("run-1", "attested-completion")
    story.release("run-2", "req-2", 2, 3, THIRD)
    story.erase("run-2", "req-2", GONE)
    story.move("req-2", "complete", "req-2/complete")
    story.step("run-2", "attested-completion")
    story.finish("run-2")
    return story


REMOVED = {"status": "removed"}


def verified(story: Story, folder: Path) -> Verification:
    path = folder / "exported.jsonl"
    path.write_bytes(b"".join(entry.line() for entry in story.entries()))
    return verify_exported(path, keyring_of(KEY.public_key()), None)


def rolled(story: Story, version: int, sha256: str, parent: int) -> None:
    body = {"version": version, "sha256": sha256, "parent": parent, "reason": "slow"}
    story.tell("rolled_back", f"rollback/{len(story.said) + 1}", body)


def again(story: Story, run: str = "run-1") -> None:
    story.step(run, "promoted", version=9, sha256=SECOND, parent=1)


def unmarked(story: Story) -> None:
    story.before("run-2/started", lambda s: s.tell("tainted", "version/2/tainted", {"version": 2}))


LATE = datetime(2030, 1, 1, tzinfo=UTC)
LONGEST = extended_due_at(BEGAN, "gdpr", now=BEGAN)

PLANTED: dict[str, tuple[Callable[[Story], object], str]] = {
    "complete, and nothing was ever erased": (
        lambda s: (s.submit("req-9"), s.move("req-9", "complete")),
        "req-9: is accepted, cannot become complete",
    ),
    "accepted again when it was complete": (
        lambda s: s.move("req-1", "accepted"),
        "req-1: is complete, cannot become accepted: expected nothing, it is closed",
    ),
    "a state that there is not": (
        lambda s: s.move("req-1", "forgotten"),
        "does not say what such an entry says",
    ),
    "a request that nobody submitted": (
        lambda s: s.move("req-9", "denied"),
        "req-9: was never submitted",
    ),
    "submitted twice": (
        lambda s: s.tell("submitted", "req-1/again", s.said[1].body),
        "req-1: was submitted before",
    ),
    "submitted as complete": (
        lambda s: s.submit("req-9", "complete"),
        "req-9: begins as complete",
    ),
    "gone with a run that has erased nothing": (
        lambda s: s.submit("req-9", "purging", run="run-0"),
        "req-9: goes with a run that has erased nothing",
    ),
    "due some day": (
        lambda s: s.submit("req-9", due_at=timestamp(LATE)),
        "req-9: is due at 2030-01-01",
    ),
    "received after it was submitted": (
        lambda s: s.submit("req-9", received_at=timestamp(LATE)),
        "req-9: was received at 2030-01-01",
    ),
    "by a law that there is not": (
        lambda s: s.submit("req-9", jurisdiction="none"),
        "jurisdiction: got another name",
    ),
    "resumed, and not held": (
        lambda s: (s.submit("req-9"), s.verb("resumed", "req-9", "accepted")),
        "req-9: is accepted, resume makes it accepted: expected accepted of one that is held",
    ),
    "denied in the middle of a run": (
        lambda s: s.before("run-1/decided", lambda s: s.verb("denied", "req-1", "denied")),
        "req-1: is in run run-1",
    ),
    "resumed before it was confirmed who asks": (
        lambda s: (
            s.submit("req-9", "held", identity_asked="runs"),
            s.verb("resumed", "req-9", "accepted"),
        ),
        "req-9: goes on, and nobody has confirmed who asks",
    ),
    "resumed by a move": (
        lambda s: (
            s.submit("req-9", "held", identity_asked="runs"),
            s.move("req-9", "accepted"),
        ),
        "req-9: is held, became accepted, and nobody said so",
    ),
    "denied by a move": (
        lambda s: (s.submit("req-9"), s.move("req-9", "denied")),
        "req-9: is accepted, became denied, and nobody said so",
    ),
    "let go on by a confirmation that nobody waited for": (
        lambda s: (
            s.submit("req-9"),
            s.verb("held", "req-9", "held"),
            s.verb("identity_confirmed", "req-9", "accepted"),
        ),
        "req-9: becomes accepted by a confirmation, and did not wait for one",
    ),
    "accepted before it was confirmed who asks": (
        lambda s: s.submit("req-9", "accepted", identity_asked="runs"),
        "req-9: is asked who it is from, expected held",
    ),
    "denied at once on a ground of another law": (
        lambda s: s.submit("req-9", "denied", ground="transaction"),
        "req-9: is denied on a ground that gdpr does not know",
    ),
    "confirmed by somebody else": (
        lambda s: (
            s.submit("req-9", identity={"method": "login", "by": "portal"}),
            s.tell("identity_confirmed", "req-9/identity_confirmed", {"request": "req-9"}),
        ),
        "req-9: is confirmed, and was confirmed before",
    ),
    "let go on past a question by a confirmation": (
        lambda s: (
            s.submit("req-9", "held", identity_asked="runs", question="is it all of a class"),
            s.verb("identity_confirmed", "req-9", "accepted"),
        ),
        "req-9: waited to be confirmed, expected held from then on",
    ),
    "the reason of a denial written over": (
        lambda s: s.submit("req-9", identity={"method": "login"}, same={"req-4": "goes with it"}),
        "req-9: takes the place of req-4, which is denied",
    ),
    "first among others, and nobody confirmed it": (
        lambda s: (s.submit("req-8"), s.submit("req-9", same={"req-8": "goes with it"})),
        "req-9: takes the place of req-8, and was not confirmed before it",
    ),
    "waits again, and was erased": (
        lambda s: s.before("req-1/complete", lambda s: s.move("req-1", "accepted")),
        "req-1: waits again, and run-1 has listed what it names as erased",
    ),
    "held, and accepted": (
        lambda s: (s.submit("req-9"), s.verb("held", "req-9", "accepted")),
        "expected held of one that is accepted, received",
    ),
    "extended once it was late": (
        lambda s: (s.submit("req-9"), s.extend("req-9", LONGEST, days=300)),
        "the first time limit was over",
    ),
    "extended to another day": (
        lambda s: s.before("run-1/started", lambda s: s.extend("req-1", LATE)),
        "expected the longest limit of gdpr, 2026-06-02",
    ),
    "extended twice": (
        lambda s: s.before("run-1/started", lambda s: s.extend("req-2", LONGEST)),
        "req-2: was extended before",
    ),
    "extended when it was over": (
        lambda s: s.before("run-1/started", lambda s: s.extend("req-4", LONGEST)),
        "req-4: is denied, expected an open one",
    ),
    "complete before anything was purged": (
        lambda s: s.without("run-2/purged"),
        "req-2: became complete, and no run has purged what it names",
    ),
    "complete, and a copy is in doubt": (
        lambda s: s.without("run-1/confirmed"),
        "req-1: became complete, and dvc remote: shard 01 is not known to be gone",
    ),
    "complete, and a connector has not answered": (
        lambda s: s.without("run-1/asked"),
        "req-1: became complete, and connector lake: copies of what was erased is not known",
    ),
    "complete, and the erasure was not attested": (
        lambda s: s.without("run-2/attested", "run-2/attested-completion"),
        "req-2: became complete, and the erasure of run-2 was not attested",
    ),
    "complete before the erasure was attested": (
        lambda s: (
            s.without("run-2/attested", "run-2/attested-completion"),
            s.step("run-2", "attested"),
        ),
        "req-2: became complete, and the erasure of run-2 was not attested",
    ),
    "complete, and its own run ends without a word on that": (
        lambda s: s.without("run-2/attested-completion"),
        "run-2: is finished, and the end of run-2, all complete, is not attested",
    ),
    "complete, and the next run ends without a word on that": (
        lambda s: s.without("run-1/attested-completion"),
        "run-2: is finished, and the end of run-1, all complete, is not attested",
    ),
    "attested, and not complete": (
        lambda s: s.without("req-1/complete"),
        "run-1: attests its end, and request req-1 is not complete",
    ),
    "unlearned outside of a run": (
        lambda s: (s.submit("req-9"), s.move("req-9", "extracting")),
        "req-9: became extracting, and no run works on it",
    ),
    "a run over what is denied": (
        lambda s: s.start("run-9", "req-4"),
        "run-9: began over req-4, which is denied",
    ),
    "two runs over one request": (
        lambda s: s.before("run-1/begun", lambda s: s.start("run-9", "req-1")),
        "run-9: began over req-1, which is in run-1, unfinished",
    ),
    "a step of no run": (lambda s: s.step("run-9", "begun"), "run run-9: was never started"),
    "erased before it was listed": (
        lambda s: s.without("run-1/suppressed"),
        "run-1: erased comes before suppressed",
    ),
    "erased before it was released": (
        lambda s: s.without("run-2/promoted"),
        "req-2: became purging, and run-2 has not released its candidate",
    ),
    "finished in the middle": (
        lambda s: s.before("run-1/decided", lambda s: s.finish("run-1")),
        "run-1: is finished, and request req-1 is judging",
    ),
    "released without evidence": (
        lambda s: s.without("run-2/sealed"),
        "run-2: promoted comes before sealed",
    ),
    "released, and refused": (
        lambda s: s.change("run-1/decided", decision="refused"),
        "run-1: released version 2, it decided: refused",
    ),
    "released, and another was judged": (
        lambda s: s.change("run-1/decided", candidate=THIRD),
        "run-1: released version 2, which is not what it decided on",
    ),
    "two releases in place of one version": (
        lambda s: (s.change("run-2/begun", parent=1), s.change("run-2/promoted", parent=1)),
        "version 3: was let serve in place of version 1, expected in place of version 2",
    ),
    "two first versions": (
        lambda s: s.tell("initialised", "again", {"version": 1, "sha256": FIRST}),
        "version 1: was let serve in place of none, expected in place of version 3",
    ),
    "built upon a tainted version": (
        unmarked,
        "run-2: released version 3, built upon 2, marked as tainted",
    ),
    "put back in place of another": (
        lambda s: rolled(s, 2, SECOND, parent=1),
        "version 2: was let serve in place of version 1, expected in place of version 3",
    ),
    "put back, and never served": (
        lambda s: rolled(s, 2, THIRD, parent=3),
        "version 2: was put back, and these bytes never served",
    ),
    "put back to what is tainted": (
        lambda s: rolled(s, 1, FIRST, parent=3),
        "put version 1 back, but it is tainted by run-1, run-2",
    ),
    "the alias on another": (
        lambda s: s.tell("champion_put_back", "champion/1", {"version": 1, "sha256": FIRST}),
        "version 1: was given the alias back, expected version 3",
    ),
    "a key twice": (
        lambda s: s.tell("counted", "run-1/decided", {"decision": "refused"}),
        "has the key of entry 16: run-1/decided",
    ),
    "the time runs backwards": (
        lambda s: s.tell("counted", "late", {}, days=2),
        "and the log tells of no clock that went back",
    ),
}


def test_an_honest_log_replays(tmp_path: Path) -> None:
    found = verified(honest(), tmp_path)
    assert found.problems == ()
    assert "exported.jsonl: 4 requests, 2 runs, 3 releases: replayed" in found.checked


@pytest.mark.parametrize("name", list(PLANTED))
def test_what_the_ledger_would_not_have_written_is_named(name: str, tmp_path: Path) -> None:
    plant, said = PLANTED[name]
    story = honest()
    plant(story)
    found = verified(story, tmp_path)
    assert any(said in line for line in found.problems), found.problems
    assert all("entry " in line for line in found.problems), "each names its entry"


def test_a_kill_between_the_end_and_the_word_on_it_is_mended_by_the_next_command(
    tmp_path: Path,
) -> None:
    """Until then the log says nothing wrong; `purge`, or the next run's end, attests it."""
    story = honest()
    story.without("run-2/attested-completion", "run-2/finished")
    assert verified(story, tmp_path).ok
    story.submit("req-9")
    story.verb("held", "req-9", "held")
    assert verified(story, tmp_path).ok
    story.step("run-2", "attested-completion")
    story.finish("run-2")
    assert verified(story, tmp_path).ok


def test_a_log_of_before_erasures_were_attested_has_no_such_word(tmp_path: Path) -> None:
    story = honest()
    ends = [f"run-{n}/attested{end}" for n in (1, 2) for end in ("", "-completion")]
    story.without(*ends)
    assert verified(story, tmp_path).ok
    # It went on with this version: what was purged before owes nothing, what is purged now does.
    story = honest()
    story.without(*ends[:2])
    assert verified(story, tmp_path).ok
    story.change("run-1/purged", completion="lethe/completion/2")
    assert any("the erasure of run-1" in line for line in verified(story, tmp_path).problems)


def test_all_is_looked_into_again_before_the_end_where_that_is_owed(tmp_path: Path) -> None:
    """And once more where something was back since."""
    look = {"run": "run-2", "objects": 1, "lines": 1}
    back = {"run": "run-2", "copies": [GONE | {"what": "shard 01, back"}]}
    story = honest()
    story.change("run-2/purged", completion="lethe/completion/2")
    (line,) = verified(story, tmp_path).problems
    assert "req-2: became complete, and not all places were looked into again" in line
    story.before("req-2/complete", lambda s: s.tell("looked_again", "looked/1", look))
    assert verified(story, tmp_path).ok
    story.before("req-2/complete", lambda s: s.tell("copies_changed", "changed/1", back))
    assert not verified(story, tmp_path).ok


def test_a_clock_that_stood_still_moves_the_deadline_by_as_much(tmp_path: Path) -> None:
    """Ten days until it is confirmed who asks: received as on 12 March, due on 13 April, a Monday;
    extended, on 12 June."""
    story = Story()
    story.submit("req-1", "held", identity_asked="pauses")
    confirmed = {"request": "req-1", "state": "accepted", "reason": None, "identity": {}}
    due = {"due_at": timestamp(datetime(2026, 4, 13, 21, 59, 59, tzinfo=UTC))}
    story.tell("identity_confirmed", "req-1/confirmed", confirmed | due, days=10)
    story.extend("req-1", datetime(2026, 6, 12, 21, 59, 59, tzinfo=UTC), days=41)
    story.start("run-1", "req-1")
    assert verified(story, tmp_path).problems == ()
    story.change("req-1/submitted", identity_asked="runs")
    wrong = verified(story, tmp_path).problems
    assert [line.partition(": ")[2][:18] for line in wrong] == [
        *("entry 2, identity_", "entry 3, extended:", "entry 3, extended:")
    ]


def test_who_asks_is_confirmed_by_the_ledgers_own_entries(records: Path, keys: Path) -> None:
    """A clock that stands still, a hold that a person cannot lift, and an extension meanwhile."""
    ledger = Ledger.open(records, keys)
    asked = [
        ledger.submit(
            Selector("example", ("a picture",)),
            received_at=BEGAN,
            jurisdiction=law,
            idempotency_key=None,
            examples=1,
            now=BEGAN + DAY,
            asks="pauses",
        )
        for law in ("gdpr-de", "ccpa")
    ]
    ledger.say(Verb.EXTEND, asked[0].ref, reason="many", now=BEGAN + 40 * DAY)
    for one in asked:
        ledger.confirm(one.ref, Identity("login", "portal"), now=BEGAN + 44 * DAY)
    ledger.say(Verb.EXTEND, asked[1].ref, reason="many", now=BEGAN + 45 * DAY)
    ledger.start_run([asked[0].ref], now=BEGAN + 46 * DAY)
    assert read_again(records).problems == ()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"identity_asked": "runs"}, "nobody has confirmed who asks"),
        ({"jurisdiction": "ccpa", "identity_asked": "pauses"}, "does not let the clock pause"),
    ],
)
def test_what_waits_for_a_confirmation_is_not_resumed(
    tmp_path: Path, body: dict[str, str], said: str
) -> None:
    story = Story()
    story.submit("req-1", "held")
    story.verb("resumed", "req-1", "accepted")
    assert verified(story, tmp_path).ok
    story.change("req-1/submitted", **body)
    assert any(said in line for line in verified(story, tmp_path).problems)


def test_a_denial_on_a_ground_that_the_law_does_not_know_is_named(tmp_path: Path) -> None:
    story = Story()
    story.submit("req-1")
    story.verb("denied", "req-1", "denied")
    story.change(story.said[-1].key, ground="legal_claims")
    assert verified(story, tmp_path).ok
    story.change(story.said[-1].key, ground="transaction")
    (problem,) = verified(story, tmp_path).problems
    assert "entry 2, denied: request req-1" in problem and "a ground that gdpr" in problem


def test_a_run_that_was_given_up_does_no_more(tmp_path: Path) -> None:
    story = honest()
    story.submit("req-9")
    story.start("run-9", "req-9")
    story.step("run-9", "aborted", reason="by hand")
    story.step("run-9", "discarded", copies=[])
    story.finish("run-9")
    assert verified(story, tmp_path).ok
    story.before("run-9/finished", lambda s: s.step("run-9", "decided", decision="purge"))
    (line,) = verified(story, tmp_path).problems
    assert "run-9: goes on with decided, and was aborted" in line


def test_who_was_erased_elsewhere_is_known_by_the_list_that_was_brought(tmp_path: Path) -> None:
    story = Story()
    story.tell("initialised", "initialised", {"version": 1, "sha256": FIRST}, 0)
    story.submit("req-1", "purging", reason="the same was erased by run-0")
    story.move("req-1", "complete")
    assert len(verified(story, tmp_path).problems) == 2
    brought = {"sha256": "ab" * 32}
    story.before("req-1/submitted", lambda s: s.tell("suppression_brought", "brought", brought))
    assert verified(story, tmp_path).problems == ()


def test_a_run_that_erased_after_the_backup_only_is_known_by_the_list(tmp_path: Path) -> None:
    """Here it was unfinished then and given up later; the list has its name, and so a link."""
    story = Story()
    story.tell("initialised", "initialised", {"version": 1, "sha256": FIRST}, 0)
    story.submit("req-1")
    story.start("run-1", "req-1")
    story.step("run-1", "aborted", reason="version 2 was released since")
    story.finish("run-1")
    story.tell("suppression_brought", "rst-1/suppression_brought", {"sha256": "ab" * 32})
    body = {"request": "req-1", "run": "run-1", "state": "purging", "reason": "the same"}
    story.tell("linked", "run-1/req-1/linked", body)
    story.move("req-1", "complete")
    assert verified(story, tmp_path).problems == ()
    story.without("rst-1/suppression_brought")
    assert len(verified(story, tmp_path).problems) == 2


@pytest.mark.parametrize("event", ["submitted", "moved", "step", "extended", "initialised"])
def test_an_entry_that_says_nothing_is_named_and_stops_nobody(event: str, tmp_path: Path) -> None:
    for body in ({}, {"request": [], "run": {}, "version": "x", "requests": 3, "state": 1}):
        story = honest()
        story.tell(event, "run-1/promoted-again", body)
        story.move("req-4", "accepted")
        found = verified(story, tmp_path).problems
        assert any("req-4: is denied, cannot become accepted" in line for line in found)


@pytest.mark.parametrize("place", ["gdpr", "gdpr-de", "gdpr-ro", "ccpa"])
def test_what_was_counted_lies_where_it_may_have_been_counted(place: str) -> None:
    for received in (BEGAN + days * DAY for days in range(0, 700, 13)):
        earliest, latest = bounds(received, place)
        assert earliest <= due_at(received, place) <= latest
        earliest, latest = bounds(received, place, extended=True)
        assert earliest <= extended_due_at(received, place, now=received) <= latest


def test_a_clock_that_was_put_back_is_told_and_no_alarm(records: Path, keys: Path) -> None:
    """It was a year ahead once; nothing is refused, and the log says where time went back."""
    ahead = BEGAN + 365 * DAY
    ledger = Ledger.open(records, keys)
    one, other = accepted(ledger, ahead), accepted(ledger, BEGAN)
    ledger.say(Verb.EXTEND, other.ref, reason="many", now=BEGAN)
    told = [e for e in ledger.log.entries() if e.event == "time_went_back"]
    assert [e.body for e in told] == [{"entry": 2}]
    assert ledger.request(one.ref).received_at == ahead
    found = read_again(records)
    assert found.problems == () and "the clock went back 1 time, as it tells" in found.checked[-1]


def test_a_crash_before_it_was_told_is_made_good(records: Path, keys: Path) -> None:
    ledger = Ledger.open(records, keys)
    accepted(ledger, BEGAN + 365 * DAY)
    ledger.log.append("counted", {}, key="counted", now=BEGAN)  # and no more
    assert not read_again(records).ok
    Ledger.open(records, keys).record("counted", {}, key="counted/2", now=BEGAN)
    assert read_again(records).ok


def jumped(*, told_by: dict[str, Any] | None = None) -> Story:
    """An earlier log: a request, a clock that was put back by a month, and an extension."""
    story = Story()
    story.tell("initialised", "initialised", {"version": 1, "sha256": FIRST}, 0)
    story.submit("req-1")
    story.tell("noted", "noted", {}, 40)
    story.tell("noted", "noted/back", {}, 10)
    for number in range(10):
        story.tell("noted", f"noted/{number}", {})
    if told_by is not None:
        story.tell(WENT_BACK, f"{WENT_BACK}/4", {"entry": 4, **told_by})
    return story


def test_a_clock_that_went_back_untold_is_told_afterwards_by_a_person(tmp_path: Path) -> None:
    (first, *_) = verified(jumped(), tmp_path).problems
    assert "entry 4, noted: is of" in first
    assert [one.seq for one in jumps(jumped().entries())] == [4]
    said = {"reason": "the clock was ahead", "by": "privacy-officer"}
    story = jumped(told_by=said)
    found = verified(story, tmp_path)
    assert found.problems == () and list(jumps(story.entries())) == []
    assert "as it tells, of which afterwards: entry 4 by 15" in found.checked[-1]
    assert not verified(jumped(told_by={}), tmp_path).ok, "late and without a reason it tells none"


def test_who_tells_afterwards_takes_no_deadline_back(tmp_path: Path) -> None:
    """The extension is of day 10 by its own time; the clock had come to day 40 before it."""
    story = jumped(told_by={"reason": "the clock was ahead", "by": "somebody"})
    story.before("noted/9", lambda s: s.extend("req-1", LONGEST))
    story.change(f"{WENT_BACK}/4", entry=4)
    (line,) = verified(story, tmp_path).problems
    assert "req-1: was extended at 2026-04-11" in line
    story = jumped(told_by={"reason": "the clock was ahead", "by": "somebody"})
    story.before("noted", lambda s: s.extend("req-1", LONGEST, days=9))
    story.change(f"{WENT_BACK}/4", entry=5)
    assert verified(story, tmp_path).ok, "before it went back it was in time"


def test_what_began_after_the_clock_went_back_is_not_held_to_what_it_had_come_to(
    tmp_path: Path,
) -> None:
    """It had come to day 40; a request of day 8 is submitted after that and extended on day 38."""
    story = jumped(told_by={"reason": "the clock was ahead", "by": "somebody"})
    came = BEGAN + timedelta(days=8)
    own = {"received_at": timestamp(came), "due_at": timestamp(due_at(came, "gdpr"))}
    story.submit("req-2", **own)
    story.extend("req-2", extended_due_at(came, "gdpr", now=came), days=38)
    assert verified(story, tmp_path).ok


def test_of_an_entry_whose_time_did_not_go_back_nobody_tells(tmp_path: Path) -> None:
    story = jumped(told_by={"reason": "the clock was ahead", "by": "somebody"})
    story.tell(WENT_BACK, f"{WENT_BACK}/3", {"entry": 3, "reason": "so", "by": "somebody"})
    (line,) = verified(story, tmp_path).problems
    assert "the time of entry 3 did not go back" in line


def read_again(records: Path) -> Verification:
    return verify_exported(records / "log.jsonl", load_public_keys(records / "public.pem"), None)
