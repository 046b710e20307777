"""How a command is called and answers: what it found, or one line that says what is wrong."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from flows import problems
from flows.cli import output
from flows.cli.progress import at_work, counts_shown
from tasks.running import progress


@dataclass
class Call:
    """How this call was made. exit_code: what the command ends with if nothing goes wrong."""

    workspace: Path
    as_json: bool
    debug: bool
    exit_code: int = 0


def answer(
    ctx: typer.Context, work: Callable[[Call], dict[str, Any]], *, waited_for: bool = True
) -> None:
    """Do a command's work with standard output kept for its answer, then print that.

    waited_for: whether it ends by itself, so that somebody who waits is shown what it does.
    """
    call: Call = ctx.obj
    try:
        with contextlib.redirect_stdout(sys.stderr), _shown(ctx, waited_for):
            found = work(call)
    except Exception as problem:
        if call.debug:
            raise
        code, line = problems.explain(problem)
        complain(line, code, as_json=call.as_json)
        raise typer.Exit(code) from problem
    if call.as_json:
        print(json.dumps(found, default=str))
    else:
        output.show(found)
    if call.exit_code:
        raise typer.Exit(call.exit_code)


@contextlib.contextmanager
def _shown(ctx: typer.Context, waited_for: bool) -> Iterator[None]:
    if not waited_for:
        yield
        return
    call: Call = ctx.obj
    counts = contextlib.nullcontext() if call.as_json else counts_shown()
    with at_work(str(ctx.info_name)) as step, progress.steps_shown(step), counts:
        yield


def complain(line: str, code: int, *, as_json: bool) -> None:
    """Say in one line what is wrong, and to a program in one object."""
    if as_json:
        print(json.dumps({"error": line, "exit_code": code}))
    typer.echo(f"lethe: {line}", err=True)
