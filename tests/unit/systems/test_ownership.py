"""A copy of a workspace takes nothing out of a remote that the original uses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger.errors import OutsideWorkspace
from systems.settings.ownership import MARK, mark_place, require_own_remote
from systems.settings.workspace import Workspace

OUTSIDE = ("s3://bucket/data", "/somewhere/else", "../beside")


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    made = Workspace.at(tmp_path / "workspace")
    made.records.mkdir(parents=True)
    mark_place(made)
    return made


@pytest.mark.parametrize("url", [None, "remote", "below/remote", *OUTSIDE])
def test_the_original_may_use_any_remote_wherever_it_is_moved(
    ws: Workspace, tmp_path: Path, url: str | None
) -> None:
    require_own_remote(ws, url)
    moved = Workspace.at(ws.root.rename(tmp_path / "moved"))
    mark_place(moved)
    require_own_remote(moved, url)


@pytest.mark.parametrize("url", OUTSIDE)
def test_a_copy_is_refused_what_lies_outside_until_somebody_says_that_it_is_alone(
    ws: Workspace, tmp_path: Path, url: str
) -> None:
    shutil.copytree(ws.root, tmp_path / "copy")
    copy = Workspace.at(tmp_path / "copy")
    mark_place(copy)
    with pytest.raises(OutsideWorkspace, match=f"remove records/{MARK}"):
        require_own_remote(copy, url)
    require_own_remote(copy, None)
    (copy.records / MARK).unlink()
    mark_place(copy)
    require_own_remote(copy, url)


def test_a_mark_that_a_crash_cut_short_is_written_again(ws: Workspace) -> None:
    (ws.records / MARK).write_text("")
    mark_place(ws)
    require_own_remote(ws, OUTSIDE[0])
