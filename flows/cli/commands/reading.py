"""How the command that says who may read the pages is written."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli import completing
from flows.cli.calling import Call, answer
from flows.cli.options import Deed
from systems.intake.viewing.roles import Role
from unlearning.errors import UsageError


def reader(
    ctx: typer.Context,
    deed: Annotated[Deed, typer.Argument(help="add, list or remove.")],
    name: Annotated[str | None, typer.Argument(help="A post or staff reference.")] = None,
    role: Annotated[
        Role | None,
        typer.Option(
            help="With add: what may be seen.", autocompletion=completing.one_of(*sorted(Role))
        ),
    ] = None,
) -> None:
    """Say who may read the pages of `lethe serve`, and in which role; a token is shown once."""
    from flows.cli.work import reading

    def work(call: Call) -> dict[str, Any]:
        if (role is not None) is not (deed is Deed.ADD):
            raise UsageError(f"reader {deed}: expected --role ROLE with add, and only with it")
        if deed is Deed.LIST:
            return reading.listed(call.workspace)
        if name is None:
            raise UsageError(f"reader {deed}: got no name, expected the one of the reader")
        if role is not None:
            return reading.add(call.workspace, name, role)
        return reading.remove(call.workspace, name)

    answer(ctx, work)
