"""How the command that serves a workspace is written."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli import completing
from flows.cli.calling import Call, answer

Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="Of the requests; 0: any free.")]


def serve(
    ctx: typer.Context,
    port: Port = None,
    prefect_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Of Prefect's server and pages.")
    ] = None,
    mlflow_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Of MLflow's pages.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Default: this machine alone.")] = None,
    log_format: Annotated[
        str | None,
        typer.Option(help="text or json.", autocompletion=completing.one_of("text", "json")),
    ] = None,
) -> None:
    """Serve the workspace: requests by HTTP, runs by event and by the clock, until stopped."""
    from flows.service import serving

    def work(call: Call) -> dict[str, Any]:
        asked = serving.Asked(port, prefect_port, mlflow_port, host, log_format)
        return serving.serve(call.workspace, asked)

    answer(ctx, work, waited_for=False)
