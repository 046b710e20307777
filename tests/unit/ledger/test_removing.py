"""Nothing is removed outside of the folder that a removal names, whatever a path or a link says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import durable
from ledger.errors import OutsideWorkspace


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a file and a folder, beside somebody else's."""
    for name in ("home/within", "theirs"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("bytes")
    return tmp_path / "home"


def test_what_lies_inside_goes_and_what_is_not_there_is_no_error(home: Path) -> None:
    assert durable.remove_file(home / "within" / "file", within=home)
    assert durable.remove_folder(home / "within", within=home)
    assert list(home.iterdir()) == []
    assert not durable.remove_folder(home / "within", within=home)
    (home / "within").mkdir()
    assert not durable.remove_file(home / "within" / "file", within=home)


@pytest.mark.parametrize("where", ["../theirs", ".", "within/../../theirs", "link", "/"])
def test_a_folder_outside_stays(home: Path, where: str) -> None:
    (home / "link").symlink_to(home.parent / "theirs")
    with pytest.raises(OutsideWorkspace) as caught:
        durable.remove_folder(home / where, within=home)
    assert caught.value.exit_code == 30
    assert (home.parent / "theirs" / "file").exists() and (home / "within" / "file").exists()


@pytest.mark.parametrize("where", ["../theirs/file", "link/file"])
def test_a_file_outside_stays(home: Path, where: str) -> None:
    (home / "link").symlink_to(home.parent / "theirs")
    with pytest.raises(OutsideWorkspace):
        durable.remove_file(home / where, within=home)
    assert (home.parent / "theirs" / "file").exists()


def test_of_a_link_only_the_link_goes(home: Path) -> None:
    for link in (home / "link", home / "within" / "link"):
        link.symlink_to(home.parent / "theirs" / "file")
    assert durable.remove_file(home / "link", within=home)
    assert durable.remove_folder(home / "within", within=home)
    assert (home.parent / "theirs" / "file").exists()
