"""A remote outside has one owner: nobody else pushes to it, or takes an object out of it.

Training is stubbed, and the data are erased by hand: what a run does before is other tests' matter.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flows.train
from ledger.errors import OutsideWorkspace
from systems.data import reading, versions
from systems.data.erasing import erase
from systems.data.purging import current_keys, purge
from systems.data.remote.opening import opened
from systems.data.remote.owner import MARK, require_own
from systems.settings import ownership
from systems.settings.ownership import mark_place
from systems.settings.workspace import Workspace
from tests.integration.buckets import bucket_on_loopback
from tests.integration.test_initialising import broken, contents, init, offer, trained
from unlearning.errors import UsageError


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> str:
    return offer(tmp_path_factory.mktemp("offered") / "people.parquet")


@pytest.fixture(autouse=True)
def stubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No training, and one shard key for all, so that the same data make the same objects."""
    monkeypatch.setattr(flows.train, "train", trained)
    monkeypatch.setattr("ledger.keys.shard_key", lambda _: b"a key of the tests, 32 bytes.....")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A folder elsewhere, with a name as long as the folders that DVC makes for objects."""
    return tmp_path / "ab"


@pytest.fixture
def ws(tmp_path: Path, offered: str, remote: Path) -> Workspace:
    return made(tmp_path / "workspace", offered, str(remote))


def made(root: Path, data: str, url: str) -> Workspace:
    """A workspace of few shards, whose objects are those of any other of the same data."""
    init(root, data, **{"remote.url": url, "data.shards": 4})
    return Workspace.at(root)


def lead_elsewhere(ws: Workspace, url: Path) -> None:
    with (ws.dvc / "config.local").open("w") as file:
        file.write(f"['remote \"lethe\"']\n    url = {url}\n")


def somebody(ws: Workspace) -> list[str]:
    return [str(reading.read_table(ws, ["example_id"])["example_id"][0])]


def copy_of(ws: Workspace) -> Workspace:
    return Workspace.at(shutil.copytree(ws.root, ws.root.with_name("drill")))


def test_the_owner_pushes_and_purges_and_dvcs_own_gc_leaves_the_mark(
    ws: Workspace, remote: Path
) -> None:
    assert (remote / MARK).read_text().strip() == mark_place(ws).owner
    assert all(copy.gone for copy in purge(ws, erase(ws, somebody(ws)).replaced))
    with opened(ws, "dvc gc") as repo:
        repo.gc(workspace=True, cloud=True, remote="lethe", force=True)
        repo.push(remote="lethe")
    left = {path.parent.name + path.name for path in (remote / "files").rglob("*/*/*")}
    assert left == {*current_keys(ws)}
    assert (remote / MARK).read_text().strip() == mark_place(ws).owner


def test_init_is_refused_the_remote_of_another_and_leaves_nothing(
    ws: Workspace, remote: Path, offered: str, tmp_path: Path
) -> None:
    before = contents(remote)
    with pytest.raises(UsageError, match=f"its {MARK} names another workspace"):
        made(tmp_path / "second", offered, str(remote))
    assert contents(remote) == before
    assert not (tmp_path / "second").exists()


def test_init_is_refused_shards_of_the_same_data_that_bear_no_mark(
    ws: Workspace, remote: Path, offered: str, tmp_path: Path
) -> None:
    """An older workspace may need them, which has not come to set its mark."""
    (remote / MARK).unlink()
    before = contents(remote)
    second = tmp_path / "second"
    second.mkdir()
    with pytest.raises(UsageError, match="holds shards of these very data"):
        made(second, offered, str(remote))
    assert contents(remote) == before
    assert list(second.iterdir()) == []


def test_an_init_that_is_undone_takes_its_mark_along(
    tmp_path: Path, offered: str, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(flows.train, "train", broken)
        with pytest.raises(UsageError, match="will not do"):
            made(tmp_path / "workspace", offered, str(remote))
    assert [path for path in remote.rglob("*") if path.is_file()] == []
    made(tmp_path / "workspace", offered, str(remote))


@pytest.mark.parametrize("removed", [True, False])
def test_a_copy_neither_pushes_nor_purges_also_without_its_place_record(
    ws: Workspace, remote: Path, removed: bool
) -> None:
    drill = copy_of(ws)
    if removed:
        (drill.records / ownership.MARK).unlink()
    before, shards = contents(remote), current_keys(drill)
    why = f"its {MARK} names another workspace" if removed else "was copied or restored"
    with pytest.raises(OutsideWorkspace, match=why):
        erase(drill, somebody(drill))
    with pytest.raises(OutsideWorkspace, match=why):
        purge(drill, shards - current_keys(drill))
    with pytest.raises(OutsideWorkspace, match=why):
        versions.push(drill)
    assert contents(remote) == before


@pytest.mark.parametrize("url", ["beside", "drill/remote"])
def test_a_copy_with_a_remote_of_its_own_works_there(ws: Workspace, remote: Path, url: str) -> None:
    drill, before = copy_of(ws), contents(remote)
    lead_elsewhere(drill, own := remote.parent / url)
    assert all(copy.gone for copy in purge(drill, erase(drill, somebody(drill)).replaced))
    assert (own / MARK).is_file() == (url == "beside")
    assert contents(remote) == before
    require_own(ws)


def test_a_remote_without_a_mark_is_marked_once_by_an_older_workspace(
    ws: Workspace, remote: Path
) -> None:
    place, mark = ws.records / ownership.MARK, remote / MARK
    mark.unlink()
    place.write_text(str(place.stat().st_ino))
    require_own(ws)
    assert mark.read_text().strip() == mark_place(ws).owner
    mark.unlink()
    with pytest.raises(OutsideWorkspace, match=f"has no {MARK} any more"):
        require_own(ws)
    assert not mark.exists()
    place.unlink()
    require_own(ws)
    assert mark.is_file()


def test_a_copy_of_an_older_workspace_marks_nothing(ws: Workspace, remote: Path) -> None:
    place = ws.records / ownership.MARK
    (remote / MARK).unlink()
    place.write_text(str(place.stat().st_ino))
    with pytest.raises(OutsideWorkspace, match="was copied or restored"):
        require_own(copy_of(ws))
    assert not (remote / MARK).exists()


def test_a_remote_within_another_workspace_is_refused(ws: Workspace) -> None:
    """As where DVC's settings name a remote inside by its whole path, and a copy has them too."""
    drill = copy_of(ws)
    lead_elsewhere(drill, ws.root / "remote")
    (drill.records / ownership.MARK).unlink()
    with pytest.raises(OutsideWorkspace, match="lies in another workspace"):
        require_own(drill)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with bucket_on_loopback(monkeypatch, versioned=False) as client:
        yield client


def test_a_prefix_of_a_bucket_has_one_owner_too(bucket: Any, tmp_path: Path, offered: str) -> None:
    def names() -> set[str]:
        return {item["Key"] for item in bucket.list_objects_v2(Bucket="lethe").get("Contents", ())}

    url = "s3://lethe/ab"
    ws = made(tmp_path / "workspace", offered, url)
    before = names()
    assert f"ab/{MARK}" in before
    with pytest.raises(UsageError, match="names another workspace"):
        made(tmp_path / "second", offered, url)
    drill = copy_of(ws)
    (drill.records / ownership.MARK).unlink()
    with pytest.raises(OutsideWorkspace, match="names another workspace"):
        erase(drill, somebody(drill))
    assert names() == before

    assert all(copy.gone for copy in purge(ws, erase(ws, somebody(ws)).replaced))
    with opened(ws, "dvc gc") as repo:
        repo.gc(workspace=True, cloud=True, remote="lethe", force=True)
    keys = {f"ab/files/md5/{key[:2]}/{key[2:]}" for key in current_keys(ws)}
    assert names() == {*keys, f"ab/{MARK}"}
