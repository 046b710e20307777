"""What a run needs and somebody removed: it is found again, or one line says what to do."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.cli.work import requesting, serving
from ledger import durable, suppression
from ledger.domain import Selector, State
from systems.data import erasing, owing, purging, versions
from tasks.erasing import derived
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tasks.suppress import suppress_examples
from tasks.unlearn import attempts_done, begun_record
from tests.integration.small_runs import STEPS, again, copied, extracted, go_on, person, small
from unlearning.errors import InfrastructureError, IntegrityError


class Killed(BaseException):
    """What kill -9 looks like from inside."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("original") / "workspace")


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    return copied(original, tmp_path / "workspace")


def assert_gone(run: Run, ids: list[str], who: str) -> None:
    ws = run.at.ws
    assert purging.holds(ws, ids) == []
    assert requesting.submit(ws.root, Selector("subject", (who,)), None, "gdpr", None)["run"] == (
        run.ref
    )
    assert all(row["status"] == "removed" for row in (again(run).done("purged") or {})["copies"])


@pytest.mark.parametrize("done", range(len(STEPS)))
def test_the_ids_are_found_again_after_every_step(at: Opened, done: int) -> None:
    who = person(at)
    run = extracted(at, who)
    ids = run.all_ids()
    for step in [*STEPS.values()][:done]:
        step(run)
    shutil.rmtree(at.ws.candidates)
    go_on(run)
    assert_gone(run, ids, who)


KILLS = [
    (erasing, "resume", 2),  # the plan is written, nothing swapped
    (erasing, "_record", 1),  # swapped, not added
    (erasing, "save_manifest", 1),
    (erasing, "older_copies", 1),
    (purging, "settle", 1),  # the older objects are gone
    (derived, "forget_trained", 1),
]


@pytest.mark.parametrize(("module", "name", "call"), KILLS, ids=[k[1] for k in KILLS])
def test_the_ids_are_found_again_in_the_middle_of_a_step(
    at: Opened, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, call: int
) -> None:
    """With them go the index, and the note of what is owed; both follow from the data."""
    who = person(at)
    run, left = extracted(at, who), call
    ids, work = run.all_ids(), getattr(module, name)

    def killing(*given: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if not left:
            raise Killed
        return work(*given, **named)

    monkeypatch.setattr(module, name, killing)
    with pytest.raises(Killed):
        go_on(run)
    shutil.rmtree(at.ws.candidates)
    for name in ("owed.json", "index.keyed"):
        (at.ws.artifacts / name).unlink(missing_ok=True)
    go_on(run)
    assert_gone(run, ids, who)
    assert owing.owed(at.ws) == owing.Owed()


@pytest.mark.parametrize("name", ["_record", "save_manifest"])
def test_a_lost_plan_is_made_up_for_by_doing_what_the_line_says(
    at: Opened, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Shards were swapped already, or data.dvc points to them: the older ones are in the cache."""
    who, before = person(at), versions.data_version(at.ws)
    run = extracted(at, who)
    ids = run.all_ids()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(erasing, name, killed)
        go_on(run)
    shutil.rmtree(at.ws.erasing)
    if name == "save_manifest":
        with pytest.raises(IntegrityError, match=rf"write {before}\.dir in place of"):
            again(run)
        pointer = at.ws.data_file.read_text()
        at.ws.data_file.write_text(pointer.replace(versions.data_version(at.ws), before))
    go_on_putting_aside(run)
    assert_gone(run, ids, who)


def go_on_putting_aside(run: Run) -> None:
    """Go on, and put aside the shard that is named, if one is: hers may have been hers alone."""
    try:
        go_on(run)
    except IntegrityError as problem:
        named, _, what = str(problem).partition(":")
        assert "put it aside" in what
        (run.at.ws.data / named).unlink()
        go_on(run)


def killed(*_: object, **__: object) -> None:
    raise Killed


def test_other_ids_than_those_that_were_committed_to_are_never_taken(at: Opened) -> None:
    """Somebody put other data here: the run stops, and goes on when the sealed file is back."""
    who = person(at)
    run = extracted(at, who)
    kept = (run.folder / "forget.sealed").read_bytes()
    ids = run.all_ids()
    erasing.erase(at.ws, ids[:1])
    purging.purge(at.ws, owing.owed(at.ws).keys)
    shutil.rmtree(at.ws.candidates)
    with pytest.raises(InfrastructureError, match=rf"put artifacts/candidates/{run.ref}/forget"):
        run.forget_ids()
    durable.make_folder(run.folder)
    durable.write(run.folder / "forget.sealed", kept)
    assert run.all_ids() == ids


def test_the_policy_of_a_run_is_taken_from_the_records_again(at: Opened) -> None:
    run = extracted(at, person(at))
    digest = run.policy().digest
    shutil.rmtree(at.ws.candidates)
    assert again(run).policy().digest == digest
    shutil.rmtree(at.ws.candidates)
    (at.ws.policies / f"{digest}.yaml").unlink()
    with pytest.raises(IntegrityError, match="restore the adopted file from a copy"):
        again(run).policy()


def test_what_cannot_be_made_again_is_named_and_the_run_can_be_left(at: Opened) -> None:
    run = extracted(at, person(at))
    run.once("judged-0", lambda: {"decision": "refused", "verdicts": {}, "sha256": None})
    for read in (lambda: begun_record(run, 0), lambda: attempts_done(run)):
        with pytest.raises(InfrastructureError, match=f"`lethe abort {run.ref} --reason TEXT`"):
            read()
    shutil.rmtree(at.ws.candidates)
    found = serving.abort(at.ws.root, run.ref, "its files are lost")
    assert set(found["states"].values()) == {"accepted"}


def test_once_all_is_sealed_the_log_tells_enough_of_an_attempt(at: Opened) -> None:
    run = extracted(at, person(at))
    made = {"method": "retrain", "settings": "0" * 64, "seed": 1, "sha256": "1" * 64}
    run.once("unlearned-0", lambda: made)
    body = {"decision": "released", "verdicts": {"utility": "passed"}, "sha256": "1" * 64}
    run.once("judged-0", lambda: body)
    run.once("decided", lambda: {"decision": "released", "records": ["2" * 64]})
    run.once("sealed", lambda: {"statement": "3" * 64})
    (record,) = attempts_done(run)
    assert (record["method"], record["exact"], record["decision"]) == ("retrain", True, "released")


@pytest.mark.parametrize("older", ["none", "of before"])
def test_the_list_is_made_again_from_what_is_still_there(at: Opened, older: str) -> None:
    """It was written, the run cut off, and the list lost, or put back from yesterday's backup."""
    listed = at.ws.records / suppression.FILE
    before = None
    if older == "of before":
        one = extracted(at, person(at, 1))
        go_on(one)
        again(one).at.ledger.finish_run(one.ref, now=utc_now())
        before = listed.read_bytes()
    who = person(at)
    run = extracted(at, who)
    ids = run.all_ids()
    suppress_examples(run)
    erasing.erase(at.ws, ids)  # killed before the log had it
    told = suppression.digest(at.ws.records)
    listed.unlink() if before is None else listed.write_bytes(before)
    go_on(run)
    assert suppression.digest(at.ws.records) == told
    assert_gone(run, ids, who)


def test_a_list_that_lost_what_earlier_runs_put_there_is_an_alarm(at: Opened) -> None:
    one = extracted(at, person(at, 1))
    go_on(one)
    again(one).at.ledger.finish_run(one.ref, now=utc_now())
    listed = at.ws.records / suppression.FILE
    kept = listed.read_bytes()
    run = extracted(at, person(at))
    run.move(State.PURGING)  # killed as it began to list
    listed.unlink()
    with pytest.raises(IntegrityError, match="lacks what earlier runs put on it"):
        again(run)
    listed.write_bytes(kept)
    go_on(run)
