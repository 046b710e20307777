"""Receiving never waits: without the lock, at once; settled by whoever holds it next, once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from flows.cli.work import answering, queries, requesting
from flows.cli.work.opening import working
from ledger import durable
from ledger.domain import DeletionRequest, Selector, State
from ledger.errors import WorkspaceBusy
from ledger.inbox import Inbox, Incoming
from ledger.inbox.database import Database
from ledger.inbox.payloads import Payloads
from ledger.projection import Projection
from ledger.requests import Ledger
from systems.data import versions
from systems.settings.params import change_params
from systems.settings.receiving import inbox_of
from systems.settings.workspace import Workspace
from tasks.keeping.verified import verify_records
from tasks.requests import receive
from tasks.requests.choose import consider
from tasks.running.holding import holding
from tasks.running.opened import opened
from tests.integration.test_requests import original  # noqa: F401
from unlearning.errors import IntegrityError, RequestDenied, UsageError

PERSON = "person/1"
ANOTHER = "person/02"
ASKED = Incoming(
    Selector("subject", (PERSON,)), datetime(2026, 3, 2, 12, tzinfo=UTC), "gdpr", "shop", "key"
)
HOLDER = """
import sys
from pathlib import Path
from ledger.lock import workspace_lock
with workspace_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def ws(original: Workspace, tmp_path: Path) -> Workspace:  # noqa: F811
    """A workspace of which the log tells as `init` does."""
    found = Workspace.at(shutil.copytree(original.root, tmp_path / "workspace", symlinks=True))
    body = {"version": 1, "sha256": "0" * 64, "data_version": versions.data_version(found)}
    ledger = opened(str(found.root)).ledger
    ledger.record("initialised", body, key="initialised", now=datetime.now(UTC))
    return found


@contextmanager
def held(ws: Workspace) -> Iterator[None]:
    """Let another process hold the workspace, as one that trains does."""
    command = [sys.executable, "-c", HOLDER, str(ws.lock)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout and holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        holder.communicate(b"")


def from_outside(ws: Workspace, incoming: Incoming = ASKED) -> str:
    """Receive a request as the service does."""
    with closing(inbox_of(ws)) as inbox:
        return inbox.receive(incoming, now=datetime.now(UTC)).ref


def submit(ws: Workspace, who: str = PERSON, **said: Any) -> dict[str, Any]:
    key = said.pop("key", None)
    return requesting.submit(ws.root, Selector("subject", (who,)), None, "gdpr", key, **said)


def settled(ws: Workspace) -> dict[str, DeletionRequest]:
    """Settle what waits; give all requests."""
    settle(ws)
    return recorded(ws)


def settle(ws: Workspace) -> None:
    """Take the lock, as whoever works does."""
    with holding(ws.root) as at:
        assert not receive.may_hold(at.ws) or waiting(ws) == []


def recorded(ws: Workspace) -> dict[str, DeletionRequest]:
    ledger = Ledger.open(ws.records, ws.keys, read_only=True)
    assert ledger.check().ok
    return {request.ref: request for request in ledger.requests(None, datetime.now(UTC))}


def waiting(ws: Workspace) -> list[str]:
    with closing(Inbox.look(ws.inbox, ws.keys)) as inbox:
        return [one.ref for one in inbox.waiting()]


def test_a_request_is_received_while_another_process_holds_the_workspace(
    ws: Workspace,
) -> None:
    """And everybody sees it: `show` and `list` as received, with its deadline."""
    with held(ws):
        found = submit(ws)
        again = submit(ws, ANOTHER, key="k")
        assert (found["state"], found["examples"], found["unknown"]) == ("received", None, None)
        assert submit(ws, ANOTHER, key="k") == again
        assert recorded(ws) == {}
        shown = queries.show(ws.root, found["request"])
        assert {**found, "judgements": 0, "history": [], "runs": []} == {**shown, "unknown": None}
        listed = queries.list_(ws.root, "requests", None)["requests"]
        assert [one["request"] for one in listed] == [found["request"], again["request"]]
        assert queries.list_(ws.root, "requests", "1d")["requests"] == []
        assert len(queries.list_(ws.root, "requests", "99d")["requests"]) == 2
        assert "inbox/inbox.db: 2 requests wait" in verify_records(ws, None).checked
    after = settled(ws)
    assert {ref: one.state for ref, one in after.items()} == {
        found["request"]: State.ACCEPTED,
        again["request"]: State.ACCEPTED,
    }
    assert after[found["request"]].due_at.isoformat() == found["due_at"]


def test_the_command_answers_soon_although_the_workspace_is_held(
    ws: Workspace,
) -> None:
    """A second on an idle machine; how long on a busy one is measured in processor time."""
    command = [sys.executable, "-m", "flows.cli", "--workspace", str(ws.root), "--json", "submit"]
    timed = ["import resource, subprocess, sys", "subprocess.run(sys.argv[1:], check=True)"]
    timed += ["used = resource.getrusage(resource.RUSAGE_CHILDREN)"]
    timed += ["print(used.ru_utime + used.ru_stime)"]
    script = "; ".join(timed)
    with held(ws):
        ran = subprocess.run(
            [sys.executable, "-c", script, *command, "--subject", PERSON],
            capture_output=True,
            text=True,
            check=True,
        )
    answer, seconds = ran.stdout.splitlines()
    assert '"state": "received"' in answer
    assert float(seconds) < 2.0


def test_submit_settles_at_once_where_the_workspace_is_free(ws: Workspace) -> None:
    """What others sent comes first, as it came first."""
    early = from_outside(ws)
    found = submit(ws)
    assert (found["state"], found["examples"], found["unknown"]) == ("accepted", 4, 0)
    assert found["reason"] == f"asks for the same as {early}, goes with it"
    assert waiting(ws) == []


def test_whoever_comes_to_work_settles_first(ws: Workspace) -> None:
    ref = from_outside(ws)
    with working(ws.root) as at:
        assert at.ledger.request(ref).state is State.ACCEPTED
    assert waiting(ws) == []


def test_a_verb_on_what_is_received_settles_it_first(ws: Workspace) -> None:
    ref = from_outside(ws)
    with held(ws), pytest.raises(WorkspaceBusy):
        answering.say(ws.root, "deny", ref, "unfounded")
    assert waiting(ws) == [ref]
    denied = answering.say(ws.root, "deny", ref, "the sixth this week", "excessive")
    assert (denied["state"], denied["ground"]) == ("denied", "excessive")
    shown = queries.show(ws.root, ref)
    assert shown["ground"] == shown["history"][-1]["ground"] == "excessive"


@pytest.mark.parametrize(
    ("verb", "told"), [("deny", {"ground"}), ("extend", {"inform_person_by", "said"})]
)
def test_a_verb_is_answered_where_the_clock_has_gone_back(
    ws: Workspace, verb: str, told: set[str]
) -> None:
    """The log says so in an entry after the verb's, which was taken for it: `deny` had denied, and
    ended as an error of ours; `extend` did not say by when the person is to be told."""
    ref = submit(ws)["request"]
    ahead = datetime.now(UTC) + timedelta(hours=3)
    opened(str(ws.root)).ledger.record("noted", {}, key="noted", now=ahead)
    assert told <= answering.say(ws.root, verb, ref, "many ask").keys()


def test_the_log_says_who_sent_a_request_and_nothing_of_whom(ws: Workspace) -> None:
    ref = from_outside(ws)
    settled(ws)
    entry = Ledger.open(ws.records, ws.keys, read_only=True).log.find(f"{ref}/submitted")
    assert entry and entry.body["source"] == "shop"
    assert PERSON.encode() not in ws.log.read_bytes()


def test_where_it_is_demanded_a_request_waits_until_it_is_confirmed_who_asks(
    ws: Workspace,
) -> None:
    """It keeps nobody else's examples from being erased: anybody could ask for them."""
    change_params(ws.root, {"requests.identity": "required"})
    waits = submit(ws)
    assert waits["state"] == "held" and "lethe confirm" in waits["reason"]
    attested = from_outside(ws, replace(ASKED, identity="login:portal/7f3a"))
    assert settled(ws)[attested].state is State.ACCEPTED
    assert consider(opened(str(ws.root)), [attested]).refs == (attested,)
    with pytest.raises(RequestDenied, match=f"lethe confirm {waits['request']}"):
        answering.say(ws.root, "resume", waits["request"], "no doubt")
    found = answering.confirm(ws.root, waits["request"], "document:desk")
    assert (found["state"], found["due_at"]) == ("accepted", waits["due_at"])
    assert found["reason"] == f"asks for the same as {attested}, goes with it"
    assert queries.show(ws.root, waits["request"])["identity"]["method"] == "document"
    assert queries.show(ws.root, attested)["identity"]["by"] == "portal"
    assert verify_records(ws, None).problems == ()


def test_by_the_commands_who_asks_is_confirmed_and_a_denial_has_its_ground(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as left:
            main(["--workspace", str(ws.root), "--json", *words])
        said = capsys.readouterr()
        assert (left.value.code or 0) == code, said.err
        return said.err if code else said.out

    asked = json.loads(run("submit", "--subject", PERSON, "--jurisdiction", "ccpa"))
    ref = asked["request"]
    assert asked["acknowledge_by"] < asked["due_at"]
    wrong = run("confirm", ref, "--identity", "jane@example.org", code=2)
    assert "expected METHOD:SYSTEM" in wrong and "jane" not in wrong
    found = json.loads(run("confirm", ref, "--identity", "agent:desk/2026-118"))
    assert found["identity"] == {"method": "agent", "by": "desk", "reference": "2026-118"}
    assert "public_task" not in run("deny", ref, "--reason", "a", "--ground", "no", code=2)
    ended = json.loads(run("deny", ref, "--reason", "in use", "--ground", "transaction"))
    assert (ended["state"], ended["ground"]) == ("denied", "transaction")
    assert "is denied" in run("confirm", ref, "--identity", "login:portal", code=12)
    assert verify_records(ws, None).problems == ()


def test_the_confirmed_request_is_canonical_through_every_door(ws: Workspace) -> None:
    first = submit(ws)["request"]
    second = from_outside(ws, replace(ASKED, identity="login:portal"))
    reasons = {ref: request.reason for ref, request in settled(ws).items()}
    assert reasons[second] is None and f"the same as {second}" in str(reasons[first])


@pytest.mark.parametrize(
    ("selector", "state", "reason"),
    [
        (Selector("subject", ("nobody",)), State.DENIED, "matches no example"),
        (Selector("subject", ("Person/1 ",)), State.HELD, "for 1 of 1 values the data has another"),
        (Selector("subject", (PERSON, "Person/02")), State.HELD, "for 1 of 2 values"),
        (Selector("where", ("x",), "Zoe's shoe size"), State.DENIED, "names an attribute that"),
        (Selector("class", ("cat",)), State.DENIED, "expected at least 2"),
    ],
)
def test_what_nobody_is_there_to_be_asked_about_is_for_a_person(
    ws: Workspace,
    selector: Selector,
    state: State,
    reason: str,
) -> None:
    """Its sender is gone: another way of writing may be a miss, so nobody is denied for it."""
    ref = from_outside(ws, replace(ASKED, selector=selector))
    found = settled(ws)[ref]
    assert found.state is state
    assert reason in (found.reason or "")
    assert not any(value in (found.reason or "") for value in selector.values if value != "cat")
    assert "shoe" not in (found.reason or "")


def test_what_is_held_so_is_taken_as_written_when_it_is_resumed(
    ws: Workspace,
) -> None:
    held_ = replace(ASKED, selector=Selector("subject", (PERSON, "Person/02")))
    ref = from_outside(ws, held_)
    settled(ws)
    found = answering.say(ws.root, "resume", ref, "she means these two")
    assert (found["state"], found["examples"]) == ("accepted", 4)


def test_what_is_meant_as_written_is_not_held(ws: Workspace) -> None:
    ref = from_outside(
        ws, replace(ASKED, selector=Selector("subject", ("Person/1",)), as_written=True)
    )
    assert settled(ws)[ref].state is State.DENIED


@pytest.mark.parametrize(
    "selector", [Selector("subject", ("Person/1",)), Selector("where", ("x",), "size")]
)
def test_who_waits_for_the_answer_is_asked_and_nothing_is_recorded(
    ws: Workspace,
    selector: Selector,
) -> None:
    """The key too is free again, since the corrected request may bear it."""
    with pytest.raises(UsageError):
        requesting.submit(ws.root, selector, None, "gdpr", "k")
    assert waiting(ws) == []
    assert recorded(ws) == {}
    assert submit(ws, key="k")["state"] == "accepted"


def test_what_was_received_before_is_not_taken_back_by_its_repetition(
    ws: Workspace,
) -> None:
    with held(ws):
        ref = submit(ws, "Person/1", key="k")["request"]
    found = submit(ws, "Person/1", key="k")
    assert (found["request"], found["state"]) == (ref, "held")


def test_a_key_of_before_there_was_an_inbox_gives_that_request_back(
    ws: Workspace,
) -> None:
    """The ledger remembers it; the reference that was given at the door leads there too."""
    first = submit(ws, key="k")["request"]
    shutil.rmtree(ws.inbox)
    with held(ws):
        received = submit(ws, key="k")
    assert received["state"] == "received" and received["request"] != first
    assert list(settled(ws)) == [first]
    assert queries.show(ws.root, received["request"])["request"] == first
    assert submit(ws, key="k")["request"] == first


def test_an_identity_that_comes_with_a_repetition_is_told_of_and_not_taken(ws: Workspace) -> None:
    said = "login:portal/7f3a"
    with held(ws):
        ref = submit(ws, key="k")["request"]
        (waits,) = submit(ws, key="k", identity=said)["notes"]
    (onward,) = submit(ws, key="k", identity=said)["notes"]
    assert "was not taken" in waits and f"lethe show {ref}" in waits
    assert "was not taken" in onward and f"lethe confirm {ref} --identity {said}" in onward
    assert opened(str(ws.root)).ledger.identity(ref) is None
    answering.confirm(ws.root, ref, said)
    assert "notes" not in submit(ws, key="k", identity=said)
    (other,) = submit(ws, key="k", identity="document:desk")["notes"]
    assert "is confirmed (login by portal, 7f3a)" in other and "lethe confirm" not in other
    answering.say(ws.root, "deny", submit(ws, key="other")["request"], "by mistake")
    (ended,) = submit(ws, key="other", identity=said)["notes"]
    assert "it is denied" in ended
    assert "notes" not in submit(ws, key="new", identity=said)


def test_a_key_that_was_used_for_another_demand_is_said_or_denied(
    ws: Workspace,
) -> None:
    submit(ws, key="k")
    shutil.rmtree(ws.inbox)
    with pytest.raises(UsageError, match="another content"):
        submit(ws, ANOTHER, key="k")
    assert waiting(ws) == []
    with held(ws):
        ref = submit(ws, ANOTHER, key="k")["request"]
    assert settled(ws)[ref].state is State.DENIED
    assert "idempotency key" in (recorded(ws)[ref].reason or "")


def test_a_workspace_that_is_wrong_keeps_what_it_received(ws: Workspace) -> None:
    """The line says so: sent again it would be a second request."""
    submit(ws, ANOTHER)
    log = ws.log.read_bytes()
    ws.log.write_bytes(log.replace(b"accepted", b"complete"))
    with pytest.raises(IntegrityError, match=r"request req-[0-9a-f]+: was received, due"):
        submit(ws)
    ws.log.write_bytes(log)
    (ref,) = waiting(ws)
    assert settled(ws)[ref].state is State.ACCEPTED


def test_an_unreadable_request_holds_up_nobody_and_can_be_denied(
    ws: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lost = from_outside(ws)
    key = ws.keys / "inbox.key"
    key.rename(key.with_suffix(".lost"))
    with working(ws.root) as at:
        assert at.ledger.known(lost) is None
    checks = {check["name"]: check for check in queries.doctor(ws.root)["checks"]}
    assert lost in checks["inbox"]["hint"]
    assert f"lethe deny {lost}" in checks["inbox"]["hint"]
    with pytest.raises(SystemExit):
        main(["--workspace", str(ws.root), "submit", "--subject", PERSON])
    assert "inbox.key" in capsys.readouterr().err
    assert answering.say(ws.root, "deny", lost, "lost with its disk")["state"] == "denied"
    assert submit(ws)["state"] == "accepted"
    assert recorded(ws)[lost].reason == "lost with its disk"
    with pytest.raises(RequestDenied):
        answering.say(ws.root, "deny", lost, "again")


def test_what_was_settled_is_not_settled_twice_in_a_restored_inbox(
    ws: Workspace,
) -> None:
    ref = from_outside(ws)
    shutil.copytree(ws.inbox, ws.root / "backup")
    before = settled(ws)
    shutil.rmtree(ws.inbox)
    (ws.root / "backup").rename(ws.inbox)
    assert waiting(ws) == [ref]
    assert settled(ws) == before
    assert waiting(ws) == []


EFFECTS: tuple[tuple[Any, str], ...] = (
    *((durable, name) for name in ("write", "append", "remove_file")),
    (Projection, "apply"),
    (Database, "forget_deleted"),
    (Inbox, "settled"),
    (Payloads, "new_key"),
)


class Killed(BaseException):
    """What kill -9 looks like from inside."""


def killed_at(
    n: int, work: Callable[[], object], monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> bool:
    """Do work and die before, or just after, its n-th side effect; whether it came that far."""
    counted = 0

    def counting(do: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            nonlocal counted
            counted += 1
            mine = counted == n
            if mine and not after:
                raise Killed
            found = do(*args, **named)
            if mine:
                raise Killed
            return found

        return call

    with monkeypatch.context() as patched:
        for owner, name in EFFECTS:
            patched.setattr(owner, name, counting(getattr(owner, name)))
        try:
            work()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_side_effect_each_is_settled_once(
    ws: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
) -> None:
    """One that is accepted and one that is denied, whose key is destroyed on the way."""
    accepted = from_outside(ws)
    denied = from_outside(ws, replace(ASKED, selector=Selector("subject", ("x",)), key=None))
    n = 0
    while True:
        copy = Workspace.at(shutil.copytree(ws.root, tmp_path / f"copy-{n}", symlinks=True))
        n += 1
        if not killed_at(n, partial(settle, copy), monkeypatch, after=after):
            break
        states = {ref: one.state for ref, one in settled(copy).items()}
        assert states == {accepted: State.ACCEPTED, denied: State.DENIED}, n
        assert waiting(copy) == []
        assert [path.stem for path in (copy.keys / "requests").iterdir()] == [accepted]
        ledger = opened(str(copy.root)).ledger
        assert ledger.selector(accepted) == ASKED.selector
        submitted = [e for e in ledger.log.entries() if e.event == "submitted"]
        assert len(submitted) == 2
    assert n > 8


def test_after_it_ended_no_byte_of_a_request_is_left_anywhere(
    ws: Workspace,
) -> None:
    """Neither the name, nor what it was encrypted to, nor in the database's own log."""
    canary = "canary-person-0815"
    refs = [
        from_outside(ws, replace(ASKED, selector=Selector("subject", (canary,)), key=canary)),
        from_outside(ws, replace(ASKED, selector=Selector("subject", (f"{canary}2",)), key=None)),
    ]
    ciphertexts = [bytes(row) for row in payloads(ws)]
    assert len(ciphertexts) == 2
    late = from_outside(ws, replace(ASKED, key="waits longer"))
    with closing(inbox_of(ws)) as inbox:  # a service that goes on, so that the log stays
        assert {ref: settled(ws)[ref].state for ref in refs} == dict.fromkeys(refs, State.DENIED)
        for path in (path for path in ws.root.rglob("*") if path.is_file()):
            content = path.read_bytes()
            assert canary.encode() not in content, path
            for ciphertext in ciphertexts:
                assert ciphertext[12:28] not in content, path
                assert ciphertext[-16:] not in content, path
        assert inbox.receive(ASKED, now=datetime.now(UTC)).repeated is False
    assert late in recorded(ws)


def payloads(ws: Workspace) -> list[bytes]:
    import sqlite3

    with closing(sqlite3.connect(ws.received)) as connection:
        return [row[0] for row in connection.execute("SELECT payload FROM inbox ORDER BY number")]


def test_plan_needs_no_lock_and_says_what_is_only_received(ws: Workspace) -> None:
    from flows.cli.work import serving

    ref = from_outside(ws)
    with held(ws), pytest.raises(UsageError):
        serving.plan(ws.root, [ref])


def test_a_workspace_of_before_there_was_an_inbox_works(ws: Workspace) -> None:
    (ws.gitignore).write_text(ws.gitignore.read_text().replace("/inbox/\n", ""))
    settle(ws)
    assert not ws.inbox.exists()
    assert submit(ws)["state"] == "accepted"
    assert (ws.inbox / ".gitignore").read_text() == "*\n"


def test_waiting_is_measured(ws: Workspace) -> None:
    """Receiving one more, the inbox being open: far under the second that is promised."""
    with held(ws), closing(inbox_of(ws)) as inbox:
        begun = time.perf_counter()
        for n in range(20):
            inbox.receive(replace(ASKED, key=str(n)), now=datetime.now(UTC))
        assert time.perf_counter() - begun < 20


def test_many_are_settled_by_one_overwriting(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for all readers of the inbox; that what was deleted is gone is asked for once."""
    times: list[None] = []
    forget = Database.forget_deleted

    def counted(database: Database) -> None:
        times.append(None)
        forget(database)

    monkeypatch.setattr(Database, "forget_deleted", counted)
    refs = [from_outside(ws) for _ in range(5)]
    assert set(refs) <= set(settled(ws))
    assert len(times) == 1
