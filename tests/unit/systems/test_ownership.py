"""A copy of a workspace is known as one, and a workspace keeps its name wherever it is moved."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from systems.settings.ownership import MARK, NOWHERE, mark_anew, mark_place, place_of
from systems.settings.workspace import Workspace


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    made = Workspace.at(tmp_path / "workspace")
    made.records.mkdir(parents=True)
    mark_place(made)
    return made


def copy_of(ws: Workspace) -> Workspace:
    return Workspace.at(shutil.copytree(ws.root, ws.root.with_name("copy")))


def test_the_original_stays_what_it_is_wherever_it_is_moved(ws: Workspace, tmp_path: Path) -> None:
    place = mark_place(ws)
    moved = Workspace.at(ws.root.rename(tmp_path / "moved"))
    assert mark_place(moved) == place
    assert place.here(moved)


def test_a_copy_has_the_originals_name_and_is_not_where_that_was_noted(ws: Workspace) -> None:
    copy = copy_of(ws)
    assert mark_place(copy) == mark_place(ws)
    assert not mark_place(copy).here(copy)


def test_a_copy_whose_note_was_removed_or_made_anew_has_another_name(ws: Workspace) -> None:
    copy = copy_of(ws)
    (copy.records / MARK).unlink()
    names = {mark_place(ws).owner, mark_place(copy).owner, mark_anew(copy).owner}
    assert len(names) == 3
    assert mark_place(copy).here(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"folder": 1}'])
def test_a_note_that_cannot_be_read_is_written_again(ws: Workspace, text: str) -> None:
    (ws.records / MARK).write_text(text)
    assert place_of(ws) is None
    assert mark_place(ws).here(ws)


def test_a_note_from_before_names_were_given_still_tells_a_copy(ws: Workspace) -> None:
    """It held the file's own number, which is kept by a move and not by a copy."""
    path = ws.records / MARK
    path.write_text(str(path.stat().st_ino))
    copy = copy_of(ws)
    assert mark_place(ws).here(ws)
    assert mark_place(copy).folder == NOWHERE
    assert not mark_place(copy).here(copy)
