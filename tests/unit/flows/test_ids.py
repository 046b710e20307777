"""Ids come from files and standard input as they are written, and no message repeats one."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.cli.work import requesting
from flows.cli.work.ids import with_ids_of
from unlearning.errors import InfrastructureError, UsageError


def test_a_file_has_one_id_a_line_exactly_as_written(tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_bytes("\ufeffjane doe\r\n\r\n Zoë \n01".encode())
    assert with_ids_of(["joe"], file, option="--subject-file") == ["joe", "jane doe", " Zoë ", "01"]
    assert with_ids_of(["joe"], None, option="--subject-file") == ["joe"]
    assert with_ids_of(None, None, option="--subject-file") is None


@pytest.mark.parametrize("mark", ["\f", "\v", "\x1c", "\x85", "\u2028", "\u2029", "\r"])
def test_only_the_ends_of_lines_part_two_ids(tmp_path: Path, mark: str) -> None:
    """`str.splitlines` breaks at each of these, so that it would name two others."""
    file = tmp_path / "people.txt"
    file.write_bytes(f"jane{mark}doe\njoe\r\n".encode())
    assert with_ids_of(None, file, option="--subject-file") == [f"jane{mark}doe", "joe"]


def test_a_hyphen_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"jane\njoe\n")))
    assert with_ids_of(None, Path("-"), option="--subject-file") == ["jane", "joe"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"jane\xff\n"])
def test_a_file_without_ids_is_refused_without_its_content(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "people.txt"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="expected one") as caught:
        with_ids_of(None, file, option="--subject-file")
    assert "jane" not in str(caught.value)
    with pytest.raises(InfrastructureError, match="--subject-file"):
        with_ids_of(None, tmp_path, option="--subject-file")


@pytest.mark.parametrize("where", ["jane", "=jane", "jane="])
def test_a_malformed_where_is_not_repeated(where: str) -> None:
    with pytest.raises(UsageError, match="expected COLUMN=VALUE") as caught:
        requesting.selector_of(None, None, None, where)
    assert "jane" not in str(caught.value)
