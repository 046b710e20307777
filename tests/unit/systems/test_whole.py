"""A workspace shares nothing with what lies outside: no links out, no file with a second name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from systems.settings.workspace import Workspace
from unlearning.errors import UsageError


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    made = Workspace.at(tmp_path / "workspace")
    for name in ("data/shards", "keys/requests", "records/sealed", "mlruns/artifacts", "evidence"):
        (made.root / name).mkdir(parents=True)
    for path in (made.log, made.records / "ledger.db", made.database, made.shards / "00.parquet"):
        path.write_text("bytes")
    return made


LINKS = (
    *("data", "data/shards", "keys", "keys/requests", "records/sealed", "evidence", "mlruns"),
    *("mlruns/artifacts", "mlruns/artifacts/models", "mlruns/staging", "artifacts/candidates"),
    *(".dvc/cache/files", ".dvc/cache/files/md5", "artifacts/trained", "evidence/run-1"),
)


@pytest.mark.parametrize("name", LINKS)
def test_a_place_that_is_a_link_out_is_refused(ws: Workspace, tmp_path: Path, name: str) -> None:
    ws.require_whole()
    place, theirs = ws.root / name, tmp_path / "theirs"
    if place.exists():
        place.rename(theirs)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        theirs.mkdir()
    place.symlink_to(theirs)
    with pytest.raises(UsageError, match=f"^{name}: is a link out of the workspace"):
        ws.require_whole()


def test_a_link_within_the_workspace_is_none_out_of_it(ws: Workspace) -> None:
    (ws.root / "artifacts").mkdir()
    (ws.artifacts / "again").symlink_to(ws.shards)
    ws.require_whole()


@pytest.mark.parametrize("name", ["records/log.jsonl", "records/ledger.db", "mlruns/mlflow.db"])
def test_what_is_written_in_place_has_no_second_name(
    ws: Workspace, tmp_path: Path, name: str
) -> None:
    """As after `cp -al`: an entry of the copy's log would be one of the original's."""
    os.link(ws.root / name, tmp_path / "twin")
    with pytest.raises(UsageError, match=f"^{name}: has another hard link") as caught:
        ws.require_whole()
    assert "cp -r" in str(caught.value)
    (tmp_path / "twin").unlink()
    ws.require_whole()


def test_a_shard_with_a_second_name_is_no_reason_to_refuse(ws: Workspace, tmp_path: Path) -> None:
    os.link(ws.shards / "00.parquet", tmp_path / "twin")
    ws.require_whole()
