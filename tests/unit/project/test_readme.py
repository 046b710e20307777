"""README and docs say what the code and the measurements say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pages.results import RESULTS as FOLDER
from benchmarks.pages.writing import OTHERS, RESULTS, ROOT, asked_for, block, pages, written
from flows.cli import app
from flows.cli.output import CODES
from unlearning.errors import UnknownName

README = ROOT / "README.md"
NEWCOMER_READS = 12 * 1024
"""Bytes of a README that is read in five minutes."""


@pytest.mark.parametrize("page", list(pages()), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_tables_are_those_of_the_results(page: Path) -> None:
    """`python -m benchmarks.pages` writes them; nobody edits them by hand."""
    text = page.read_text(encoding="utf-8")
    assert written(text) == text


def test_every_table_stands_on_one_page() -> None:
    asked = [name for page in pages() for name in asked_for(page.read_text(encoding="utf-8"))]
    assert sorted(asked) == sorted({*RESULTS, *OTHERS})


def test_a_table_that_was_edited_by_hand_is_found() -> None:
    page = "Before.\n<!-- table beside-amun -->\nmade up\n<!-- /table -->\nAfter.\n"
    right = written(page)
    assert right != page and "made up" not in right and block("beside-amun") in right
    assert right.startswith("Before.\n") and right.endswith("<!-- /table -->\nAfter.\n")
    assert written(right) == right


def test_a_result_that_is_absent_leaves_its_table_out_with_a_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("benchmarks.pages.results.RESULTS", tmp_path)
    for name in (*RESULTS, "methods-cifar10-full"):
        assert block(name).startswith("Not measured yet: there is no `benchmarks/results/")
    assert block("summary").count("\n") == 2  # its header alone


def test_a_result_of_all_of_cifar_10_stands_beside_the_papers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Made of another result, since this one takes a GPU: retrained FA 67.0 beside 95.62."""
    text = (FOLDER / "methods-cifar10-random.json").read_text()
    text = text.replace('"data": "cifar10"', '"data": "cifar10-full"').replace(
        '"epochs": 12', '"epochs": 60'
    )
    (tmp_path / "methods-cifar10-full-60-epochs.json").write_text(text)
    monkeypatch.setattr("benchmarks.pages.results.RESULTS", tmp_path)
    page = block("methods-cifar10-full")
    assert "**cifar10-full, random**" in page and "trained for 60 epochs" in page
    assert "#### Beside the paper" in page and "**SFR-on**" in page
    assert "| RT | 66.97 / 95.62 |" in page


def test_a_table_that_is_unknown_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"table 'gate' is unknown; known are .*gates-digits"):
        written("<!-- table gate -->\n<!-- /table -->\n")


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len(README.read_bytes()) < NEWCOMER_READS


def test_every_command_is_in_the_table() -> None:
    text = README.read_text(encoding="utf-8")
    for command in app.registered_commands:
        name = command.name or command.callback.__name__  # type: ignore[union-attr]
        assert f"`{name}`" in text


def test_every_exit_code_is_named() -> None:
    text = README.read_text(encoding="utf-8")
    for code in {*CODES.values(), 2, 12, 20, 30}:
        assert f"{code} " in text
