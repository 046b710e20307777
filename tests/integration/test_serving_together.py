"""Whose requests go into one run: decided for each by itself, and again when it is claimed."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.cli import main
from flows.cli.work import queries, requesting, serving
from ledger.domain import Selector, State
from ledger.requests import Verb
from systems.data.sources import Source
from systems.settings.approval import Approval
from systems.settings.policy import Rung
from tasks import extract as extracting
from tasks.claim import link_erased
from tasks.extract import extract_forget_set
from tasks.requests.asked import restricted_ids
from tasks.requests.choose import choose, consider, require_all
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tests.integration.small_runs import copied, made
from tests.integration.test_requests_on_data import ended, erase
from tests.unit.input.forms import N, put
from unlearning.errors import InfrastructureError, RequestDenied

CLASSES = ("ape", "cat", "dog")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, two people each, of which the log tells as `init` does."""
    folder = tmp_path_factory.mktemp("together")
    labels = [CLASSES[i % 3] for i in range(N)]
    people = [f"{CLASSES[i % 3]}-{i // 3 % 4}" for i in range(N)]
    path = put(folder / "train.parquet", label=labels, subject_id=people)
    return made(folder / "workspace", Source(str(path)))


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    return copied(original, tmp_path / "workspace")


@pytest.fixture(autouse=True)
def nothing_drifts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model stands behind these runs: who is served is asked here, not by which method."""
    monkeypatch.setattr(Run, "parent", lambda _: SimpleNamespace(version=1))
    monkeypatch.setattr(Run, "policy", lambda _: SimpleNamespace(approval=Approval()))
    monkeypatch.setattr(extracting, "drift_told", lambda *_: {"exact_only": False})
    monkeypatch.setattr(extracting, "rungs", lambda *_, **__: (Rung("retrain", {}),))
    monkeypatch.setattr(extracting, "_chances", lambda *_: {"chances": []})
    monkeypatch.setattr(extracting, "_not_tried", lambda *_: [])


def submit(at: Opened, kind: Any, *values: str) -> str:
    found = requesting.submit(at.ws.root, Selector(kind, values), None, "gdpr", None)
    assert found["state"] == "accepted", found["reason"]
    return str(found["request"])


def again(at: Opened) -> Opened:
    return opened(at.root)


def say(at: Opened, verb: Verb, ref: str) -> None:
    again(at).ledger.say(verb, ref, reason="a lawsuit", now=utc_now())


def extracted(at: Opened, *refs: str) -> dict[str, Any]:
    """Begin a run over requests and extract their forget set."""
    at = again(at)
    run = Run(at, at.ledger.start_run(refs, now=utc_now()))
    run.folder.mkdir(parents=True)
    run.move(State.EXTRACTING)
    return extract_forget_set(run)


def person(at: Opened, name: str) -> str:
    """Somebody of whom training examples are there."""
    found = [i for i in restricted_of_nobody(at) if i[0].startswith(name)]
    return found[0][0]


def restricted_of_nobody(at: Opened) -> list[tuple[str, str]]:
    from systems.data import loading

    train = loading.load_examples(at.ws)["train"]
    return sorted(set(zip(train.subjects.tolist(), train.ids.tolist(), strict=True)))


def test_classes_that_leave_one_together_are_served_one_after_the_other(at: Opened) -> None:
    """Either class may go, not both: the first is served, with everybody else, the second ends."""
    ape, cat = submit(at, "class", "ape"), submit(at, "class", "cat")
    dog = submit(at, "subject", person(at, "dog"))
    found = choose(again(at), [cat, dog, ape])
    assert found.refs == tuple(sorted((ape, dog)))
    assert f"together with {ape}" in found.waiting[cat] and not found.never
    with pytest.raises(RequestDenied, match=f"{cat}: cannot be served together with {ape}"):
        require_all(again(at), [ape, cat])
    assert again(at).ledger.request(cat).state is State.ACCEPTED

    said = extracted(at, ape, dog)
    assert (said["restricted"], said["left_out"], said["yielding"]) == (0, [], [cat])
    run = next(iter(again(at).ledger.unfinished_runs()))
    again(at).ledger.finish_run(run, now=utc_now())
    for ref in (ape, dog):
        again(at).ledger.move(ref, State.ACCEPTED, now=utc_now())
    ended(erase(at, ape, dog))

    last = submit(at, "subject", person(at, "dog"))
    found = choose(again(at), [cat, last])
    assert found.refs == (last,)
    assert "examples of 1 class to train on" in found.never[cat]
    denied = again(at).ledger.request(cat)
    assert (denied.state, denied.reason) == (State.DENIED, found.never[cat])
    assert not (at.ws.keys / "requests" / f"{cat}.key").exists()
    assert extracted(at, last)["yielding"] == []
    assert again(at).ledger.check().ok


def test_two_halves_of_the_people_do_not_block_each_other(at: Opened) -> None:
    """Together they are all of the data: one half is forgotten, the other then is all there is."""
    names = sorted({name for name, _ in restricted_of_nobody(at)})
    one, other = submit(at, "subject", *names[::2]), submit(at, "subject", *names[1::2])
    assert choose(again(at), [one, other]).refs == (one,)
    assert extracted(at, one)["yielding"] == [other]


def test_nobody_left_to_serve_is_said_with_the_reason(at: Opened) -> None:
    ape, cat = submit(at, "class", "ape"), submit(at, "class", "cat")
    ended(erase(at, ape))
    with pytest.raises(RequestDenied, match=f"{cat}: is denied: .*1 class") as caught:
        choose(again(at), [cat])
    assert caught.value.exit_code == 12
    assert again(at).ledger.request(cat).state is State.DENIED


def test_a_person_waits_for_a_class_that_could_be_served_with_her(at: Opened) -> None:
    """No model may learn the class any more, and none could be judged without it."""
    ape, dog = submit(at, "class", "ape"), submit(at, "subject", person(at, "dog"))
    assert consider(again(at), [ape, dog]).refs == tuple(sorted((ape, dog)))
    with pytest.raises(RequestDenied, match=f"other open requests \\({ape}\\)"):
        extracted(at, dog)
    at = again(at)
    assert at.ledger.request(dog).state is State.ACCEPTED
    assert at.ledger.unfinished_runs() == {}


def test_what_is_on_hold_is_not_erased_and_holds_up_nobody_else(at: Opened) -> None:
    """A lawsuit over the apes: the class waits, so does one of them, and a dog is forgotten."""
    ape = submit(at, "class", "ape")
    one, dog = submit(at, "subject", person(at, "ape")), submit(at, "subject", person(at, "dog"))
    say(at, Verb.HOLD, ape)
    found = choose(again(at), [ape, one, dog])
    assert found.refs == (dog,)
    assert f"on hold by {ape}" in found.waiting[one]
    assert ape in extracted(at, dog)["yielding"]
    run = next(iter(again(at).ledger.unfinished_runs()))
    again(at).ledger.finish_run(run, now=utc_now())
    say(at, Verb.RESUME, ape)
    assert choose(again(at), [ape, one]).refs == tuple(sorted((ape, one)))


def test_a_hold_does_not_come_too_late_in_silence(
    at: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    """A killed run over all apes is to erase one that is now disputed: it is left first."""
    ape, one = submit(at, "class", "ape"), submit(at, "subject", person(at, "ape"))
    dog = submit(at, "subject", person(at, "dog"))
    extracted(at, ape)
    run = next(iter(again(at).ledger.unfinished_runs()))
    code, problem = said(capsys, at, "hold", one, "--reason", "a lawsuit")
    assert code == 12 and f"lethe abort {run} --reason TEXT" in problem["error"]
    assert said(capsys, at, "hold", dog, "--reason", "a lawsuit")[0] == 0
    serving.abort(at.ws.root, run, "one of them is disputed")
    assert said(capsys, at, "hold", one, "--reason", "a lawsuit")[0] == 0
    with pytest.raises(RequestDenied, match=f"on hold by {one}"):
        require_all(again(at), [ape])


def test_a_lost_key_is_named_and_holds_up_nobody_else(at: Opened) -> None:
    lost, dog = submit(at, "subject", person(at, "ape")), submit(at, "subject", person(at, "dog"))
    (at.ws.keys / "requests" / f"{lost}.key").unlink()
    at = again(at)
    assert link_erased(at.root, [lost, dog]) == [lost, dog]
    found = choose(at, [lost, dog])
    assert found.refs == (dog,)
    assert f"lethe deny {lost} --reason TEXT" in found.lost[lost]
    (check,) = (c for c in queries.doctor(at.ws.root)["checks"] if c["name"] == "keys")
    assert not check["ok"] and f"requests/{lost}.key" in check["hint"]
    assert len(restricted_ids(at)) > 0
    for words in ([lost], [lost, dog]):
        with pytest.raises(InfrastructureError, match=f"lethe deny {lost}") as caught:
            require_all(at, words)
        assert caught.value.exit_code == 20
    erase(at, dog)
    say(at, Verb.DENY, lost)
    assert "lethe deny" not in str(queries.doctor(at.ws.root))


def test_a_run_whose_key_is_lost_can_be_left_and_its_request_denied(at: Opened) -> None:
    lost = submit(at, "subject", person(at, "ape"))
    run = again(at).ledger.start_run([lost], now=utc_now())
    (at.ws.keys / "requests" / f"{lost}.key").unlink()
    with pytest.raises(RequestDenied, match=f"`lethe abort {run} --reason TEXT`"):
        say(at, Verb.DENY, lost)
    serving.abort(at.ws.root, run, "its key is lost")
    say(at, Verb.DENY, lost)
    assert again(at).ledger.request(lost).state is State.DENIED


@pytest.mark.parametrize("state", [State.PROMOTING, State.PURGING])
def test_so_can_one_that_was_released_and_can_never_erase(at: Opened, state: State) -> None:
    """Else it would hold up everybody: it can neither go on nor be left. What it released stays."""
    lost = submit(at, "subject", person(at, "ape"))
    here = again(at)
    run = Run(here, here.ledger.start_run([lost], now=utc_now()))
    for step in (State.EXTRACTING, State.UNLEARNING, State.JUDGING, State.PROMOTING):
        run.move(step)
    run.once("promoted", lambda: {"version": 2, "sha256": "1" * 64, "parent": 1})
    if state is State.PURGING:
        run.move(state)
    with pytest.raises(RequestDenied, match="go on with it"):
        serving.abort(at.ws.root, run.ref, "its key is there")
    (at.ws.keys / "requests" / f"{lost}.key").unlink()
    serving.abort(at.ws.root, run.ref, "its key is lost")
    assert not again(at).ledger.unfinished_runs()
    say(at, Verb.DENY, lost)
    assert again(at).ledger.request(lost).state is State.DENIED


def said(capsys: pytest.CaptureFixture[str], at: Opened, *words: str) -> tuple[int, dict[str, Any]]:
    """Run a command line; give its exit code and its answer."""
    with pytest.raises(SystemExit) as left:
        main(["--json", "--workspace", at.root, *words])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return int(str(left.value.code or 0)), answer


def test_the_verbs_on_the_command_line(at: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    """Each gives the record; what a state does not allow is 12; who was denied stays denied."""
    ref, why = submit(at, "subject", person(at, "dog")), ("--reason", "a lawsuit")
    code, held = said(capsys, at, "hold", ref, *why)
    assert (code, held["state"], held["reason"]) == (0, "held", "a lawsuit")
    assert 26 <= held["days_left"] <= 34  # a month, to the next working day
    code, extended = said(capsys, at, "extend", ref, *why)
    assert (code, extended["state"], extended["days_left"] > 80) == (0, "held", True)
    assert datetime.fromisoformat(extended["inform_person_by"]) == datetime.fromisoformat(
        held["due_at"]
    )
    assert said(capsys, at, "resume", ref, *why)[1]["state"] == "accepted"
    code, denied = said(capsys, at, "deny", ref, *why)
    assert (code, denied["state"], denied["days_left"]) == (0, "denied", None)
    for words in (["resume", ref, *why], ["extend", ref, *why], ["train", "--without", ref]):
        code, problem = said(capsys, at, *words)
        assert code == 12 and "is denied (a lawsuit)" in problem["error"]
    _, shown = said(capsys, at, "show", ref)
    events = [entry["event"] for entry in shown["history"]]
    assert events == ["submitted", "held", "extended", "resumed", "denied"]
    assert shown["history"][2]["inform_by"] and shown["history"][4]["reason"] == "a lawsuit"
    assert said(capsys, at, "verify", "--log")[1]["ok"]
