"""Whatever goes wrong, in any library, is an exit code and one line."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import sqlalchemy.exc
import torch
import typer

from flows import cli
from flows.cli import problems
from unlearning.errors import AttackFailed, IntegrityError, UsageError

PERSON = "canary-person-07"


def foreign(name: str, words: str) -> Exception:
    """An error as a package that Lethe never imports itself would raise it."""
    package, kind = name.split(".")
    made: Exception = type(kind, (Exception,), {"__module__": f"{package}._exceptions"})(words)
    return made


def caused(problem: Exception, cause: Exception) -> Exception:
    problem.__cause__ = cause
    return problem


@pytest.mark.parametrize(
    ("problem", "code", "words"),
    [
        (UsageError("a setting:\n got 1,  expected 2"), 2, "a setting: got 1, expected 2"),
        (IntegrityError("shard 3"), 30, "shard 3"),
        (AttackFailed("attack lira"), 11, "attack lira"),
        (OSError(errno.ENOSPC, "No space left on device", "/far/away/data.bin"), 20, "data.bin: "),
        (MemoryError(), 20, "memory: got less than was asked for"),
        (torch.OutOfMemoryError("CUDA out of memory."), 20, "memory: got less"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), 20, "memory: got"),
        (foreign("httpx.ConnectTimeout", "timed out"), 20, "httpx: ConnectTimeout: timed out"),
        (ConnectionRefusedError(111, "Connection refused"), 20, "ConnectionRefusedError: Conn"),
        (
            foreign("botocore.EndpointConnectionError", "no http://s3.example"),
            20,
            "http://s3.example",
        ),
        (sqlalchemy.exc.OperationalError("x", {}, OSError("locked")), 20, "sqlalchemy: Operat"),
        (
            caused(RuntimeError("job"), foreign("httpx.ReadError", "reset")),
            20,
            "httpx: ReadError: reset",
        ),
        (RuntimeError("Timed out ... ephemeral Prefect API server."), 20, "PREFECT_API_URL"),
        (ImportError("Using SOCKS proxy, but the 'socksio' package is not"), 20, "proxy: one of"),
        (KeyError(PERSON), 1, "KeyError at "),
        (ValueError(f"subject {PERSON}: no such\nrow"), 1, "ValueError at "),
    ],
)
def test_a_problem_is_a_code_and_a_line(problem: Exception, code: int, words: str) -> None:
    found, line = problems.explain(problem)
    assert found == code
    assert words in line
    assert "\n" not in line
    assert PERSON not in line


def test_a_server_of_prefects_that_is_gone_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://me:secret@prefect.example:4200/api")
    refused = RuntimeError("Failed to reach API at http://me:secret@prefect.example:4200/api/")
    code, line = problems.explain(caused(refused, foreign("httpx.ConnectError", "refused")))
    assert code == 20
    assert "no server answers at http://prefect.example:4200/api, which PREFECT_API_URL" in line
    assert "secret" not in line


def test_what_nobody_foresaw_is_placed_where_our_code_was_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The traceback is for --debug; without it, and for programs, there is one line."""

    def broken(*_: object) -> None:
        raise LookupError(PERSON)

    monkeypatch.setattr("flows.cli.work.queries.list_", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["list", "methods", "--json"])
    said = capsys.readouterr()
    assert ended.value.code == 1
    told = json.loads(said.out)
    assert told["exit_code"] == 1
    assert told["error"].startswith("LookupError at ")
    assert said.err == f"lethe: {told['error']}\n"
    assert PERSON not in said.out + said.err
    with pytest.raises(LookupError):
        cli.main(["--debug", "list", "methods"])


def test_a_command_that_cannot_even_be_imported_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app(*_: object, **__: object) -> int:
        raise ImportError("libcudnn.so.9: cannot open shared object file")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("lethe: ImportError at ")


@pytest.mark.parametrize("command", ["submit --subject", "show", "deny req-1 --reason", "verify"])
def test_bytes_that_are_no_text_are_refused_before_anything_is_done(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a shell passes on Latin-1: to call the database damaged would cost its owner the file."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), "M\udcfcller"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"lethe: word {len(command.split()) + 1} of the line: holds bytes")
    assert len(said.splitlines()) == 1 and "ller" not in said


def test_an_interruption_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app(*_: object, **__: object) -> int:
        raise typer.Abort

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.main(["forget", "--all"])
    assert ended.value.code == 20
    assert "the same command goes on with it" in capsys.readouterr().err
