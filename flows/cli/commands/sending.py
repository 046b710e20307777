"""How the command that says who may send events is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.calling import Call, answer
from flows.cli.options import Deed
from unlearning.errors import UsageError


def source(
    ctx: typer.Context,
    deed: Annotated[Deed, typer.Argument(help="add, list or remove.")],
    name: Annotated[str | None, typer.Argument(help="The sending system; no person.")] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="The secret that the other party has drawn; -: stdin.")
    ] = None,
) -> None:
    """Say which systems may send deletion requests; a secret is shown once, when it is added."""
    from flows.cli.work import sending

    def work(call: Call) -> dict[str, Any]:
        if secret_file is not None and deed is not Deed.ADD:
            raise UsageError(f"--secret-file: got it with {deed}, expected it with add")
        if deed is Deed.LIST:
            return sending.listed(call.workspace)
        if name is None:
            raise UsageError(f"source {deed}: got no name, expected the one of the source")
        if deed is Deed.ADD:
            return sending.add(call.workspace, name, secret_file)
        return sending.remove(call.workspace, name)

    answer(ctx, work)
