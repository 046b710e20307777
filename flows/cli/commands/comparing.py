"""How the commands that judge, measure and search are written; none changes the champion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import completing, output
from flows.cli.calling import Call, answer


def judge(
    ctx: typer.Context,
    request: Annotated[
        str, typer.Option(help="The request to judge by.", autocompletion=completing.requests)
    ],
    candidate: Annotated[Path | None, typer.Option(help="A .safetensors file.")] = None,
    version: Annotated[
        int | None, typer.Option(help="A registered version.", autocompletion=completing.versions)
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Default: the workspace's.")] = None,
) -> None:
    """Judge any candidate, also one made elsewhere; nothing is promoted."""
    from flows.cli.work import comparing

    def work(call: Call) -> dict[str, Any]:
        found = comparing.judge(call.workspace, request, candidate, version, policy)
        call.exit_code = output.decision_code(found)
        return found

    answer(ctx, work)


def bench(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="Which one; an unknown name lists them.", autocompletion=completing.benchmarks
        ),
    ],
) -> None:
    """Run a benchmark and give its rows; --data, --examples, --seeds, --methods... are its own."""
    from flows.cli.work import benching

    def work(call: Call) -> dict[str, Any]:
        found = benching.bench(name, ctx.args)
        return found if call.as_json else {"result": found["result"]}

    answer(ctx, work)


def tune(
    ctx: typer.Context,
    method: Annotated[
        str, typer.Option(help="See `lethe list methods`.", autocompletion=completing.methods)
    ],
    class_: Annotated[str | None, typer.Option("--class", help="Rehearse on a class.")] = None,
    examples: Annotated[int | None, typer.Option(help="Rehearse on so many, of people.")] = None,
    trials: Annotated[int, typer.Option(help="Trials at most.")] = 30,
    budget: Annotated[float, typer.Option(help="Retrainings' worth of passes at most.")] = 7.5,
    seed: Annotated[int, typer.Option(help="Of the draw and of the search.")] = 0,
    repeat: Annotated[
        int, typer.Option(help="No search: the policy's rung on so many rehearsals.")
    ] = 0,
) -> None:
    """Search a method's settings on people who asked for nothing; no policy is changed."""
    from flows.cli.work import comparing

    def work(call: Call) -> dict[str, Any]:
        if repeat:
            return comparing.repeat(call.workspace, method, class_, examples, repeat, seed=seed)
        limits = trials, budget
        found = comparing.tune(call.workspace, method, class_, examples, limits=limits, seed=seed)
        call.exit_code = 0 if found["settings"] else output.CODES["inconclusive"]
        return found

    answer(ctx, work)


def audit(
    ctx: typer.Context,
    request: Annotated[
        str,
        typer.Option(
            help="The request to audit by; nothing erased yet.",
            autocompletion=completing.open_requests,
        ),
    ],
    candidate: Annotated[Path | None, typer.Option(help="A .safetensors file.")] = None,
    version: Annotated[
        int | None, typer.Option(help="Default: the champion.", autocompletion=completing.versions)
    ] = None,
    models: Annotated[int, typer.Option(help="Retrained models to compare with.")] = 3,
) -> None:
    """Measure features, relearning, the pair and those who stay; nothing is decided."""
    from flows.cli.work import comparing

    def work(call: Call) -> dict[str, Any]:
        found = comparing.audit(call.workspace, request, candidate, version, models)
        return found if call.as_json else output.audit_tables(found)

    answer(ctx, work)
