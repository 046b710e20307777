"""How the commands that decide on versions of the model are written."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli import completing
from flows.cli.calling import Call, answer

Version = Annotated[
    int,
    typer.Argument(
        help="Its number, as `lethe list versions` shows it.", autocompletion=completing.versions
    ),
]
Reason = Annotated[str | None, typer.Option(help="Why; logged, so name nobody.")]


def taint(ctx: typer.Context, version: Version, reason: Reason = None) -> None:
    """Mark a version as one that must never serve or be built upon; for good."""
    from flows.cli.work import versions

    def work(call: Call) -> dict[str, Any]:
        found = versions.taint(call.workspace, version, reason)
        if found.get("problem"):
            call.exit_code = 30
            typer.echo(f"lethe: {found['problem']}", err=True)
        return found

    answer(ctx, work)


def rollback(ctx: typer.Context, version: Version, reason: Reason = None) -> None:
    """Let an earlier version serve again, if it saw nobody who was or is to be forgotten."""
    from flows.cli.work import versions

    answer(ctx, lambda call: versions.rollback(call.workspace, version, reason))
