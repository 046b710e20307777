"""A retraining is done again from the data: the same bits, or it is said what stands against it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ledger import durable, keys
from ledger.domain import State
from ledger.replay import retained
from ledger.replay.draws import DISTANCE, IMPOSSIBLE, MISMATCH, REPRODUCED
from ledger.replay.retained import FOLDER
from systems.data import importing
from systems.settings.params import change_params, load_params
from systems.settings.workspace import Workspace, write_templates
from tasks import adopt, train
from tasks.data.importing import take_in
from tasks.erase import erase_examples
from tasks.replaying.again import elsewhere, replayed
from tasks.replaying.material import OF_BEFORE, OTHERS
from tasks.running.opened import Opened, opened
from tasks.running.parts import parts_of
from tasks.running.records import utc_now
from tasks.running.run import Run, read_json
from tasks.suppress import suppress_examples
from tasks.unlearn import Attempt, make_candidate, record_path
from tests.integration.small_runs import COLUMNS, Source, asked, noted, person
from tests.integration.test_importing_more import NAMES, offer
from unlearning.digests import sha256_hex
from unlearning.methods.retrain import Retrain

Statement = dict[str, Any]
DIGITS = Source(data="digits", columns=COLUMNS, test=None, holdout=None, limit=120)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a workspace of 120 digits and a champion of one epoch; there is no bank to judge by."""
    ws = Workspace.at(tmp_path_factory.mktemp("replays"))
    write_templates(ws)
    change_params(ws.root, {"training.epochs": 1})
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    importing.import_dataset(ws, DIGITS, load_params(ws.root), key=keys.shard_key(ws.keys))
    at = opened(str(ws.root))
    adopt.adopt(ws, at.ledger, ws.policy, "the first")
    train.register_first(at, train.train(at))
    return ws.root


def released(at: Opened, who: str) -> Statement:
    """Retrain without somebody, and erase him, as a run does whose candidate was released."""
    ref = asked(at, who)
    at = opened(at.root)
    run = Run(at, at.ledger.start_run([ref], now=utc_now()))
    durable.make_folder(run.folder)
    durable.write(run.folder / "policy.yaml", durable.read(at.ws.policy))
    champion = train.standing(at)
    assert champion is not None
    begun = {
        "policy": sha256_hex(durable.read(at.ws.policy)),
        "parent": champion.version,
        "parent_sha256": champion.sha256,
    }
    run.once("begun", lambda: begun)
    run.move(State.EXTRACTING)
    run.once("extracted", lambda: extracted(run))
    make_candidate(run, Attempt(0, "retrain", {}))
    record = read_json(record_path(run, 0))
    run.once("judged-0", lambda: {"sha256": record["sha256"], "decision": "released"})
    for state in (State.JUDGING, State.PROMOTING):
        run.move(state)
    suppress_examples(run)
    erase_examples(run)
    return {"run": run.ref, "decision": "released", "attempts": [record]}


def extracted(run: Run) -> dict[str, Any]:
    return {**noted(run), "likewise": False, "train": len(run.forget_ids()["train"])}


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    shutil.copytree(original, tmp_path / "workspace", symlinks=True)
    return opened(str(tmp_path / "workspace"))


@pytest.fixture(scope="module")
def done(original: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Opened, Statement]:
    """A workspace in which one person was forgotten by retraining; only read."""
    root = tmp_path_factory.mktemp("done") / "workspace"
    shutil.copytree(original, root, symlinks=True)
    at = opened(str(root))
    statement = released(at, person(at))
    return opened(at.root), statement


AGAIN = """
import json, sys
from tasks.replaying.again import replayed
from tasks.running.opened import opened
root, statement = sys.argv[1:]
found = replayed(opened(root, reading=True), json.loads(statement))
print(json.dumps(found.as_record()))
"""


def in_a_process_of_its_own(at: Opened, statement: Statement) -> dict[str, Any]:
    words = [sys.executable, "-c", AGAIN, at.root, json.dumps(statement)]
    ended = subprocess.run(words, capture_output=True, text=True, env=os.environ, check=True)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_another_process_makes_the_same_bits(done: tuple[Opened, Statement]) -> None:
    """The forgotten person's examples are gone, and nothing of them is needed."""
    at, statement = done
    found = in_a_process_of_its_own(at, statement)
    assert found["outcome"] == REPRODUCED, found
    assert found["replayed"] == statement["attempts"][0]["sha256"]
    assert "differs" not in found


def test_a_copy_of_the_data_is_enough(done: tuple[Opened, Statement]) -> None:
    at, statement = done
    assert replayed(None, statement, data=at.ws.data).outcome == REPRODUCED
    fewer = deepcopy(statement)
    fewer["attempts"][0]["replay"]["examples"] += 1
    assert "the data given have" in str(replayed(None, fewer, data=at.ws.data).why)
    assert "name them with --data" in str(replayed(None, statement).why)


def test_weights_from_elsewhere_are_found(at: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """The champion, which saw the person, signed as if it had been trained without him."""
    with monkeypatch.context() as patch:
        patch.setattr(Retrain, "unlearn", lambda _, original, *rest: deepcopy(original))
        statement = released(at, person(at))
    found = replayed(opened(at.root), statement)
    assert found.outcome == MISMATCH
    assert found.problem is not None and "not trained from these data" in found.problem


def test_on_another_profile_only_a_distance_is_told(done: tuple[Opened, Statement]) -> None:
    """Also where the bits happen to be the same: nobody knows why they would be."""
    at, statement = done
    other = deepcopy(statement)
    other["attempts"][0]["replay"]["profile"]["processor"] = "another"
    found = replayed(at, other)
    assert found.outcome == DISTANCE and found.problem is None
    differs = json.loads(json.dumps(found.as_record()))["differs"]
    assert list(differs) == ["processor"] and not elsewhere(differs)
    differs["processor"][1] = "a third"
    assert elsewhere(differs)


def test_the_distance_is_of_weights_and_of_answers(
    done: tuple[Opened, Statement], tmp_path: Path
) -> None:
    at, statement = done
    champion = train.standing(at)
    assert champion is not None
    other = deepcopy(statement)
    other["attempts"][0]["sha256"] = champion.sha256
    found = replayed(at, other)
    assert found.outcome == MISMATCH and found.far is not None
    assert found.far.largest > 0 and found.far.relative > 0
    assert found.far.examples == len(parts_of(at).holdout)


def test_answers_are_compared_on_the_runs_own_holdout_alone(
    done: tuple[Opened, Statement],
) -> None:
    """The bits are the same whatever it is; a share of answers on another would say nothing."""
    at, statement = done
    weights = at.ws.candidates / statement["run"] / "attempt-0.safetensors"
    mine, other, before = (deepcopy(statement) for _ in range(3))
    other["attempts"][0]["replay"]["holdout"] = "ab" * 32
    del before["attempts"][0]["replay"]["holdout"]
    found = [replayed(None, s, data=at.ws.data, candidate=weights) for s in (mine, other, before)]
    assert [one.outcome for one in found] == [REPRODUCED] * 3
    assert [one.holdout for one in found] == [None, OTHERS, OF_BEFORE]
    compared = [one.far.examples for one in found if one.far]
    assert compared == [len(parts_of(at).holdout), 0, len(parts_of(at).holdout)]


def test_whoever_was_erased_since_makes_it_impossible(at: Opened) -> None:
    statement = released(at, person(at))
    again = opened(at.root)
    next_one = person(again)
    count = sum(parts_of(again).train.subjects == next_one)
    later = released(again, next_one)
    found = replayed(opened(at.root), statement)
    assert (found.outcome, found.problem) == (IMPOSSIBLE, None)
    words = f"cannot be replayed: {count} of its {statement['attempts'][0]['replay']['examples']} "
    assert found.why == f"{words}examples have since been erased"
    assert replayed(opened(at.root), later).outcome == REPRODUCED


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log tell of no list, as it did before."""
    monkeypatch.setattr("tasks.replaying.material.told", lambda _: {})


@pytest.mark.usefixtures("untold")
def test_examples_that_nobody_erased_are_not_said_to_be(at: Opened) -> None:
    """A list that was cut would make every replay impossible, so the log is asked."""
    statement = released(at, person(at))
    (path,) = (at.ws.records / FOLDER).iterdir()
    path.write_bytes(path.read_bytes()[8:])
    found = replayed(opened(at.root), statement)
    assert found.outcome == MISMATCH and "only 0 were erased since" in str(found.problem)


def lists(at: Opened) -> tuple[str, ...]:
    """What the log and the lists beside it say of each other."""
    entries = opened(at.root).ledger.log.entries()
    return tuple(retained.objections(at.ws.records, retained.told(entries)))


def test_a_list_is_the_one_that_the_log_tells_of(at: Opened) -> None:
    """Nothing is trained to see it."""
    first = released(at, person(at))
    (path,) = (at.ws.records / FOLDER).iterdir()
    genuine = path.read_bytes()
    assert lists(at) == ()
    path.write_bytes(genuine[8:])
    assert [first["run"] in line and "was altered" in line for line in lists(at)] == [True]
    found = replayed(opened(at.root), first)
    assert found.outcome == MISMATCH and "was altered" in str(found.problem)
    released(opened(at.root), person(opened(at.root)))
    assert len(lists(at)) == 1, "an erasure strikes it all the same, and vouches for nothing"


def test_a_strike_that_is_cut_off_is_no_alteration(
    at: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(at, person(at))
    again = opened(at.root)
    (path,) = (at.ws.records / FOLDER).iterdir()
    genuine = path.read_bytes()

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("tasks.erase.strike", killed)
        released(again, person(again))
    assert lists(at) == ()
    (run,) = opened(at.root).ledger.unfinished_runs().keys() - set(done_runs(at))
    erase_examples(Run(opened(at.root), run))
    assert lists(at) == ()
    assert len(list((at.ws.records / FOLDER).iterdir())) == 2
    path.write_bytes(genuine)
    assert len(lists(at)) == 1, "who was struck is back"


def done_runs(at: Opened) -> list[str]:
    entries = opened(at.root).ledger.log.entries()
    return [e.key.removesuffix("/erased") for e in entries if e.key.endswith("/erased")]


def test_a_list_that_was_removed_is_an_alarm(at: Opened) -> None:
    """Without it replays are impossible once data come in, for no reason that the log tells of."""
    statement = released(at, person(at))
    (path,) = (at.ws.records / FOLDER).iterdir()
    path.unlink()
    assert len(lists(at)) == 1
    found = replayed(opened(at.root), statement)
    assert found.outcome == MISMATCH and "altered or removed" in str(found.problem)


@pytest.mark.usefixtures("untold")
def test_a_list_of_before_that_was_removed_is_an_alarm_too(at: Opened) -> None:
    statement = released(at, person(at))
    (path,) = (at.ws.records / FOLDER).iterdir()
    path.unlink()
    found = replayed(opened(at.root), statement)
    assert found.outcome == MISMATCH and "is gone" in str(found.problem)


def test_data_of_another_digest_are_an_alarm_where_all_are_there(
    done: tuple[Opened, Statement],
) -> None:
    at, statement = done
    false = deepcopy(statement)
    false["attempts"][0]["replay"]["data"] = "ab" * 32
    found = replayed(at, false)
    assert found.outcome == MISMATCH and "trained on others" in str(found.problem)


def _without_replay(statement: Statement) -> None:
    del statement["attempts"][0]["replay"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_without_replay, "does not say on what"),
        (lambda s: s.update(decision="refused"), "nothing was released"),
        (lambda s: s["attempts"][0].update(exact=False, method="finetune"), "finetune is no"),
        (lambda s: s["attempts"][0].update(method="head_downdate"), "its bound"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    done: tuple[Opened, Statement], change: Callable[[Statement], Any], why: str
) -> None:
    at, statement = done
    other = deepcopy(statement)
    change(other)
    found = replayed(at, other)
    assert found.outcome == IMPOSSIBLE and why in str(found.why)


def test_data_that_came_in_since_are_left_out(at: Opened, tmp_path: Path) -> None:
    statement = released(at, person(at))
    before = len(parts_of(at).train)
    again = opened(at.root)
    take_in(again, offer(tmp_path), NAMES, as_written=False)
    again = opened(at.root)
    assert len(parts_of(again).train) > before
    assert replayed(again, statement).outcome == REPRODUCED
