"""How `lethe approve` is written."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli import completing
from flows.cli.calling import Call, answer


def approve(
    ctx: typer.Context,
    request: Annotated[
        str,
        typer.Argument(
            help="A request that is awaiting_approval.", autocompletion=completing.open_requests
        ),
    ],
    reviewer: Annotated[str, typer.Option(help="Your role or staff reference; no default.")],
    reason: Annotated[str, typer.Option(help="Why; logged, so name nobody.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="No: nothing is released.")] = False,
    override: Annotated[
        bool, typer.Option("--override", help="Release against utility; takes two persons.")
    ] = False,
) -> None:
    """Answer what the policy asks a person, before anything is released or erased."""
    from flows.cli.work import approving
    from tasks.approval.answering import Word

    def work(call: Call) -> dict[str, Any]:
        if refuse and override:
            raise typer.BadParameter("--refuse, --override: expected one of them")
        word = Word(reviewer, reason, not refuse, override, "lethe approve")
        return approving.approve(call.workspace, request, word)

    answer(ctx, work)
