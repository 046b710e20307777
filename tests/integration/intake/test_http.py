"""The HTTP door: what is taken, what is refused and with which status, and what nobody learns."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger import checkpoint, sources
from ledger.domain import Selector, State
from ledger.inbox import Inbox
from ledger.keys import load_public_keys
from ledger.lock import workspace_lock
from ledger.requests import Ledger, Verb
from ledger.sources import signing
from systems.intake.http import Surroundings, make_app
from tests.integration.intake.doors import BODY, POST, Desk, desk, made, opened, with_source
from unlearning.errors import InfrastructureError


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Desk]:
    found = desk(made(tmp_path))
    with found.client:
        yield found


def waiting(at: Desk) -> list[str]:
    inbox = opened(at.ws)
    found = [one.ref for one in inbox.waiting()]
    inbox.close()
    return found


def test_a_signed_request_is_durable_and_answered_with_reference_and_deadline(crm: Desk) -> None:
    answer = crm.post()
    assert answer.status_code == 202
    said = answer.json()
    assert said.keys() == {"request", "state", "due_at"} and said["state"] == "received"
    assert datetime.fromisoformat(said["due_at"]) > datetime.now(UTC) + timedelta(days=27)
    assert waiting(crm) == [said["request"]] == crm.told
    inbox = opened(crm.ws)
    incoming = inbox.opened(said["request"])
    inbox.close()
    assert (incoming.selector, incoming.source) == (Selector("subject", ("s-1",)), "crm")


def test_it_is_received_while_a_run_holds_the_workspace(crm: Desk) -> None:
    with workspace_lock(crm.ws.records / "lock"):
        assert crm.post().status_code == 202


def test_the_same_key_with_the_same_content_is_one_request(crm: Desk) -> None:
    key = {"Idempotency-Key": "case-7"}
    first, again = crm.post(**key), crm.post(**key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert len(waiting(crm)) == 1 == len(crm.told)


def test_the_same_key_with_another_content_is_409(crm: Desk) -> None:
    key = {"Idempotency-Key": "case-7"}
    crm.post(**key)
    assert crm.post({"subjects": ["s-2"]}, **key).status_code == 409
    assert len(waiting(crm)) == 1


def test_two_sources_may_use_the_same_key(crm: Desk) -> None:
    other = Desk(crm.ws, "desk", with_source(crm.ws, "desk"), crm.client)
    refs = {at.post(**{"Idempotency-Key": "case-7"}).json()["request"] for at in (crm, other)}
    assert len(refs) == 2


def test_a_replay_is_401_also_after_a_restart(crm: Desk) -> None:
    body = json.dumps(BODY).encode()
    headers = crm.signed(body)
    assert crm.post(body, headers).status_code == 202
    assert crm.post(body, headers).status_code == 401
    again = desk(crm.ws, "other")
    with again.client:
        assert again.post(body, headers).status_code == 401
    assert len(waiting(crm)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {signing.SIGNATURE: "0" * 64},
        {signing.SOURCE: "nobody"},
        {signing.NONCE: "another-nonce-than-signed"},
        {signing.TIMESTAMP: "1"},
        {signing.SIGNATURE: "\u00e9"},
    ],
)
def test_a_forgery_is_401_and_leaves_no_trace(crm: Desk, changes: dict[str, str]) -> None:
    body = json.dumps(BODY).encode()
    headers = {k: v.encode("utf-8") for k, v in (crm.signed(body) | changes).items()}
    answer = crm.post(body, headers)  # type: ignore[arg-type]  # bytes of any kind
    assert answer.status_code == 401
    assert waiting(crm) == []


def test_an_unsigned_or_old_request_is_401(crm: Desk) -> None:
    body = json.dumps(BODY).encode()
    assert crm.post(body, {}).status_code == 401
    old = crm.signed(body, now=datetime.now(UTC) - timedelta(minutes=6))
    assert crm.post(body, old).status_code == 401
    assert waiting(crm) == []


def test_a_removed_source_is_refused_at_once(crm: Desk) -> None:
    assert crm.post().status_code == 202
    ledger = Ledger.open(crm.ws.records, crm.ws.keys)
    sources.remove(ledger, crm.ws.keys, "crm", now=datetime.now(UTC))
    assert crm.post().status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", {}, {"subjects": []}, {"subjects": ["\ud800"]}),
        {"subjects": ["s"], "jurisdiction": "mars"},
        {"subjects": ["s"], "received_at": "2999-01-01T00:00:00Z"},
    ],
)
def test_a_malformed_body_is_422_in_problem_json(crm: Desk, body: Any) -> None:
    answer = crm.post(body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() == {"type", "title", "status", "detail"}
    assert waiting(crm) == []


def test_a_key_that_is_none_is_422(crm: Desk) -> None:
    assert crm.post(**{"Idempotency-Key": "k" * 201}).status_code == 422


def test_a_body_beyond_the_limit_is_413_however_it_is_sent(tmp_path: Path) -> None:
    at = desk(made(tmp_path), body_bytes=1_000)
    with at.client:
        long = json.dumps({"subjects": ["s" * 900, "s" * 900]}).encode()
        assert at.post(long).status_code == 413
        pieces = (long[i : i + 100] for i in range(0, len(long), 100))
        answer = at.client.post(POST, content=pieces, headers=at.signed(long))
        assert answer.status_code == 413
    assert waiting(at) == []


def test_over_quota_is_429_and_says_when_to_come_again(tmp_path: Path) -> None:
    at = desk(made(tmp_path), per_second=0.01, burst=3)
    with at.client:
        answers = [at.post() for _ in range(4)]
    assert [a.status_code for a in answers] == [202, 202, 202, 429]
    assert 90 <= int(answers[-1].headers["retry-after"]) <= 100
    assert len(waiting(at)) == 3


def test_forgeries_use_up_nobodys_quota(tmp_path: Path) -> None:
    at = desk(made(tmp_path), per_second=0.01, burst=1)
    with at.client:
        for _ in range(5):
            assert at.post(b"{}", at.signed(b"another")).status_code == 401
        assert at.post().status_code == 202


def test_a_disk_that_is_full_is_503_and_says_nothing_of_this_machine(
    crm: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise InfrastructureError("inbox/inbox.db: disk is full")

    monkeypatch.setattr(Inbox, "receive", full)
    answer = crm.post()
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert "inbox" not in answer.text and "disk is full" in caplog.text


def test_what_nobody_foresaw_is_500_without_a_word_of_what_was_sent(
    crm: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("s-1")

    monkeypatch.setattr(Inbox, "receive", broken)
    with caplog.at_level(logging.DEBUG):
        answer = crm.post()
    assert answer.status_code == 500
    assert "s-1" not in answer.text + caplog.text


def test_a_notice_that_fails_changes_nothing_for_the_sender(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(ref: str) -> None:
        raise ConnectionError(ref)

    ws = made(tmp_path)
    at = desk(ws, app=make_app(ws, lambda: opened(ws), around=Surroundings(notify=refuse)))
    with at.client:
        assert at.post().status_code == 202
    assert len(waiting(at)) == 1 and "nobody was told" in caplog.text


def settled(at: Desk, ref: str, *, examples: int) -> str:
    """Let the ledger have a request, under a name of its own."""
    now = datetime.now(UTC)
    ledger = Ledger.open(at.ws.records, at.ws.keys)
    inbox = opened(at.ws)
    incoming = inbox.opened(ref)
    found = ledger.submit(
        incoming.selector,
        received_at=incoming.received_at,
        jurisdiction=incoming.jurisdiction,
        idempotency_key=incoming.ledger_key,
        examples=examples,
        now=now,
    )
    inbox.settled(ref, as_ref=found.ref)
    inbox.close()
    return found.ref


def test_to_a_source_known_and_unknown_persons_stand_alike(crm: Desk) -> None:
    """One request was denied since nobody knows the person, the other was accepted."""
    refs = [crm.post({"subjects": [who]}).json()["request"] for who in ("known", "unknown")]
    assert {crm.get(f"{POST}/{ref}").json()["state"] for ref in refs} == {"received"}
    for ref, examples in zip(refs, (3, 0), strict=True):
        settled(crm, ref, examples=examples)
    stand = [crm.get(f"{POST}/{ref}").json() for ref in refs]
    assert [s["state"] for s in stand] == ["in_progress", "in_progress"]
    assert [s["request"] for s in stand] == refs


def test_a_request_of_another_source_is_as_unknown_as_one_that_never_was(crm: Desk) -> None:
    other = Desk(crm.ws, "desk", with_source(crm.ws, "desk"), crm.client)
    ref = crm.post().json()["request"]
    theirs, none = other.get(f"{POST}/{ref}"), other.get(f"{POST}/req-000000000000")
    assert (theirs.status_code, theirs.json()) == (none.status_code, none.json())
    assert theirs.status_code == 404


def test_a_signature_for_one_path_opens_no_other(crm: Desk) -> None:
    refs = [crm.post().json()["request"] for _ in range(2)]
    headers = crm.signed(f"{POST}/{refs[0]}".encode())
    answers = [crm.client.get(f"{POST}/{ref}", headers=headers).status_code for ref in refs]
    assert answers == [200, 401]


def completed(at: Desk, ref: str, known: str | None = None) -> str:
    """Carry a request through a run whose bundle lies there, as far as the ledger tells.

    known: what the ledger has it as, where it was settled before.
    """
    known = known or settled(at, ref, examples=3)
    ledger = Ledger.open(at.ws.records, at.ws.keys)
    now = datetime.now(UTC)
    run = ledger.start_run([known], now=now)
    for state in (State.EXTRACTING, State.PURGING, State.COMPLETE):
        ledger.move(known, state, now=now)
    ledger.finish_run(run, now=now)
    for name in ("statement.json", "statement.sig", "erasure/statement.sig"):
        path = at.ws.evidence / run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return run


def test_the_certificate_is_the_sealed_bundle_once_complete(tmp_path: Path) -> None:
    at = desk(made(tmp_path), certificates=("crm",))
    with at.client:
        ref = at.post().json()["request"]
        assert at.get(f"{POST}/{ref}/certificate").status_code == 404
        run = completed(at, ref)
        answer = at.get(f"{POST}/{ref}/certificate")
        assert at.get(f"{POST}/{ref}").json()["state"] == "closed"
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [
            f"{run}/erasure/statement.sig",
            f"{run}/statement.json",
            f"{run}/statement.sig",
        ]


def test_a_request_is_not_closed_while_some_of_it_is_held(tmp_path: Path) -> None:
    at = desk(made(tmp_path), certificates=("crm",))
    with at.client:
        ref = at.post().json()["request"]
        known, now = settled(at, ref, examples=3), datetime.now(UTC)
        ledger = Ledger.open(at.ws.records, at.ws.keys)
        part = ledger.hold_part(known, ["e-1"], examples=3, reason="a lawsuit", now=now).ref
        completed(at, ref, known)
        assert at.get(f"{POST}/{ref}").json()["state"] == "in_progress"
        ledger = Ledger.open(at.ws.records, at.ws.keys)
        ledger.say(Verb.DENY, part, reason="a lawsuit", now=now)
        assert at.get(f"{POST}/{ref}").json()["state"] == "closed"


def test_a_source_that_is_not_trusted_learns_nothing_of_the_end(crm: Desk) -> None:
    ref = crm.post().json()["request"]
    before = crm.get(f"{POST}/{ref}/certificate")
    completed(crm, ref)
    after = crm.get(f"{POST}/{ref}/certificate")
    assert (before.status_code, before.json()) == (after.status_code, after.json())
    assert before.status_code == 403
    assert crm.get(f"{POST}/{ref}").json()["state"] == "in_progress"


def test_the_checkpoint_is_signed_by_the_key_of_the_log(crm: Desk) -> None:
    content = crm.client.get("/v1/log/checkpoint").content
    seen = checkpoint.checked(content, load_public_keys(crm.ws.public_key))
    log = Ledger.open(crm.ws.records, crm.ws.keys, read_only=True).log
    assert (seen.head, seen.entries) == (log.head, len(log.entries()))


def test_metrics_count_by_door_and_status_and_name_nobody(crm: Desk) -> None:
    crm.post()
    crm.post(b"{}")
    text = crm.client.get("/metrics").text
    assert 'lethe_intake_requests_total{door="http",outcome="202"} 1.0' in text
    assert 'lethe_intake_requests_total{door="http",outcome="422"} 1.0' in text
    assert "s-1" not in text and "req-" not in text


def test_a_checkpoint_is_signed_once_for_each_head(
    crm: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may ask, as often as he likes."""
    signed: list[int] = []
    real = checkpoint.signed
    monkeypatch.setattr(
        "systems.intake.standing.checkpoint.signed",
        lambda one, key: signed.append(one.entries) or real(one, key),
    )
    answers = {crm.client.get("/v1/log/checkpoint").content for _ in range(5)}
    assert len(answers) == len(signed) == 1
    settled(crm, crm.post().json()["request"], examples=3)
    assert crm.client.get("/v1/log/checkpoint").content not in answers
    assert len(signed) == 2


def test_who_asks_for_the_checkpoint_all_the_time_waits_and_keeps_no_source_from_it(
    tmp_path: Path,
) -> None:
    at, path = desk(made(tmp_path), per_second=0.01, burst=2), "/v1/log/checkpoint"
    answers = [at.client.get(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert at.get(path).content == answers[0].content
    assert at.client.get(path, headers=at.signed(b"/v1/other")).status_code == 401
    assert at.post().status_code == 202


def numbers(at: Desk) -> dict[str, float]:
    lines = [line.split() for line in at.client.get("/metrics").text.splitlines()]
    return {line[0]: float(line[1]) for line in lines if line[0] != "#" and len(line) == 2}


def test_metrics_say_what_waits_and_how_near_the_next_deadline_is(crm: Desk) -> None:
    """A month is 28 to 31 days, and a deadline is moved over a weekend at most."""
    assert "lethe_deadline_seconds" not in numbers(crm)
    refs = [crm.post({"subjects": [f"s-{n}"]}).json()["request"] for n in range(3)]
    settled(crm, refs[0], examples=3)
    settled(crm, refs[1], examples=0)
    found = numbers(crm)
    assert (found["lethe_inbox_waiting"], found["lethe_requests_open"]) == (1, 1)
    assert found["lethe_log_entries"] == 4  # made, the source, and two requests
    assert 27 < found["lethe_deadline_seconds"] / 86_400 < 40


def test_health_is_what_the_service_says(crm: Desk) -> None:
    assert crm.client.get("/healthz").json() == {"ok": True}


def test_the_page_of_the_api_needs_no_other_host(crm: Desk) -> None:
    text = crm.client.get("/docs").text
    assert "X-Lethe-Signature" in text and "://" not in text


@pytest.mark.parametrize(("verb", "path"), [("get", "/nothing"), ("put", POST)])
def test_a_call_that_does_not_exist_is_problem_json(crm: Desk, verb: str, path: str) -> None:
    answer = crm.client.request(verb, path)
    assert answer.status_code in (404, 405)
    assert answer.headers["content-type"] == "application/problem+json"


def test_events_come_by_the_same_door(crm: Desk) -> None:
    event = {
        "specversion": "1.0",
        "id": "e-7",
        "source": "/crm/desk",
        "type": "lethe.erasure-request.v1",
    }
    kind = {"content-type": "application/cloudevents+json"}
    first = crm.post(event | {"data": BODY}, **kind)
    binary = {f"ce-{k}": v for k, v in event.items()} | {"content-type": "application/json"}
    again = crm.post(BODY, **binary)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()  # the same event, in the other mode
    assert len(waiting(crm)) == 1
