"""Data in DVC, for real: taken in, read with every byte checked, erased and purged by key."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ledger import durable, keys
from ledger.domain import Selector
from ledger.errors import OutsideWorkspace
from systems.copies import Status
from systems.data import (
    erasing,
    importing,
    loading,
    owing,
    purging,
    reading,
    resolving,
    sharding,
    stores,
    versions,
)
from systems.data.erasing import erase
from systems.data.importing import import_dataset
from systems.data.listings import md5, version_of_files
from systems.data.purging import holds, purge
from systems.data.remote.owner import MARK
from systems.data.sources import Source
from systems.settings.params import Params, load_params
from systems.settings.workspace import Workspace, write_templates
from tests.integration.buckets import bucket_on_loopback
from unlearning.errors import InfrastructureError, IntegrityError, RequestDenied, UsageError

KEY = b"a key of the tests, 32 bytes....."
PEOPLE, EACH = 12, 5


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing catches it, nothing is tidied up."""


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(256, size=(8, 8), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 examples of 12 people, 3 classes, 4 styles."""
    n = PEOPLE * EACH
    table = {
        "image": [png(i) for i in range(n)],
        "label": [i % 3 for i in range(n)],
        "class_name": [("ape", "bee", "cat")[i % 3] for i in range(n)],
        "subject_id": [f"canary-person-{i // EACH:02d}" for i in range(n)],
        "example_id": [f"canary-example-{i:03d}" for i in range(n)],
        "style": [f"style {i % 4}" for i in range(n)],
    }
    path = tmp_path_factory.mktemp("offered") / "train.parquet"
    pq.write_table(pa.table(table), path)
    return path


def fresh(root: Path, *, url: str | None = None, shards: int = 8) -> tuple[Workspace, Params]:
    ws = Workspace.at(root)
    write_templates(ws)
    keys.create_keys(ws.keys, ws.records)
    params = load_params(ws.root)
    data = dataclasses.replace(params.data, shards=shards)
    remote = dataclasses.replace(params.remote, url=url)
    return ws, dataclasses.replace(params, data=data, remote=remote)


@pytest.fixture(scope="module")
def original(offered: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    ws, params = fresh(tmp_path_factory.mktemp("original"))
    import_dataset(ws, Source(str(offered)), params, key=KEY)
    return ws


@pytest.fixture
def ws(original: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the workspace somewhere else: nothing in it may depend on where it lies."""
    shutil.copytree(original.root, tmp_path / "workspace", symlinks=True)
    return Workspace.at(tmp_path / "workspace")


def resolved(ws: Workspace, selector: Selector) -> resolving.Resolution:
    (found,) = resolving.resolve_all(ws, [selector])
    return found


def ids_of(ws: Workspace, *people: int) -> tuple[str, ...]:
    values = tuple(f"canary-person-{person:02d}" for person in people)
    return resolved(ws, Selector("subject", values)).ids


def objects(root: Path) -> dict[str, str]:
    """Key and true md5 of every object in a cache or remote."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path.parent.name + path.name: md5(path.read_bytes()) for path in files}


def cache(ws: Workspace) -> Path:
    return ws.dvc / "cache" / "files" / "md5"


def state(ws: Workspace) -> dict[str, Any]:
    """All that an erasure may change, as bytes or keys."""
    shards = {path.name: path.read_bytes() for path in ws.shards.iterdir()}
    return {
        "shards": shards,
        "pointer": ws.data_file.read_bytes(),
        "artifacts": {p.name: p.read_bytes() for p in ws.artifacts.rglob("*") if p.is_file()},
        "cache": sorted(objects(cache(ws))),
        "remote": sorted(objects(ws.remote)),
    }


# -- taking in ---------------------------------------------------------------------------------


def test_an_import_is_a_version_a_manifest_and_a_copy_in_the_remote(original: Workspace) -> None:
    manifest = sharding.load_manifest(original)
    assert manifest.data_version == versions.data_version(original)
    assert sum(shard.rows for shard in manifest.shards.values()) == 60
    assert loading.counts(original) == {"train": 30, "holdout": 15, "test": 15}
    assert sorted(objects(cache(original))) == sorted(objects(original.remote))
    assert b"canary" not in original.manifest.read_bytes() + original.dataset.read_bytes()
    assert sharding.load_dataset(original).classes == ("ape", "bee", "cat")
    assert "verify = True" in (original.dvc / "config").read_text()
    assert str(original.root) not in (original.dvc / "config").read_text()


def test_dvc_keeps_to_the_workspace(original: Workspace) -> None:
    assert (original.dvc / "tmp" / "site").is_dir()
    assert not list(original.root.glob(".importing*"))


def test_the_same_data_and_key_give_the_same_version(
    offered: Path, original: Workspace, tmp_path: Path
) -> None:
    ws, params = fresh(tmp_path)
    again = import_dataset(ws, Source(str(offered)), params, key=KEY)
    assert again.data_version == versions.data_version(original)


def test_the_key_moves_people_and_changes_nothing_that_is_learned(
    offered: Path, original: Workspace, tmp_path: Path
) -> None:
    ws, params = fresh(tmp_path)
    import_dataset(ws, Source(str(offered)), params, key=b"another key")
    assert versions.data_version(ws) != versions.data_version(original)
    ours, theirs = loading.load_examples(ws), loading.load_examples(original)
    for split, examples in ours.items():
        assert examples.ids.tolist() == theirs[split].ids.tolist()
        assert np.array_equal(examples.images, theirs[split].images)


def test_a_second_import_is_refused(ws: Workspace, offered: Path) -> None:
    before = state(ws)
    with pytest.raises(UsageError, match=r"holds data version .* already"):
        import_dataset(ws, Source(str(offered)), load_params(ws.root), key=KEY)
    assert state(ws) == before


def test_an_erased_example_is_not_taken_in_and_nobody_changes_sides(
    offered: Path, original: Workspace, tmp_path: Path
) -> None:
    before = reading.read_table(original, ["split"])
    split_of = dict(zip(before["example_id"].to_pylist(), before["split"].to_pylist(), strict=True))
    ((_, digest),), _ = loading.leaving(original, ["canary-example-007"])
    ws, params = fresh(tmp_path)
    done = import_dataset(
        ws,
        Source(str(offered)),
        params,
        key=KEY,
        suppressed=lambda example, image: example == "canary-example-003" or image == digest,
    )
    assert (done.examples, done.suppressed) == (58, 2)
    after = reading.read_table(ws, ["split"])
    for example, split in zip(
        after["example_id"].to_pylist(), after["split"].to_pylist(), strict=True
    ):
        assert split_of[example] == split
    assert not {"canary-example-003", "canary-example-007"} & set(after["example_id"].to_pylist())


@pytest.mark.parametrize("failing", ["add", "push", "save_manifest"])
def test_a_failed_import_leaves_nothing_and_can_be_repeated(
    offered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    ws, params = fresh(tmp_path)

    def fail(*_: object) -> None:
        raise InfrastructureError("no answer")

    module = importing if failing == "save_manifest" else versions
    with monkeypatch.context() as patch:
        patch.setattr(module, failing, fail)
        with pytest.raises(InfrastructureError):
            import_dataset(ws, Source(str(offered)), params, key=KEY)
    assert not ws.data.exists()
    assert not ws.data_file.exists()
    assert objects(cache(ws)) == objects(ws.remote) == {}
    assert import_dataset(ws, Source(str(offered)), params, key=KEY).examples == 60


def test_an_import_that_was_killed_can_be_withdrawn_and_repeated(
    offered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, params = fresh(tmp_path)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(importing, "_committed", die)
        with pytest.raises(Killed):
            import_dataset(ws, Source(str(offered)), params, key=KEY)
    with pytest.raises(UsageError, match="data/: holds what is no data version"):
        import_dataset(ws, Source(str(offered)), params, key=b"another key")
    importing.withdraw(ws)
    shutil.rmtree(ws.data)
    import_dataset(ws, Source(str(offered)), params, key=b"another key")
    loading.verify(ws)


def test_a_cut_off_import_is_taken_out_of_cache_and_remote(ws: Workspace) -> None:
    importing.withdraw(ws)
    assert objects(cache(ws)) == objects(ws.remote) == {}


def test_the_data_version_is_known_before_dvc_has_seen_the_data(ws: Workspace) -> None:
    assert version_of_files(ws) == versions.data_version(ws)


def test_a_pointer_that_came_with_the_folder_says_which_data_belong_there(
    offered: Path, original: Workspace, tmp_path: Path
) -> None:
    ws, params = fresh(tmp_path)
    shutil.copy(original.data_file, ws.data_file)
    with pytest.raises(UsageError, match=r"data\.dvc: points to data version"):
        import_dataset(ws, Source(str(offered)), params, key=b"another key")
    assert ws.data_file.read_bytes() == original.data_file.read_bytes()
    assert not ws.data.exists()
    import_dataset(ws, Source(str(offered)), params, key=KEY)
    assert ws.data_file.read_bytes() == original.data_file.read_bytes()


# -- reading -----------------------------------------------------------------------------------


def test_examples_come_decoded_by_split_in_the_order_of_their_ids(original: Workspace) -> None:
    loaded = loading.load_examples(original)
    for examples in loaded.values():
        assert examples.ids.tolist() == sorted(examples.ids.tolist())
    train = loaded["train"]
    number = int(train.ids[0][-3:])
    with Image.open(io.BytesIO(png(number))) as image:
        assert np.array_equal(train.images[0, 0], np.asarray(image))
    assert train.labels[0] == number % 3
    assert (str(train.images.dtype), str(train.labels.dtype)) == ("uint8", "int64")


def test_images_are_digested_if_all_are_there_that_were_asked_for(original: Workspace) -> None:
    ids = ids_of(original, 2, 5)
    assert [name for name, _ in loading.leaving(original, ids)[0]] == sorted(ids)
    with pytest.raises(RequestDenied, match="1 of 11 examples are not in data version"):
        loading.leaving(original, [*ids, "stranger"])


def test_selectors(original: Workspace) -> None:
    """Person 3 has examples 15 to 19; class bee has every third one; style 1 every fourth."""
    found = resolved(original, Selector("subject", ("canary-person-03", "nobody")))
    assert sorted(found.ids) == [f"canary-example-{i:03d}" for i in range(15, 20)]
    assert found.unknown == ("nobody",)
    assert sorted(map(len, (found.train, found.holdout, found.test))) == [0, 0, 5]
    assert len(resolved(original, Selector("class", ("bee",))).ids) == 20
    assert len(resolved(original, Selector("where", ("style 1",), "style")).ids) == 15
    assert resolved(original, Selector("class", ("dog",))).unknown == ("dog",)
    one = resolved(original, Selector("example", ("canary-example-001",)))
    assert one.ids == ("canary-example-001",)


@pytest.mark.parametrize("column", ["colour", "subject_id", "split", "label"])
def test_where_asks_for_an_attribute(original: Workspace, column: str) -> None:
    with pytest.raises(UsageError, match=f"no attribute '{column}', it has style"):
        resolved(original, Selector("where", ("x",), column))


def test_a_missing_shard_comes_back_from_the_remote(ws: Workspace) -> None:
    name = next(iter(sharding.load_manifest(ws).shards))
    shard = ws.shards / f"{name}.parquet"
    content = shard.read_bytes()
    shard.unlink()
    ws.dataset.unlink()
    shutil.rmtree(ws.dvc / "cache")
    loading.verify(ws)
    assert shard.read_bytes() == content


def test_a_shard_that_is_missing_everywhere_is_named_and_nothing_is_read(ws: Workspace) -> None:
    name = next(iter(sharding.load_manifest(ws).shards))
    shard = ws.shards / f"{name}.parquet"
    key = md5(shard.read_bytes())
    shard.unlink()
    shutil.rmtree(ws.dvc / "cache")
    (ws.remote / "files" / "md5" / key[:2] / key[2:]).unlink()
    with pytest.raises(InfrastructureError, match=rf"data/shards/{name}\.parquet: missing") as e:
        loading.load_examples(ws)
    assert (e.value.exit_code, "\n" in str(e.value)) == (20, False)


def test_a_corrupt_shard_is_an_alarm_and_is_not_replaced(ws: Workspace) -> None:
    name = list(sharding.load_manifest(ws).shards)[1]
    shard = ws.shards / f"{name}.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    before = state(ws)
    for read in (
        loading.verify,
        loading.load_examples,
        lambda ws: erase(ws, ["canary-example-000"]),
    ):
        with pytest.raises(IntegrityError, match=f"shards/{name}.parquet: (has|is not)") as caught:
            read(ws)
        assert caught.value.exit_code == 30
    assert state(ws) == before


def test_a_corrupt_copy_in_the_remote_is_not_taken_silently(ws: Workspace) -> None:
    name = next(iter(sharding.load_manifest(ws).shards))
    shard = ws.shards / f"{name}.parquet"
    key = md5(shard.read_bytes())
    shard.unlink()
    shutil.rmtree(ws.dvc / "cache")
    stored = ws.remote / "files" / "md5" / key[:2] / key[2:]
    stored.chmod(0o644)
    stored.write_bytes(b"PAR1 something else")
    stored.chmod(0o444)
    with pytest.raises((IntegrityError, InfrastructureError), match=f"{name}.parquet"):
        loading.verify(ws)


def test_without_the_manifest_nothing_can_be_checked(ws: Workspace) -> None:
    ws.manifest.unlink()
    with pytest.raises(IntegrityError, match=r"artifacts/manifest\.json: is not there"):
        loading.verify(ws)


def test_a_workspace_without_data(tmp_path: Path) -> None:
    for read in (versions.data_version, sharding.load_dataset):
        with pytest.raises(UsageError, match="lethe init"):
            read(Workspace.at(tmp_path))


# -- erasing -----------------------------------------------------------------------------------


def test_an_erasure_rewrites_the_shards_concerned_and_leaves_no_copy(ws: Workspace) -> None:
    found = resolved(ws, Selector("subject", ("canary-person-01", "canary-person-04")))
    ids, counts = found.ids, loading.counts(ws)
    before, manifest = state(ws), sharding.load_manifest(ws)
    places = {copy.where for copy in holds(ws, ids)}
    assert places == {"workspace", "dvc cache", "dvc remote"}

    erasure = erase(ws, ids)
    assert erasure.old_version == manifest.data_version != erasure.new_version
    assert erasure.new_version == versions.data_version(ws)
    changed = {
        name for name, content in before["shards"].items() if state(ws)["shards"][name] != content
    }
    assert 1 <= len(changed) <= 2
    old_keys = {md5(before["shards"][name]) for name in changed}
    assert set(erasure.replaced) == old_keys | {f"{erasure.old_version}.dir"}

    copies = purge(ws, erasure.replaced)
    assert {copy.status for copy in copies} == {Status.REMOVED}
    assert len(copies) == 2 * len(erasure.replaced)
    assert holds(ws, ids) == []
    assert not set(erasure.replaced) & (objects(cache(ws)).keys() | objects(ws.remote).keys())
    gone = {split: len(getattr(found, split)) for split in counts}
    assert loading.counts(ws) == {split: n - gone[split] for split, n in counts.items()}
    loading.verify(ws)


def test_objects_are_never_altered_in_place(ws: Workspace) -> None:
    """DVC may share a file's bytes between data/ and cache; a rewrite must not reach the cache."""
    for path in ws.shards.iterdir():
        key = md5(path.read_bytes())
        path.unlink()
        path.hardlink_to(cache(ws) / key[:2] / key[2:])
    erase(ws, ids_of(ws, 1))
    for place in (cache(ws), ws.remote):
        for key, digest in objects(place).items():
            assert key.removesuffix(".dir") == digest
    assert all(stat.S_IMODE(p.stat().st_mode) for p in ws.shards.iterdir())


def test_other_versions_and_other_peoples_objects_stay(ws: Workspace) -> None:
    """DVC's gc would remove whatever the present version does not list."""
    other = cache(ws) / "ab" / ("c" * 30)
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(b"somebody else's object")
    erasure = erase(ws, ids_of(ws, 1))
    purge(ws, erasure.replaced)
    assert other.exists()


def test_an_older_version_that_nobody_purged_is_found(ws: Workspace) -> None:
    """Persons 1 and 4 go one after the other; the purge of the first did not happen."""
    first_ids, second_ids = ids_of(ws, 1), ids_of(ws, 4)
    first = erase(ws, first_ids)
    second = erase(ws, second_ids)
    assert set(first.replaced) < set(second.replaced)
    assert second.old_version == first.old_version
    purge(ws, second.replaced)
    assert holds(ws, [*first_ids, *second_ids]) == []
    assert not (ws.artifacts / owing.OWED).exists()


def test_older_copies_are_found_without_any_note(ws: Workspace) -> None:
    ids = ids_of(ws, 1)
    first = erase(ws, ids)
    (ws.artifacts / owing.OWED).unlink()
    leftover = cache(ws) / "0a" / ".broken-transfer.tmp"
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"PAR1 and then the disk was full")
    again = erase(ws, ids)
    assert set(again.replaced) == {*first.replaced, "0a.broken-transfer.tmp"}
    purge(ws, again.replaced)
    assert not leftover.exists()
    assert holds(ws, ids) == []


def test_the_last_person_of_a_shard_takes_the_shard_along(tmp_path: Path, offered: Path) -> None:
    ws, params = fresh(tmp_path, shards=256)
    import_dataset(ws, Source(str(offered)), params, key=KEY)
    ids = ids_of(ws, 1)
    shards = set(sharding.load_manifest(ws).shards)
    purge(ws, erase(ws, ids).replaced)
    assert len(shards - set(sharding.load_manifest(ws).shards)) == 1
    assert {f"{name}.parquet" for name in sharding.load_manifest(ws).shards} == {
        path.name for path in ws.shards.iterdir()
    }
    assert holds(ws, ids) == []
    loading.verify(ws)


def test_everything_at_once_is_not_an_erasure(ws: Workspace) -> None:
    before = state(ws)
    with pytest.raises(RequestDenied, match="every example would go"):
        erase(ws, [f"canary-example-{i:03d}" for i in range(60)])
    assert state(ws) == before


def test_unknown_ids_change_nothing(ws: Workspace) -> None:
    before = state(ws)
    erasure = erase(ws, ["stranger"])
    assert erasure.old_version == erasure.new_version
    assert erasure.replaced == ()
    assert state(ws) == before


def test_what_the_data_version_needs_is_not_purged(ws: Workspace) -> None:
    before = state(ws)
    keys = sorted(purging.current_keys(ws))
    with pytest.raises(UsageError, match="needs 1 of the keys"):
        purge(ws, keys[:1])
    assert state(ws) == before


def test_a_copy_that_cannot_be_removed_remains_and_is_said_to(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ids_of(ws, 1)
    erasure = erase(ws, ids)
    remove = stores.DvcStore.remove

    def refuse(self: stores.DvcStore, key: str) -> None:
        if self.where == "dvc remote":
            raise PermissionError("read-only remote")
        remove(self, key)

    with monkeypatch.context() as patch:
        patch.setattr(stores.DvcStore, "remove", refuse)
        copies = purge(ws, erasure.replaced)
    remaining = {(copy.where, copy.why) for copy in copies if copy.status is Status.REMAINS}
    assert remaining == {("dvc remote", "read-only remote")}
    assert {copy.where for copy in holds(ws, ids)} == {"dvc remote"}
    assert erase(ws, ids).replaced == erasure.replaced
    assert {copy.status for copy in purge(ws, erasure.replaced)} == {Status.REMOVED}
    assert holds(ws, ids) == []


def test_objects_that_lie_outside_the_workspace_stay(ws: Workspace, tmp_path: Path) -> None:
    """A cache that was moved away behind a link may be another workspace's too."""
    erasure = erase(ws, ids_of(ws, 1))
    (ws.dvc / "cache").rename(tmp_path / "shared")
    (ws.dvc / "cache").symlink_to(tmp_path / "shared")
    before = objects(tmp_path / "shared")
    with pytest.raises(OutsideWorkspace):
        purge(ws, erasure.replaced)
    assert objects(tmp_path / "shared") == before
    with pytest.raises(UsageError, match=r"\.dvc/cache: is a link out of the workspace"):
        ws.require_whole()


def test_a_cache_that_the_settings_place_elsewhere_is_refused(ws: Workspace) -> None:
    """What lies in .dvc/cache would be passed over, and said to be erased."""
    with (ws.dvc / "config").open("a") as file:
        file.write(f"[cache]\n    dir = {ws.root.parent / 'shared'}\n")
    with pytest.raises(UsageError, match="dvc cache dir --unset"):
        erase(ws, ids_of(ws, 1))


def test_a_remote_outside_is_purged_if_the_settings_name_it(offered: Path, tmp_path: Path) -> None:
    ws, params = fresh(tmp_path / "workspace", url=str(tmp_path / "remote"))
    import_dataset(ws, Source(str(offered)), params, key=KEY)
    copies = purge(ws, erase(ws, ids_of(ws, 1)).replaced)
    assert {copy.where for copy in copies} == {"dvc cache", "dvc remote"}
    assert all(copy.gone for copy in copies)


def test_a_store_that_may_keep_old_versions_is_not_taken_at_its_word(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it no longer lists may live on as an older version: that copy stays on the list."""
    ids = ids_of(ws, 1)
    erasure = erase(ws, ids)
    monkeypatch.setattr(stores, "PLAIN", frozenset())
    for _ in range(2):  # asked again, as after a crash, it is no surer
        copies = purge(ws, erasure.replaced)
        assert {copy.status for copy in copies} == {Status.UNVERIFIED}
        assert {copy.why for copy in copies} == {
            "local may keep older versions, which cannot be listed from here: look there"
        }
    assert holds(ws, ids) == []


PORTS: tuple[tuple[Any, str], ...] = (
    (durable, "write"),
    (durable, "remove_file"),
    (durable, "remove_folder"),
    (erasing, "_swap"),
    (erasing, "drop_plan"),
    (versions, "add"),
    (versions, "push"),
    (stores.DvcStore, "remove"),
)


def kill_at(patch: pytest.MonkeyPatch, n: int) -> Callable[[], int]:
    """Kill before the n-th side effect; gives the number of those that were reached."""
    reached = 0

    def counted(work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            nonlocal reached
            reached += 1
            if reached == n:
                raise Killed
            return work(*args, **named)

        return call

    for owner, name in PORTS:
        patch.setattr(owner, name, counted(getattr(owner, name)))
    return lambda: reached


def erase_and_purge(ws: Workspace, ids: tuple[str, ...]) -> None:
    purge(ws, erase(ws, ids).replaced)


def test_killed_at_any_side_effect_a_repetition_ends_in_the_same_state(
    original: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copied(name: str) -> Workspace:
        shutil.copytree(original.root, tmp_path / name, symlinks=True)
        return Workspace.at(tmp_path / name)

    ids = ids_of(original, 4)
    reference = copied("reference")
    with monkeypatch.context() as patch:
        reached = kill_at(patch, 0)
        erase_and_purge(reference, ids)
    effects = reached()
    assert effects >= 10
    for n in range(1, effects + 1):
        ws = copied(f"killed-{n}")
        with monkeypatch.context() as patch:
            kill_at(patch, n)
            with pytest.raises(Killed):
                erase_and_purge(ws, ids)
        loading.verify(ws)  # in between, what is there can be read
        erase_and_purge(ws, ids)
        assert state(ws) == state(reference), f"killed before side effect {n}"
        assert holds(ws, ids) == []
        shutil.rmtree(ws.root)


def test_killed_in_between_the_keys_are_still_known_without_the_ids(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that resolves its selector anew finds nobody any more, and must still purge."""
    ids = ids_of(ws, 4)
    with monkeypatch.context() as patch:
        patch.setattr(erasing, "older_copies", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            erase(ws, ids)
    purge(ws, erase(ws, []).replaced)
    assert holds(ws, ids) == []


# -- DVC ---------------------------------------------------------------------------------------


def test_a_lock_that_is_held_is_waited_for_ten_times_and_then_reported() -> None:
    from dvc.lock import LockError

    waits: list[float] = []
    answers = iter([LockError("held")] * 3 + [None])

    def work() -> str:
        if error := next(answers, LockError("held")):
            raise error
        return "done"

    assert versions.patiently(work, sleep=waits.append) == "done"
    assert waits == pytest.approx([0.1, 0.2, 0.4])
    waits.clear()
    with pytest.raises(InfrastructureError, match="held the workspace's lock through 10 attempts"):
        versions.patiently(work, sleep=waits.append)
    assert len(waits) == 10


def test_dvc_is_not_told_of_git(offered: Path, tmp_path: Path) -> None:
    """It would write into git's index and into the user's .gitignore."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("mine\n")
    ws, params = fresh(tmp_path)
    import_dataset(ws, Source(str(offered)), params, key=KEY)
    assert ws.gitignore.read_text() == "mine\n"
    staged = ["git", "-C", str(tmp_path), "diff", "--cached", "--name-only"]
    assert subprocess.run(staged, check=True, capture_output=True).stdout == b""


def test_a_dvc_project_gets_a_remote_and_keeps_its_settings(offered: Path, tmp_path: Path) -> None:
    theirs = "# ours\n[core]\n    remote = store\n    autostage = true\n['remote \"store\"']\n"
    theirs += "    url = /somewhere/else\n"
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(theirs)
    ws, params = fresh(tmp_path)
    import_dataset(ws, Source(str(offered)), params, key=KEY)
    config = (ws.dvc / "config").read_text()
    assert config.startswith(theirs)
    assert 'remote "lethe"' in config.removeprefix(theirs)
    assert sorted(objects(cache(ws))) == sorted(objects(ws.remote))
    for _ in range(2):
        versions.create(ws, None)
        assert (ws.dvc / "config").read_text() == config
    with pytest.raises(UsageError, match="its remote 'lethe' leads elsewhere"):
        versions.create(ws, "s3://other/place")


# -- S3 ----------------------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["versioned", "plain"])
def bucket(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A bucket on this machine, with versions and without."""
    with bucket_on_loopback(monkeypatch, versioned=request.param) as client:
        yield client


def stored(client: Any) -> set[str]:
    """Keys of all versions of objects, those behind a delete marker included."""
    page = client.list_object_versions(Bucket="lethe")
    names = [version["Key"] for version in page.get("Versions", [])]
    names = [name for name in names if not name.endswith(f"/{MARK}")]
    return {"".join(name.split("/")[-2:]) for name in names}


def name_of(key: str) -> str:
    return f"data/files/md5/{key[:2]}/{key[2:]}"


def test_in_a_bucket_every_version_and_unfinished_upload_goes(
    bucket: Any, offered: Path, tmp_path: Path
) -> None:
    ws, params = fresh(tmp_path, url="s3://lethe/data")
    import_dataset(ws, Source(str(offered)), params, key=KEY)
    assert stored(bucket) == set(objects(cache(ws)))
    ids = ids_of(ws, 1, 4)
    erasure = erase(ws, ids)
    hidden, pending = [key for key in erasure.replaced if not key.endswith(".dir")]
    # (1) What DVC's gc would do: a marker over the bytes. (2) An upload that was broken off.
    bucket.delete_object(Bucket="lethe", Key=name_of(hidden))
    bucket.delete_object(Bucket="lethe", Key=name_of(pending))
    bucket.create_multipart_upload(Bucket="lethe", Key=name_of(pending))
    shutil.rmtree(ws.dvc / "cache")  # so that the bytes are looked into where they lie
    found = {copy.what.removeprefix("object ") for copy in holds(ws, ids)}
    assert found == {pending} | ({hidden} & stored(bucket))

    assert {copy.status for copy in purge(ws, erasure.replaced)} == {Status.REMOVED}
    assert stored(bucket) == set(purging.current_keys(ws))
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket="lethe")
    assert holds(ws, ids) == []

    shutil.rmtree(ws.data)
    loading.verify(ws)
    assert json.loads(ws.dataset.read_bytes())["classes"] == ["ape", "bee", "cat"]
