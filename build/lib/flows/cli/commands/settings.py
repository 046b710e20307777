"""How the commands that show and change the settings in force are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.calling import Call, answer
from unlearning.errors import UsageError

if TYPE_CHECKING:
    from tasks.adopt import Kind


def policy(
    ctx: typer.Context,
    adopt: Annotated[Path | None, typer.Option(help="Put this file into force.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; logged, so name nobody.")] = None,
) -> None:
    """Show the policy in force and its history, or adopt another, which the log then tells."""
    from tasks.adopt import POLICY

    answer(ctx, lambda call: _adopt(call, adopt, reason, POLICY))


def params(
    ctx: typer.Context,
    adopt: Annotated[Path | None, typer.Option(help="Put this file into force.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; logged, so name nobody.")] = None,
) -> None:
    """Show the params in force and their history, or adopt others, which the log then tells."""
    from tasks.adopt import PARAMS

    answer(ctx, lambda call: _adopt(call, adopt, reason, PARAMS))


def rotate_key(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option(help="Why; logged, so name nobody.")],
) -> None:
    """Replace the signing key: the old one signs over to a new one, which signs from then on."""
    from flows.cli.work import settling

    answer(ctx, lambda call: settling.rotate_key(call.workspace, reason))


def _adopt(call: Call, file: Path | None, reason: str | None, kind: Kind) -> dict[str, Any]:
    from flows.cli.work import settling

    if file is None and reason is None:
        return settling.in_force(call.workspace, kind)
    if file is None or reason is None:
        raise UsageError(f"{kind.name}: got --adopt or --reason alone, expected both, or neither")
    return settling.adopt(call.workspace, file, reason, kind)
