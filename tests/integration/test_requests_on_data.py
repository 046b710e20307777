"""Requests against real data in DVC, without any training: who is served, and by which run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.cli.work import comparing, opening, queries, requesting, serving
from ledger.domain import Selector, State
from ledger.requests import Verb
from systems.compute import producing
from systems.copies import Copy, Status
from systems.data import loading
from systems.data.erasing import erase as erase_data
from systems.data.sources import Columns
from tasks import purge, train
from tasks.claim import link_erased
from tasks.erase import erase_examples
from tasks.extract import find
from tasks.generated.whole import goes_whole
from tasks.requests.asked import restricted_ids
from tasks.running import parts
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tasks.suppress import suppress_examples
from tasks.versions import held
from tests.integration.small_runs import copied, made
from unlearning.domain import SPLITS, Examples, TextArray
from unlearning.errors import IntegrityError, UsageError

COLUMNS = Columns(image="image", label="label", subject=None, example=None)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("original") / "workspace")


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    return copied(original, tmp_path / "workspace")


def people(at: Opened) -> dict[str, list[str]]:
    """The examples of each person in the training set, as ids."""
    train = loading.load_examples(at.ws)["train"]
    return {p: train.ids[train.subjects == p].tolist() for p in sorted(set(train.subjects))}


def submit(at: Opened, selector: Selector) -> dict[str, str]:
    return requesting.submit(at.ws.root, selector, None, "gdpr", None)


def begun(at: Opened, *refs: str) -> Run:
    """Begin a run that needs no unlearning."""
    at = opened(at.root)
    run = Run(at, at.ledger.start_run(refs, now=utc_now()))
    run.folder.mkdir(parents=True)
    selectors = [at.ledger.selector(ref) for ref in refs]
    ids = find(at.ws, selectors)
    run.move(State.EXTRACTING)
    run.seal_forget_ids({part: ids[part] for part in SPLITS})
    return run


def erase(at: Opened, *refs: str) -> Run:
    """Take requests through the steps that erase."""
    run = begun(at, *refs)
    suppress_examples(run)
    erase_examples(run)
    return run


def test_requests_for_no_more_than_a_run_erases_go_with_it(at: Opened) -> None:
    """The same person again, one of her pictures, and somebody who asks for more: he waits."""
    jane, joe = list(people(at))[:2]
    one = submit(at, Selector("subject", (jane,)))["request"]
    again = submit(at, Selector("subject", (jane,)))["request"]
    picture = submit(at, Selector("example", (people(at)[jane][0],)))["request"]
    both = submit(at, Selector("subject", (jane, joe)))["request"]
    run = erase(at, one)
    states = {ref: run.at.ledger.request(ref).state for ref in (one, again, picture, both)}
    assert states == {
        one: State.PURGING,
        again: State.PURGING,
        picture: State.PURGING,
        both: State.ACCEPTED,
    }
    assert run.served == tuple(sorted((one, again, picture)))
    suppress_examples(run)  # as after a crash: nothing changes
    assert run.at.ledger.check().ok


def test_who_was_erased_and_asks_again_is_told_by_which_run(at: Opened) -> None:
    """Known by the list alone: as a person, by one of the ids; strangers are still unknown."""
    jane = next(iter(people(at)))
    picture = people(at)[jane][0]
    run = erase(at, submit(at, Selector("subject", (jane,)))["request"])
    for selector in (Selector("subject", (jane,)), Selector("example", (picture,))):
        found = submit(at, selector)
        assert (found["state"], found["run"]) == ("purging", run.ref)
        assert found["reason"] == f"the same was erased by {run.ref}"
    assert submit(at, Selector("subject", ("nobody",)))["state"] == "denied"
    assert submit(at, Selector("class", (jane,)))["state"] == "denied"
    for path in (at.ws.records / "suppression.jsonl", at.ws.log):
        assert jane.encode() not in path.read_bytes()


def test_another_spelling_of_who_was_erased_is_asked_about(at: Opened) -> None:
    """`person/0148 ` matches nobody, and is not silently denied: nothing is recorded."""
    jane = next(iter(people(at)))
    picture = people(at)[jane][0]
    run = erase(at, submit(at, Selector("subject", (jane,)))["request"])
    before = len(run.at.ledger.log.entries())
    for selector in (Selector("subject", (f"{jane} ",)), Selector("example", (picture.upper(),))):
        with pytest.raises(UsageError, match="suppression list has an erased one") as caught:
            submit(at, selector)
        assert jane not in str(caught.value) and picture not in str(caught.value)
        assert len(opened(at.root).ledger.log.entries()) == before
    meant = requesting.submit(
        at.ws.root, Selector("subject", (f"{jane} ",)), None, "gdpr", None, as_written=True
    )
    assert meant["state"] == "denied"


def test_who_is_erased_by_parts_is_known_as_a_person_too(at: Opened) -> None:
    """Her pictures were named one by one; nothing of her is left, so she was erased."""
    jane = next(iter(people(at)))
    ids = find(at.ws, [Selector("subject", (jane,))])
    pictures = tuple(found for part in SPLITS for found in ids[part])
    erase(at, submit(at, Selector("example", pictures))["request"])
    assert submit(at, Selector("subject", (jane,)))["state"] == "purging"


def test_who_asks_for_two_that_two_runs_erased_goes_with_the_one_at_work(at: Opened) -> None:
    """One is at its end, the other has not purged yet: nobody is told that all is gone."""
    jane, joe = list(people(at))[:2]
    ended(erase(at, submit(at, Selector("subject", (jane,)))["request"]))
    run = erase(at, submit(at, Selector("subject", (joe,)))["request"])
    for order in ((jane, joe), (joe, jane)):
        found = submit(at, Selector("subject", order))
        assert (found["state"], found["run"]) == ("purging", run.ref)


def test_who_was_denied_before_a_run_could_link_him_stays_denied(
    at: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash came between the list and the link, the denial before the run went on."""
    jane = next(iter(people(at)))
    one, again = (submit(at, Selector("subject", (jane,)))["request"] for _ in range(2))
    run = begun(at, one)
    with monkeypatch.context() as killed:
        killed.setattr(type(run.at.ledger), "link", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            suppress_examples(run)
    run.at.ledger.say(Verb.DENY, again, reason="no mandate", now=utc_now())
    suppress_examples(run)
    assert run.at.ledger.request(again).state is State.DENIED


def test_a_request_that_was_left_behind_is_linked_when_it_is_tried(at: Opened) -> None:
    """Held while somebody else's run erased all that it asks for: nobody is left waiting."""
    jane, joe = list(people(at))[:2]
    late = submit(at, Selector("subject", (jane,)))["request"]
    other = submit(at, Selector("subject", (joe,)))["request"]
    again = submit(at, Selector("subject", (jane,)))["request"]
    opened(at.root).ledger.move(late, State.HELD, now=utc_now())
    run = erase(at, again)
    ended(run)
    opened(at.root).ledger.move(late, State.ACCEPTED, now=utc_now())
    assert link_erased(at.root, [late, other]) == [other]
    found = opened(at.root).ledger.request(late)
    assert (found.state, found.run) == (State.PURGING, run.ref)


class Trained(Exception):
    """Ends a training before it begins; holds the ids that it would have seen."""


def test_nothing_is_trained_on_who_has_asked(at: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Article 18: not the yardstick of somebody else, not the bank, not what a run retains."""
    jane, joe = list(people(at))[:2]
    hers, his = people(at)[jane], people(at)[joe]
    submit(at, Selector("subject", (jane,)))
    at = opened(at.root)
    seen: dict[str, set[str]] = {}

    def training(examples: Examples, *_: object, **__: object) -> None:
        seen["network"] = set(examples.ids)
        raise Trained

    def bank(plan: object, splits: object, *_: object, restricted: TextArray, **rest: object):
        seen["left out of the bank"] = set(restricted)
        raise Trained

    monkeypatch.setattr(producing, "train_network", training)
    monkeypatch.setattr(parts, "build_bank", bank)
    everybody = {example for ids in people(at).values() for example in ids}
    with pytest.raises(Trained):
        train.train(at, without=his)
    assert seen["network"] == everybody - {*hers, *his}
    with pytest.raises(Trained):
        parts.ensure_bank(at, train.recipe_of(at))
    assert seen["left out of the bank"] == set(hers)
    split = parts.cut(at, {"train": his, "holdout": [], "test": []}, likewise=False)
    assert set(split.forget.ids) == set(his)
    assert set(split.retain.ids) == everybody - {*hers, *his}


def test_who_was_denied_is_not_restricted(at: Opened) -> None:
    jane = next(iter(people(at)))
    ref = submit(at, Selector("subject", (jane,)))["request"]
    at = opened(at.root)
    assert restricted_ids(at) == people(at)[jane]
    at.ledger.move(ref, State.DENIED, now=utc_now(), reason="no ground")
    assert restricted_ids(at) == []


DATA = ("data", "data.dvc", "artifacts/manifest.json")


def backed_up(at: Opened, *names: str) -> Callable[[], None]:
    """Copy these places of a workspace; give what puts them back."""
    kept = at.ws.root.with_name(f"kept-{len(list(at.ws.root.parent.iterdir()))}")
    for name in names:
        _copy(at.ws.root / name, kept / name)

    def put_back() -> None:
        for name in names:
            place = at.ws.root / name
            shutil.rmtree(place) if place.is_dir() else place.unlink()
            _copy(kept / name, place)

    return put_back


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = shutil.copytree if source.is_dir() else shutil.copy
    copy(source, target)


def ended(run: Run) -> None:
    """End a run as its last step does."""
    run.at.ledger.finish_run(run.ref, now=utc_now())


def test_data_of_before_an_erasure_are_an_alarm_whoever_opens_them(at: Opened) -> None:
    jane = next(iter(people(at)))
    put_back = backed_up(at, *DATA)
    ref = submit(at, Selector("subject", (jane,)))["request"]
    ended(erase(at, ref))
    opened(at.root)
    put_back()
    with pytest.raises(IntegrityError, match=r"data\.dvc: data version got") as caught:
        opened(at.root)
    assert "lethe init --suppression" in str(caught.value)
    for command in (
        lambda: comparing.train(at.ws.root, None, None, None),
        lambda: serving.plan(at.ws.root, [ref]),
        lambda: serving.forget(at.ws.root, [ref], False, None, None),
        lambda: submit(at, Selector("subject", ("nobody",))),
    ):
        with pytest.raises(IntegrityError):
            command()
    (found,) = (c for c in queries.doctor(at.ws.root)["checks"] if c["name"] == "data")
    assert not found["ok"] and "data version" in found["hint"]


@pytest.mark.parametrize("name", ["artifacts/manifest.json", "records/suppression.jsonl"])
def test_a_part_of_an_older_state_is_an_alarm_too(at: Opened, name: str) -> None:
    """The manifest would vouch for old shards, the emptied list would know nobody."""
    one, two = list(people(at))[:2]
    ended(erase(at, submit(at, Selector("subject", (one,)))["request"]))
    put_back = backed_up(at, name)
    ended(erase(at, submit(at, Selector("subject", (two,)))["request"]))
    opened(at.root)
    put_back()
    with pytest.raises(IntegrityError, match=name.rpartition("/")[2]):
        opened(at.root)


def test_a_backup_as_a_whole_is_found_by_the_newer_list(at: Opened) -> None:
    """All of yesterday is put back, and then, as the docs say, the newest suppression list."""
    one, two = list(people(at))[:2]
    ended(erase(at, submit(at, Selector("subject", (one,)))["request"]))
    put_back = backed_up(at, *DATA, "records", "keys")
    ended(erase(at, submit(at, Selector("subject", (two,)))["request"]))
    newest = (at.ws.records / "suppression.jsonl").read_bytes()
    put_back()
    opened(at.root)  # nothing here knows better
    (at.ws.records / "suppression.jsonl").write_bytes(newest)
    with pytest.raises(IntegrityError, match="the list or the log is an older one"):
        opened(at.root)


def test_a_backup_of_before_any_erasure_is_found_by_the_list_too(at: Opened) -> None:
    """Its log tells of no list, so the data are read and held to the one that lies there."""
    jane = next(iter(people(at)))
    put_back = backed_up(at, *DATA, "records", "keys")
    ended(erase(at, submit(at, Selector("subject", (jane,)))["request"]))
    newest = (at.ws.records / "suppression.jsonl").read_bytes()
    put_back()
    (at.ws.records / "suppression.jsonl").write_bytes(newest)
    with pytest.raises(IntegrityError, match="examples are on the suppression list"):
        opened(at.root)


def test_an_erasure_that_was_cut_off_goes_on_but_not_over_older_data(at: Opened) -> None:
    """Between the erasure and its entry the version is the log's next; it is read once then."""
    one, two = list(people(at))[:2]
    put_back = backed_up(at, *DATA)
    ended(erase(at, submit(at, Selector("subject", (one,)))["request"]))
    ref = submit(at, Selector("subject", (two,)))["request"]
    run = begun(at, ref)
    suppress_examples(run)
    erase_data(at.ws, run.all_ids())
    opened(at.root)
    put_back()
    with pytest.raises(IntegrityError, match="examples are on the suppression list"):
        opened(at.root)


def test_what_is_personal_is_the_owners_alone(at: Opened) -> None:
    """Also in a workspace that was made before, and what DVC writes into cache and remote."""
    jane = next(iter(people(at)))
    for name in ("artifacts", "records", "keys"):
        (at.ws.root / name).chmod(0o755)
    ref = submit(at, Selector("subject", (jane,)))["request"]
    with opening.working(at.ws.root):
        erase(at, ref)
    root = at.ws.root
    folders = ["data", "artifacts", "remote", ".dvc", "records", "records/sealed"]
    folders += ["keys", "keys/requests"]
    assert {name: (root / name).stat().st_mode & 0o777 for name in folders} == dict.fromkeys(
        folders, 0o700
    )
    files = [path for path in (root / "data").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


def test_grace_ends_with_the_first_deadline_of_those_it_keeps_waiting(
    at: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Released on day 20 of a month, 30 days of grace: the deadline comes first, and ends it."""
    jane = next(iter(people(at)))
    early = at.ws.root, Selector("subject", (jane,)), "2026-06-10T12:00+00:00", "gdpr", None
    late = at.ws.root, Selector("subject", (jane,)), "2026-06-20T12:00+00:00", "gdpr", None
    refs = [requesting.submit(*words)["request"] for words in (late, early)]
    run = erase(at, refs[0])
    first = purge.Release(1, "a", None, None, datetime(2026, 6, 1, tzinfo=UTC))
    release = purge.Release(2, "b", 1, run.ref, datetime(2026, 6, 30, tzinfo=UTC))
    monkeypatch.setattr(purge, "releases", lambda entries: (first, release))
    stored = [held.Held(1, 1, (Path("weights"),), "m", ())]
    monkeypatch.setattr(purge, "held", lambda *_: list(stored))
    erased: list[int] = []

    def erase_version(mlruns: object, name: str, number: int) -> list[Copy]:
        erased.append(number)
        stored.clear()
        return [Copy("model registry", "version 1", Status.REMOVED)]

    monkeypatch.setattr(purge, "erase_version", erase_version)
    monkeypatch.setattr(purge, "utc_now", lambda: datetime(2026, 7, 10, 12, tzinfo=UTC))
    (kept,) = purge.finish_purging(run.at, refs[:1])
    assert (kept["status"], kept["until"], erased) == ("kept", "2026-07-10", [])
    monkeypatch.setattr(purge, "utc_now", lambda: datetime(2026, 7, 11, tzinfo=UTC))
    gone, *objects = purge.finish_purging(run.at, refs[:1])
    assert (gone["status"], gone["what"]) == ("removed", "version 1")
    assert {copy["status"] for copy in objects} == {"removed"}, "which no purge had removed yet"
    assert erased == [1]
    assert {run.at.ledger.request(ref).state for ref in refs} == {State.COMPLETE}
    assert list((at.ws.keys / "requests").iterdir()) == []


def test_a_request_of_a_run_that_was_cut_off_is_not_complete_by_purging(at: Opened) -> None:
    """No model learned from her, so nothing is kept; but killed here, nothing is erased either."""
    jane = next(iter(people(at)))
    ref = submit(at, Selector("subject", (jane,)))["request"]
    run = begun(at, ref)
    suppress_examples(run)
    with pytest.raises(UsageError, match=f"cut off .* `lethe forget {ref}`"):
        serving.purge(at.ws.root, ref)
    assert opened(at.root).ledger.request(ref).state is State.PURGING
    assert run.all_ids() == sorted(people(at)[jane])  # its key is there, so that it can go on


def test_a_key_that_a_crash_left_goes_with_the_next_purge(at: Opened) -> None:
    jane = next(iter(people(at)))
    run = erase(at, submit(at, Selector("subject", (jane,)))["request"])
    ended(run)
    run.at.ledger.move(run.requests[0], State.COMPLETE, now=utc_now())  # killed before it shredded
    serving.purge(at.ws.root, None)
    assert list((at.ws.keys / "requests").iterdir()) == []


def test_a_generator_forgets_one_class_that_goes_whole_and_nothing_else(at: Opened) -> None:
    threes, fives = (find(at.ws, [Selector("class", (name,))])["train"] for name in "35")
    assert goes_whole(at.ws, frozenset(threes))
    assert not goes_whole(at.ws, frozenset(threes[1:]))
    assert not goes_whole(at.ws, frozenset([*threes, *fives]))
    assert not goes_whole(at.ws, frozenset([*threes, fives[0]]))
