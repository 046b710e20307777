"""One person's request reads one person's shards: the index, and what it spares."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger import durable
from ledger.domain import Selector
from systems.data import index, loading, reading, resolving, sharding, stores, versions
from systems.data.erasing import erase
from systems.data.listings import md5
from systems.data.purging import holds, purge
from systems.settings.workspace import Workspace
from tests.integration.test_data import ids_of, offered, original  # noqa: F401
from unlearning.errors import IntegrityError

PERSON = "canary-person-01"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def ws(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """A copy of twelve people's workspace."""
    there: Workspace = request.getfixturevalue("original")
    shutil.copytree(there.root, tmp_path / "workspace", symlinks=True)
    return Workspace.at(tmp_path / "workspace")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The shards in data/, and the objects in cache and remote, of which the bytes are read."""
    seen: list[str] = []

    def watched(work: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            seen.append(name(*args))
            return work(*args, **named)

        return call

    monkeypatch.setattr(durable, "read", watched(durable.read, lambda path: path.name))
    read = stores.DvcStore.read
    monkeypatch.setattr(stores.DvcStore, "read", watched(read, lambda _, key: key))
    return seen


def shards_in(read: list[str]) -> set[str]:
    return {name for name in read if name.endswith(".parquet")}


def shard_of(ws: Workspace, person: str) -> str:
    (name,) = index.load(ws).shards("subject_id", [person])
    return name


def test_a_person_is_looked_for_in_one_shard(ws: Workspace, read: list[str]) -> None:
    name = shard_of(ws, PERSON)
    found = resolving.resolve_all(ws, [Selector("subject", (PERSON, "stranger"))])[0]
    assert (len(found.ids), found.unknown) == (5, ("stranger",))
    one = resolving.resolve_all(ws, [Selector("example", (found.ids[0],))])[0]
    assert one.ids == found.ids[:1]
    assert loading.leaving(ws, found.ids)[1] == [PERSON]
    assert loading.leaving(ws, one.ids)[1] == []
    assert shards_in(read) == {f"{name}.parquet"}
    assert len(sharding.load_manifest(ws).shards) > 3


def test_a_request_is_recorded_without_importing_what_takes_seconds(ws: Workspace) -> None:
    """Arrow's comparisons import pandas, so that even these are left out."""
    script = (
        "import sys\nfrom flows.cli import main\n"
        f"try:\n    main(['--workspace', {str(ws.root)!r}, 'submit', '--subject', {PERSON!r}])\n"
        "finally:\n    heavy = {'torch', 'scipy', 'pandas', 'mlflow', 'dvc', 'prefect'}\n"
        "    print(sorted(heavy & sys.modules.keys()))\n"
    )
    line = [sys.executable, "-c", script]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "state: accepted" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_strangers_are_known_to_be_strangers_without_reading_anybody(
    ws: Workspace, read: list[str]
) -> None:
    found = resolving.resolve_all(ws, [Selector("subject", ("stranger",))])[0]
    assert (found.ids, found.unknown) == ((), ("stranger",))
    assert not shards_in(read)


def test_several_selections_are_one_look(ws: Workspace, read: list[str]) -> None:
    """Class and attribute may lie anywhere: every shard, once, whatever else is asked."""
    asked = [
        Selector("class", ("bee",)),
        Selector("where", ("style 1",), "style"),
        Selector("subject", (PERSON,)),
    ]
    found = resolving.resolve_all(ws, asked)
    assert [len(one.ids) for one in found] == [20, 15, 5]
    assert sorted(name for name in read if name in shards_in(read)) == sorted(
        f"{name}.parquet" for name in sharding.load_manifest(ws).shards
    )


def test_the_index_tells_nothing_without_the_key(ws: Workspace) -> None:
    content = index.index_path(ws).read_bytes()
    assert b"canary" not in content
    assert index.index_path(ws).stat().st_mode & 0o777 == 0o600
    (ws.keys / "shards.key").write_text("ab" * 32 + "\n")
    index.build(ws)
    ours, other = (bytes(part[-200:]) for part in (content, index.index_path(ws).read_bytes()))
    assert ours != other


@pytest.mark.parametrize("damage", ["lost", "altered", "empty", "another key", "another version"])
def test_an_index_that_is_not_ours_is_made_again(ws: Workspace, damage: str) -> None:
    path, before = index.index_path(ws), index.index_path(ws).read_bytes()
    if damage == "lost":
        path.unlink()
    elif damage == "another key":
        (ws.keys / "shards.key").write_text("ab" * 32 + "\n")
    elif damage == "another version":
        purge(ws, erase(ws, ids_of(ws, 3)).replaced)
        path.write_bytes(before)
    else:
        path.write_bytes(b"" if damage == "empty" else before[:-1] + b"\x07")
    assert len(ids_of(ws, 1)) == 5
    assert ids_of(ws, 3) == () if damage == "another version" else len(ids_of(ws, 3)) == 5
    assert (path.read_bytes() == before) == (damage in ("lost", "altered", "empty"))


def test_after_an_erasure_the_index_is_what_it_would_be_if_made_anew(ws: Workspace) -> None:
    erase(ws, ids_of(ws, 1, 4))
    kept = index.index_path(ws).read_bytes()
    index.build(ws)
    assert index.index_path(ws).read_bytes() == kept
    assert index.load(ws).shards("subject_id", [PERSON]) == frozenset()


def test_what_a_killed_push_left_empty_in_the_remote_is_pushed_again(ws: Workspace) -> None:
    objects = sorted(path for path in ws.remote.rglob("*") if path.is_file())
    kept = {path: path.read_bytes() for path in objects}
    assert any(path.name.endswith(".dir") for path in objects)
    for path in objects:
        path.chmod(0o600)
        path.write_bytes(b"")
    nothing = md5(b"")
    others = ws.remote / "files" / "md5" / nothing[:2] / nothing[2:]
    others.parent.mkdir()
    others.touch()
    versions.push(ws)
    assert {path: path.read_bytes() for path in objects} == kept
    assert others.exists(), "an empty file of somebody else is what its key says"


def test_an_erasure_reads_its_own_shards_and_no_object_of_anybody_else(
    ws: Workspace, read: list[str]
) -> None:
    """Of cache and remote only what may hold the person, and the versions' listings."""
    versions.add(ws)  # DVC sees the files of the copy for the first time
    ids, name = ids_of(ws, 1), shard_of(ws, PERSON)
    old = reading.shard_path(ws, name).read_bytes()
    read.clear()
    erasure = erase(ws, ids)
    assert erasure.shards == (name,)
    purge(ws, erasure.replaced)
    assert holds(ws, ids, erasure.shards) == []
    assert shards_in(read) == {f"{name}.parquet"}
    mine = {md5(old), md5(reading.shard_path(ws, name).read_bytes())}
    objects = {key for key in read if len(key) == 32}
    assert objects <= mine


def test_older_versions_of_others_are_not_read_either(ws: Workspace, read: list[str]) -> None:
    """Another person's shard was rewritten before, and its old bytes still wait for the purge."""
    other = erase(ws, ids_of(ws, 4))
    ids = ids_of(ws, 1)
    assert shard_of(ws, PERSON) not in (other.shards or ())
    read.clear()
    erase(ws, ids)
    assert not {key for key in other.replaced if not key.endswith(".dir")} & set(read)


def test_what_no_version_lists_is_looked_into(ws: Workspace) -> None:
    """Somebody put a copy of the shard under another name into the remote."""
    ids, name = ids_of(ws, 1), shard_of(ws, PERSON)
    content = reading.shard_path(ws, name).read_bytes() + b"copied"
    stray = ws.remote / "files" / "md5" / "0a" / ("b" * 30)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(content)
    erasure = erase(ws, ids)
    assert "0a" + "b" * 30 in erasure.replaced
    (ws.shards / "stray.parquet").write_bytes(content)
    where = {copy.where for copy in holds(ws, ids, erasure.shards)}
    assert where == {"workspace", "dvc cache", "dvc remote"}


def test_a_shard_put_back_by_hand_after_the_erasure_is_seen(ws: Workspace) -> None:
    """It is in the present version's listing by name, but its bytes are the old ones."""
    ids, name = ids_of(ws, 1), shard_of(ws, PERSON)
    old = reading.shard_path(ws, name).read_bytes()
    erasure = erase(ws, ids)
    purge(ws, erasure.replaced)
    shard = reading.shard_path(ws, name)
    shard.unlink()
    shard.write_bytes(old)
    assert [copy.where for copy in holds(ws, ids, erasure.shards)] == ["workspace"]


def test_a_damaged_shard_of_others_does_not_get_into_the_new_version(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the erasure was cut off between its plan and the new version."""
    ids, version = ids_of(ws, 1), versions.data_version(ws)
    with monkeypatch.context() as patch:
        patch.setattr(versions, "add", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            erase(ws, ids)
    other = next(path for path in ws.shards.iterdir() if path.stem != shard_of(ws, PERSON))
    content = other.read_bytes()
    other.chmod(0o644)
    other.write_bytes(content[:-1])
    with pytest.raises(IntegrityError, match=f"data/shards/{other.name}: is not the file of"):
        erase(ws, ids)
    assert versions.data_version(ws) == version
    other.unlink()  # put aside, as the message says
    purge(ws, erase(ws, ids).replaced)
    assert other.read_bytes() == content
    loading.verify(ws)


def test_the_data_without_their_key_are_said_to_lack_it(ws: Workspace, tmp_path: Path) -> None:
    (ws.keys / "shards.key").unlink()
    with pytest.raises(Exception, match=r"shards\.key: not there, expected a key"):
        ids_of(ws, 1)
