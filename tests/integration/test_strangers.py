"""Versions that somebody else registers under the model's name, in MLflow for real."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from flows.cli.work import queries
from ledger.domain import State
from systems.copies import Status
from systems.registry import foreign, models, places, tracking
from systems.settings.workspace import Workspace
from tasks import purge
from tasks.confirm import confirm
from tasks.keeping import reconcile
from tasks.running.champion import sealed_champion
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.versions.taint import taint
from tests.integration.releasing import RECIPE, untrained
from tests.unit.submitted import accepted, workspace
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError, UsageError

NAME = "lethe"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1, then 2 in its place, by a run over one request; 30 days of grace for 1."""
    root = tmp_path_factory.mktemp("strangers") / "workspace"
    ws = workspace(root)
    at, now = Opened(str(root)), utc_now()
    with untrained(root.parent):
        for number in (1, 2):
            save_file({"x": np.full(4, number, np.float32)}, root / f"{number}.safetensors")
            tags = {"lethe.run": "run-a", "lethe.parent": "1"} if number == 2 else {}
            models.register(ws.mlruns, NAME, root / f"{number}.safetensors", RECIPE, tags)
    first, second = models.versions(ws.mlruns, NAME)
    body = {"version": 1, "sha256": first.sha256, "data_version": "0" * 32}
    at.ledger.record("initialised", body, key="initialised", now=now)
    ref = accepted(at.ledger, now).ref
    run = at.ledger.start_run([ref], now=now)
    models.set_tags(ws.mlruns, NAME, 2, {"lethe.run": run})
    for state in (State.EXTRACTING, State.UNLEARNING, State.JUDGING, State.PROMOTING):
        at.ledger.move(ref, state, now=now)
    promoted = {"version": 2, "sha256": second.sha256, "parent": 1}
    for step, said in {
        "decided": {"assurance": "A2", "decision": "released"},
        "promoted": promoted,
        "purged": {"copies": []},
    }.items():
        at.ledger.record("step", said, key=f"{run}/{step}", now=now)
    at.ledger.move(ref, State.PURGING, now=now)
    at.ledger.finish_run(run, now=now)
    models.promote(ws.mlruns, NAME, 2, expected_parent=None)
    return root


@pytest.fixture
def at(released: Path, tmp_path: Path) -> Opened:
    """A workspace of its own, moved here."""
    shutil.copytree(released, tmp_path / "workspace")
    return Opened(str(Workspace.at(tmp_path / "workspace").root))


def by_hand(at: Opened, source: str, tags: dict[str, str] | None = None) -> int:
    """Do what the page *Register model* of MLflow does."""
    made = tracking.client(at.ws.mlruns).create_model_version(NAME, source, tags=tags)
    return int(made.version)


def stored_as(at: Opened, number: int) -> str:
    """The stored model of a version, which MLflow's pages offer to register again."""
    return f"models:/{models.version(at.ws.mlruns, NAME, number).model_id}"


def elsewhere(at: Opened, folder: Path, number: int) -> str:
    """Copy a version's weights to a place that is not the workspace's."""
    folder.mkdir()
    found = models.version(at.ws.mlruns, NAME, number)
    shutil.copy(found.weights, folder / "model.bin")
    return folder.as_uri()


def without_grace(at: Opened) -> Opened:
    params = yaml.safe_load(at.ws.params.read_text())
    params["model"]["grace_days"] = 0
    at.ws.params.write_text(yaml.safe_dump(params))
    return Opened(str(at.ws.root))


def request(at: Opened) -> str:
    (found,) = at.ledger.requests(None, utc_now())
    return found.ref


def numbers(at: Opened) -> list[int]:
    found = tracking.client(at.ws.mlruns).search_model_versions(f"name = '{NAME}'")
    return sorted(int(one.version) for one in found)


def test_a_strangers_version_is_left_alone_and_told(at: Opened, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "model.bin").write_bytes(b"another network")
    number = by_hand(at, (tmp_path / "theirs").as_uri())
    assert [one.version for one in models.versions(at.ws.mlruns, NAME)] == [1, 2]
    assert sealed_champion(at).version == 2
    line = f"version {number} of lethe was not registered by Lethe, and nobody can tell what it"
    found = queries.list_(at.ws.root, "versions", None)
    assert [row["version"] for row in found["versions"]] == [1, 2] and "problem" not in found
    assert [note[: len(line)] for note in found["notes"]] == [line]
    checked = {row["name"]: row["hint"] for row in queries.doctor(at.ws.root)["checks"]}
    assert checked["versions"].startswith(line) and checked["champion"] == ""
    looked = reconcile.look(at)
    assert looked.drift is None and looked.notes == tuple(found["notes"])
    with pytest.raises(UsageError, match=f"version {number} of lethe: .* not registered by Lethe"):
        models.version(at.ws.mlruns, NAME, number)
    purge.finish_purging(without_grace(at), [request(at)])
    assert numbers(at) == [2, number]
    assert at.ledger.request(request(at)).state is State.COMPLETE


def test_a_strangers_file_is_read_once_until_it_is_written_again(
    at: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is as long as before and bears the same time. A command asks more than once."""
    number, theirs = by_hand(at, elsewhere(at, tmp_path / "theirs", 2)), tmp_path / "theirs"
    read, before = list[Path](), (theirs / "model.bin").stat()
    monkeypatch.setattr(foreign, "sha256_file", lambda p: read.append(p) or sha256_file(p))
    (note,) = queries.list_(at.ws.root, "versions", None)["notes"]
    assert f"version {number} of lethe" in note and "has the weights of version 2" in note
    assert read == [theirs / "model.bin"]
    shutil.copy(models.version(at.ws.mlruns, NAME, 1).weights, theirs / "model.bin")
    os.utime(theirs / "model.bin", ns=(before.st_atime_ns, before.st_mtime_ns))
    (note,) = queries.list_(at.ws.root, "versions", None)["notes"]
    assert "has the weights of version 1" in note and len(read) == 2


def test_an_alias_on_a_strangers_version_is_an_alarm_and_is_put_back(
    at: Opened, tmp_path: Path
) -> None:
    number = by_hand(at, elsewhere(at, tmp_path / "theirs", 2))
    api = tracking.client(at.ws.mlruns)
    api.set_registered_model_alias(NAME, "champion", str(number))
    said = f"version {number} serves, but Lethe did not register it, .* back to version 2"
    with pytest.raises(IntegrityError, match=said):
        sealed_champion(at)
    assert "Put the alias champion back." in reconcile.look(at).notes[0]
    assert reconcile.settle(at)["settled"] is False  # policy: alarm only
    at.ws.policy.write_text(at.ws.policy.read_text() + "\nreconcile: revert\n")
    assert reconcile.settle(Opened(str(at.ws.root)))["version"] == 2
    assert sealed_champion(at).version == 2


@pytest.mark.parametrize("tagged", [False, True])
def test_what_is_registered_again_after_the_release_goes_with_what_it_is_a_copy_of(
    at: Opened, tagged: bool
) -> None:
    """The same stored weights, a higher number: as MLflow's page makes it, or with all tags."""
    tags = dict(models.version(at.ws.mlruns, NAME, 1).tags) if tagged else None
    number = by_hand(at, stored_as(at, 1), tags)
    words = (
        f"version {number} of lethe was not registered by Lethe and has the weights of version 1"
    )
    (note,) = queries.list_(at.ws.root, "versions", None)["notes"]
    assert note.startswith(f"{words}, so it is tainted too and goes when that is due")
    kept = [copy["what"] for copy in purge.finish_purging(at, [request(at)])]
    assert (
        f"weights of version {number}, a copy of version 1, which learned from the examples" in kept
    )
    assert at.ledger.request(request(at)).state is State.PURGING
    purge.finish_purging(without_grace(at), [request(at)])
    assert numbers(at) == [2]
    assert at.ledger.request(request(at)).state is State.COMPLETE


def test_old_weights_with_a_place_of_their_own_are_erased_as_well(
    at: Opened, tmp_path: Path
) -> None:
    """Stored anew, with the digest for a tag: its number is above that of the release."""
    old = tmp_path / "old.safetensors"
    shutil.copy(models.version(at.ws.mlruns, NAME, 1).weights, old)
    with untrained(tmp_path):
        copy = models.register(at.ws.mlruns, NAME, old, RECIPE, {"lethe.run": "theirs"})
    rows = queries.list_(at.ws.root, "versions", None)["versions"]
    assert [row["tainted"] for row in rows] == [True, False, True]
    purge.finish_purging(without_grace(at), [request(at)])
    assert numbers(at) == [2] and not copy.weights.exists()
    assert at.ledger.request(request(at)).state is State.COMPLETE


def test_a_copy_outside_the_store_keeps_the_request_waiting(at: Opened, tmp_path: Path) -> None:
    number = by_hand(at, elsewhere(at, tmp_path / "theirs", 1))
    left = purge.finish_purging(without_grace(at), [request(at)])
    (row,) = [copy for copy in left if copy["status"] == Status.REMAINS]
    assert row["what"].startswith(f"weights of version {number}, a copy of version 1")
    assert "not Lethe's to remove from file://" in row["why"]
    assert (tmp_path / "theirs" / "model.bin").exists()
    assert at.ledger.request(request(at)).state is State.PURGING
    (tmp_path / "theirs" / "model.bin").unlink()  # whoever owns it removes it
    purge.finish_purging(Opened(str(at.ws.root)), [request(at)])
    assert at.ledger.request(request(at)).state is State.COMPLETE


def test_a_copy_in_the_store_that_no_stored_model_names_keeps_the_request_waiting(
    at: Opened,
) -> None:
    """Deleting the version would leave its file, under whatever name."""
    folder = places.artifacts(at.ws.mlruns) / "models" / "theirs"
    by_hand(at, elsewhere(at, folder.resolve(), 1))
    purge.finish_purging(without_grace(at), [request(at)])
    assert at.ledger.request(request(at)).state is State.PURGING
    (folder / "model.bin").unlink()
    purge.finish_purging(Opened(str(at.ws.root)), [request(at)])
    assert at.ledger.request(request(at)).state is State.COMPLETE


def test_a_version_whose_tag_was_removed_counts_as_the_log_says(at: Opened) -> None:
    tracking.client(at.ws.mlruns).delete_model_version_tag(NAME, "1", models.SHA256)
    (note,) = queries.list_(at.ws.root, "versions", None)["notes"]
    assert note.startswith("version 1 of lethe lost its tag lethe.sha256")
    purge.finish_purging(without_grace(at), [request(at)])
    assert numbers(at) == [2]
    assert at.ledger.request(request(at)).state is State.COMPLETE


def derived(at: Opened, name: str, said: str | None, folder: Path) -> None:
    """Register under another name what was made elsewhere, with the tag that says from what."""
    api = tracking.client(at.ws.mlruns)
    folder.mkdir(exist_ok=True)
    if not api.search_registered_models(f"name = '{name}'"):
        api.create_registered_model(name)
    tags = None if said is None else {"lethe.derived_from": said}
    api.create_model_version(name, folder.as_uri(), tags=tags)


def test_what_descends_from_a_tainted_version_is_listed_and_keeps_the_request_waiting(
    at: Opened, tmp_path: Path
) -> None:
    """Quantised from 1 by its digest, tuned from that by name, and one from 2, which is clean."""
    sha256 = models.version(at.ws.mlruns, NAME, 1).sha256
    for name, said in (
        ("small", sha256), ("tuned", "models:/small/1, lethe/2"), ("fresh", "lethe/2"),
        ("silent", None), ("odd", "nobody/7"), ("circle", "circle/1"),
    ):  # fmt: skip
        derived(at, name, said, tmp_path / "theirs")
    listed = queries.list_(at.ws.root, "versions", None)
    rows = [(r["model"], r["descends_from"], r["tainted"]) for r in listed["descendants"]]
    assert rows == [
        ("fresh", [2], False), ("small", [1], True), ("tuned", [1, 2], True),
    ]  # fmt: skip
    unknown = [note for note in listed["notes"] if "unknown lineage" in note]
    assert [note.split(": ")[0] for note in unknown] == [
        "version 1 of circle", "version 1 of odd", "1 of the versions of silent",
    ]  # fmt: skip
    assert [row["model"] for row in taint(at, 1, None)["descendants"]] == ["small", "tuned"]
    at = without_grace(at)
    left = purge.finish_purging(at, [request(at)])
    waits = [row["what"] for row in left if row["status"] == Status.UNVERIFIED]
    assert waits == [
        "version 1 of small, which descends from version 1",
        "version 1 of tuned, which descends from version 1 and version 2",
    ]
    assert at.ledger.request(request(at)).state is State.PURGING
    confirm(at, request(at), waits[0], "served nowhere any more, and its files are gone")
    purge.finish_purging(at, [request(at)])
    assert at.ledger.request(request(at)).state is State.PURGING
    confirm(at, request(at), waits[1], "the same")
    purge.finish_purging(at, [request(at)])
    assert at.ledger.request(request(at)).state is State.COMPLETE
    told = [e for e in at.ledger.log.entries() if e.event == "descendant_found"]
    assert len(told) == 2, "each is told once"


def test_a_copy_by_mlflow_descends_from_its_original_also_once_that_has_gone(
    at: Opened, tmp_path: Path
) -> None:
    """And so does what was tuned from it; no days of grace."""
    tracking.client(at.ws.mlruns).copy_model_version(f"models:/{NAME}/1", "serving")
    derived(at, "again", None, tmp_path / "theirs")
    mlflow.set_tracking_uri(tracking.registry_uri(at.ws.mlruns))  # there it looks up stored models
    tracking.client(at.ws.mlruns).create_model_version("again", stored_as(at, 1))
    derived(at, "tuned", "again/2", tmp_path / "theirs")
    left = purge.finish_purging(without_grace(at), [request(at)])
    assert [row["what"] for row in left if row["status"] == Status.UNVERIFIED] == [
        "version 2 of again, which descends from version 1",
        "version 1 of serving, which descends from version 1",
        "version 1 of tuned, which descends from version 1",
    ]
    assert numbers(at) == [2] and at.ledger.request(request(at)).state is State.PURGING


def test_tags_of_others_may_hold_anything(at: Opened, tmp_path: Path) -> None:
    """Long numbers, the same parent many times over, names that the log must not hold."""
    derived(at, "long", f"{NAME}/{'9' * 4400}", tmp_path / "theirs")
    for above, name in itertools.pairwise([NAME, *(f"wide{number}" for number in range(8))]):
        derived(at, name, ",".join([f"{above}/1"] * 12), tmp_path / "theirs")
    derived(at, "ann@example.org", "wide7/1", tmp_path / "theirs")
    derived(at, "odd\nname", "no\x1b[2Jbody/1", tmp_path / "theirs")
    listed = queries.list_(at.ws.root, "versions", None)
    rows = {row["model"]: row["descends_from"] for row in listed["descendants"]}
    assert rows["wide7"] == rows["ann@example.org"] == [1]
    assert all(note.isprintable() for note in listed["notes"])
    left = purge.finish_purging(at, [request(at)])
    waits = [row["what"] for row in left if row["status"] == Status.UNVERIFIED]
    assert len(waits) == 9 and "ann@example.org" not in " ".join(waits)
