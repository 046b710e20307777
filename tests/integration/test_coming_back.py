"""What comes back after the purge is found before a request is complete, wherever it lies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.cli.work import serving
from flows.cli.work.serving import Word
from ledger.chain import Entry
from ledger.domain import State
from ledger.evidence import COMPLETION, read_sealed
from ledger.keys import load_public_keys
from ledger.replay.purged import receipts
from ledger.replay.statements import completion_contradictions, version_contradictions
from systems.data import decoded, purging, versions
from systems.data.remote.elsewhere import found_elsewhere
from systems.data.remote.opening import opened as with_dvc
from systems.data.remote.owner import MARK
from systems.data.sharding import load_dataset
from systems.data.stores import DvcStore
from systems.registry import store
from systems.settings.ownership import MARK as PLACE
from tasks import promote
from tasks import purge as purging_tasks
from tasks.attest import attest_erasure
from tasks.erasing import derived
from tasks.purge import finish_purging, purge_copies
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tests.integration import whole_commands
from tests.integration.small_runs import STEPS, again, copied, extracted, go_on, person, small
from tests.integration.systems_outside import configured, images_of
from unlearning.digests import sha256_file


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = small(tmp_path_factory.mktemp("original") / "workspace")
    at = opened(str(root))
    decoded.pictures(at.ws, load_dataset(at.ws))
    (at.ws.artifacts / "trained").mkdir()
    (at.ws.artifacts / "trained" / f"{'a' * 32}.safetensors").write_bytes(b"weights")
    return root


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    found = copied(original, tmp_path / "workspace")
    (found.ws.records / PLACE).unlink()  # a workspace of its own, not a copy of one
    return opened(found.root)


def decided(at: Opened, who: str) -> Run:
    run = extracted(at, who)
    run.once("decided", lambda: {"decision": "purge", "assurance": "A0", "records": []})
    run.once("sealed", lambda: {"statement": "0" * 64})
    return run


def purged(at: Opened, who: str) -> Run:
    """Take somebody's request as far as the purge; it is not complete yet."""
    run = decided(at, who)
    go_on(run)
    attest_erasure(again(run))
    return again(run)


def finished(run: Run) -> list[dict[str, str]]:
    run = again(run)
    return finish_purging(run.at, run.requests)


def state(run: Run) -> State:
    return again(run).at.ledger.request(run.requests[0]).state


def stated(run: Run) -> dict[str, Any]:
    """What the completion says; it is genuine, and what the log says."""
    found = read_sealed(run.bundle / COMPLETION, load_public_keys(run.at.ws.public_key))
    assert found.verification.problems == ()
    assert [*completion_contradictions(found.statement, found.entries, run.ref)] == []
    return found.statement


def events(run: Run, event: str) -> list[Entry]:
    return [e for e in again(run).at.ledger.log.entries() if e.event == event]


def keys_in(remote: Path) -> set[str]:
    return {p.parent.name + p.name for p in (remote / "files/md5").rglob("*/*") if p.is_file()}


@pytest.fixture
def mirror(at: Opened, tmp_path: Path) -> Path:
    """What lay in the workspace before anything was erased, as a mirror of it keeps it."""
    return Path(shutil.copytree(at.root, tmp_path / "mirror"))


def test_what_was_put_back_goes_again_before_a_request_is_complete(
    at: Opened, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = person(at)
    run = purged(at, who)
    shutil.copytree(mirror / "remote", at.ws.remote, dirs_exist_ok=True)
    shutil.copytree(mirror / "artifacts/trained", at.ws.artifacts / "trained")
    shutil.copytree(mirror / "artifacts/decoded", at.ws.decoded, dirs_exist_ok=True)
    bank = at.ws.bank / ("b" * 8)
    bank.mkdir(parents=True)
    ids = sorted(extracted_ids(mirror, who))
    bank.joinpath("bank.json").write_text(
        json.dumps({"ids": ids, "plan": {"shadows": 0}, "sha256": {}})
    )
    with monkeypatch.context() as patch:
        real = DvcStore.remove

        def refused(place: DvcStore, key: str) -> None:
            if place.where == "dvc remote":
                raise PermissionError(13, "kept by its keeper")
            real(place, key)

        patch.setattr(DvcStore, "remove", refused)
        left = [row for row in finished(run) if row["where"] == "dvc remote"]
        assert left and {row["status"] for row in left} == {"remains"}
        assert state(run) is State.PURGING and not events(run, "looked_again")
        assert not (run.bundle / COMPLETION).exists()
    rows = finished(run)
    assert {row["status"] for row in rows} == {"removed"}
    assert state(run) is State.COMPLETE
    wanted = (run.done("erased") or {})["replaced"]
    assert not keys_in(at.ws.remote) & {*wanted}
    assert not bank.exists() and not list((at.ws.artifacts / "trained").iterdir())
    assert not decoded.copies(at.ws)
    back = [row for e in events(run, "copies_changed") for row in e.body["copies"]]
    assert all("back on" in row["what"] for row in back)
    places = {row["where"] for row in back}
    assert places == {"dvc remote", "workspace", "artifacts/trained", "shadow bank"}
    said = stated(again(run))
    assert said["type"] == "lethe/completion/2" and said["versions"] == []
    assert said["looked_at"] == events(run, "looked_again")[-1].at
    forged = {**said, "looked_at": said["completed_at"][run.requests[0]]}
    entries = again(run).at.ledger.log.entries()
    assert [*completion_contradictions(forged, entries, run.ref)] == [
        "looked_at: is not what the log says"
    ]
    blind = [e for e in entries if e.event != "looked_again"]
    (first, _) = completion_contradictions(said, blind, run.ref)
    assert "was looked into again" in first


def extracted_ids(root: Path, who: str) -> set[str]:
    from systems.data import loading
    from systems.settings.workspace import Workspace

    found = loading.load_examples(Workspace.at(root))
    return {i for part in found.values() for i in part.ids[part.subjects == who].tolist()}


def test_a_shard_that_is_back_in_data_withholds_the_end(at: Opened, mirror: Path) -> None:
    run = purged(at, person(at))
    (name, *_) = (run.done("erased") or {})["shards"]
    place = at.ws.shards / f"{name}.parquet"
    now = place.read_bytes() if place.exists() else None  # it may have held nobody else
    shutil.copy(mirror / "data/shards" / place.name, place)
    (row,) = (row for row in finished(run) if row["status"] == "remains")
    assert (row["where"], row["what"]) == ("workspace", f"shard {name}")
    assert state(run) is State.PURGING
    place.write_bytes(now) if now else place.unlink()
    finished(run)
    assert state(run) is State.COMPLETE


def test_what_was_made_of_the_data_is_told_of_after_a_kill(
    at: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone when the run goes on, and was noted before."""
    run = decided(at, person(at))
    for name in ("suppressed", "erased", "expected-erased"):
        STEPS[name](again(run))
    with monkeypatch.context() as patch:
        patch.setattr(derived, "_purge_bases", Killed.now)
        with pytest.raises(Killed):
            purge_copies(again(run))
    assert not (at.ws.artifacts / "trained").exists() and not list(at.ws.decoded.iterdir())
    rows = purge_copies(again(run))["copies"]
    told = {(row["where"], row["what"].split()[0], row["status"]) for row in rows}
    assert ("artifacts/trained", "network", "removed") in told
    assert ("workspace", "decoded", "removed") in told


class Killed(BaseException):
    @staticmethod
    def now(*_: Any) -> Any:
        raise Killed


def test_a_place_outside_is_asked_again_and_each_answer_has_its_receipt(
    at: Opened, tmp_path: Path
) -> None:
    """Also one that held nothing but theirs: that it is empty now was seen to come about."""
    who, share = person(at), tmp_path / "share"
    (image, *_) = images_of(at, who).values()
    share.mkdir()
    (share / "a.bin").write_bytes(image)
    configured(at, f"{{name: exports, at: {share}}}")
    run = purged(at, who)
    assert not (share / "a.bin").exists()
    (share / "b.bin").write_bytes(image)
    finished(run)
    assert state(run) is State.COMPLETE and list(share.iterdir()) == []
    folder = at.ws.records / "connectors" / run.ref
    removed = {p.name: json.loads(p.read_bytes())["removed"] for p in folder.iterdir()}
    assert removed == {"exports.json": 1, "exports.2.json": 1}
    entries = again(run).at.ledger.log.entries()
    told = {name: sha256 for _, name, sha256 in receipts(entries)}
    assert told == {name: sha256_file(folder / name) for name in removed}
    assert not list(at.ws.artifacts.glob("seen-*"))


# The other remotes of DVC's settings


@pytest.fixture
def theirs(at: Opened, tmp_path: Path) -> Iterator[Path]:
    """A remote of the owner's, DVC's default, to which a hand pushed everything."""
    folder = tmp_path / "theirs"
    shutil.copytree(at.ws.remote, folder)
    (folder / "files/md5/ff").mkdir(exist_ok=True)
    (folder / "files/md5/ff" / ("0" * 30)).write_bytes(b"somebody else's")
    config = at.ws.dvc / "config"
    text = config.read_text().replace("remote = lethe", "remote = theirs")
    config.write_text(f"{text}\n['remote \"theirs\"']\n    url = {folder}\n")
    yield folder


def add_remote(at: Opened, name: str, url: Path | str) -> None:
    with (at.ws.dvc / "config.local").open("a") as file:
        file.write(f"['remote \"{name}\"']\n    url = {url}\n")


def test_every_remote_of_dvcs_settings_is_a_line_and_only_ours_goes(
    at: Opened, theirs: Path, tmp_path: Path
) -> None:
    before = keys_in(theirs)
    held = purging.holds(at.ws, extracted_ids(at.ws.root, person(at)))
    objects = frozenset(copy.what.removeprefix("object ") for copy in held)
    assert [c.where for c in found_elsewhere(at.ws, objects)] == ["dvc remote theirs"]
    shutil.copytree(theirs, tmp_path / "others")
    (tmp_path / "others" / MARK).write_text("another workspace\n")
    kept = keys_in(tmp_path / "others")
    add_remote(at, "others", tmp_path / "others")
    add_remote(at, "share", tmp_path / "unmounted")
    run = purged(at, person(at))
    wanted = {*(run.done("erased") or {})["replaced"]}
    assert keys_in(theirs) == before - wanted
    assert keys_in(tmp_path / "others") == kept
    rows = {r["where"]: r for r in (run.done("purged") or {})["copies"] if "remote " in r["where"]}
    assert {where: row["status"] for where, row in rows.items()} == {
        "dvc remote theirs": "removed",
        "dvc remote others": "unverified",
        "dvc remote share": "unverified",
    }
    assert "another workspace's" in rows["dvc remote others"]["why"]
    finished(run)
    assert state(run) is State.PURGING
    again(run).at.ledger.finish_run(run.ref, now=utc_now())
    (ref,) = run.requests
    word = Word("dvc remote others", "its keeper removed them")
    assert serving.purge(at.ws.root, ref, word)["state"] == "purging"
    shutil.copytree(tmp_path / "others", tmp_path / "unmounted")  # it is mounted again
    (tmp_path / "unmounted" / MARK).unlink()
    shutil.copytree(tmp_path / "others/files", theirs / "files", dirs_exist_ok=True)
    assert serving.purge(at.ws.root, ref)["state"] == "complete"
    assert keys_in(theirs) == keys_in(tmp_path / "unmounted") == before - wanted
    said = stated(again(run))
    assert said["purged"]["confirmed"] == ["dvc remote others: shards that an erasure replaced"]


def test_nothing_is_taken_from_another_workspace_behind_a_link(at: Opened, tmp_path: Path) -> None:
    """Its remote lies inside of it and bears no mark; the log must not hold this remote's name."""
    other = shutil.copytree(at.root, tmp_path / "other")
    (tmp_path / "link").symlink_to(other / "remote")
    add_remote(at, "ann@example.org", tmp_path / "link")
    kept = keys_in(other / "remote")
    run = purged(at, person(at))
    assert keys_in(other / "remote") == kept
    (row,) = (r for r in (run.done("purged") or {})["copies"] if "remote " in r["where"])
    assert row["where"].startswith("dvc remote the name with SHA-256 ")
    assert row["status"] == "unverified" and "another workspace's" in row["why"]


def test_an_ordinary_dvc_push_copies_data_to_our_remote_alone(at: Opened, theirs: Path) -> None:
    shutil.rmtree(theirs)
    with with_dvc(at.ws, "dvc push") as repo:
        repo.push()
    assert not theirs.exists()
    text = at.ws.data_file.read_text()
    at.ws.data_file.write_text(text.replace("  remote: lethe\n", ""))  # as it was before
    assert versions.add(at.ws) in text and at.ws.data_file.read_text() == text


# The weights of versions


def test_the_end_names_every_version_that_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a crash came between the removal and its entry."""
    for module, name in ((store, "_save"), (promote, "candidate_of")):
        monkeypatch.setattr(module, name, getattr(module, name))  # which a command replaces
    root = tmp_path / "workspace"
    whole_commands.with_request(root)
    with monkeypatch.context() as patch:
        patch.setattr(purging_tasks, "_log_erased", Killed.now)
        with pytest.raises(Killed):
            whole_commands.forget(root)
    whole_commands.forget(root)
    at = opened(str(root))
    (ref,) = at.ledger.requests(None, utc_now())
    run = Run(at, str(ref.run))
    (gone,) = events(run, "version_erased")
    first = at.ledger.log.find("initialised")
    assert first is not None
    assert gone.body == {"version": 1, "sha256": first.body["sha256"]}
    said, entries = stated(run), at.ledger.log.entries()
    assert said["versions"] == [{**gone.body, "at": gone.at}]
    assert [*version_contradictions(said, entries, run.ref)] == []
    untold = [e for e in entries if e.seq != gone.seq]
    assert [*version_contradictions({**said, "versions": []}, untold, run.ref)] == [
        "versions: the log does not tell that the weights of version 1 went"
    ]
