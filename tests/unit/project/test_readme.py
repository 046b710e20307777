"""The README says what the code and the measurements say."""

from __future__ import annotations

from benchmarks.results_pages import BEGIN, END, METHODS_BEGIN, METHODS_END, README, block, methods
from flows.cli import app
from flows.cli.output import CODES


def test_the_tables_are_those_of_the_results() -> None:
    """`python -m benchmarks.readme` writes them; nobody edits them by hand."""
    assert BEGIN + block() + END in README.read_text()


def test_every_method_is_in_the_table() -> None:
    assert METHODS_BEGIN + methods() + METHODS_END in README.read_text()


def test_every_command_is_in_the_table() -> None:
    text = README.read_text()
    for command in app.registered_commands:
        name = command.name or command.callback.__name__  # type: ignore[union-attr]
        assert f"`{name}`" in text


def test_every_exit_code_is_named() -> None:
    text = README.read_text()
    for code in {*CODES.values(), 2, 12, 20, 30}:
        assert f"{code} " in text
