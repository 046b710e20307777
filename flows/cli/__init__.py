"""The command line: thin commands over flows and ledger; `lethe --help` imports no torch."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from flows.cli import output, problems
from flows.cli.options import OnceEach
from systems.settings.quiet import quiet_environment
from unlearning.errors import UsageError

if TYPE_CHECKING:
    from tasks.adopt import Kind

app = typer.Typer(
    name="lethe",
    cls=OnceEach,
    help="Turn each deletion request into an unlearning run whose evidence anybody can verify.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

GLOBAL = {"--json": 0, "--debug": 0, "--workspace": 1}
"""Options that may stand anywhere on the line, and how many values each takes."""


ENVIRONMENT = {
    # On a busy machine threads that spin while they wait made training three times slower.
    "OMP_WAIT_POLICY": "PASSIVE",
    # For the bank's workers: glibc gives freed tensors back to the system and gets them again page
    # by page, 8 % of training a ResNet-20 (benchmarks/kept_memory). Read as a process starts.
    "MALLOC_MMAP_THRESHOLD_": "2000000000",
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    # Its own 20 seconds are not enough on a busy machine: the first start makes a database.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    # It would print the traceback of every failure that `complain` puts in a line.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}
"""What torch and Prefect are told unless the environment says otherwise."""


@dataclass
class Call:
    """How this call was made. exit_code: what the command ends with if nothing goes wrong."""

    workspace: Path
    as_json: bool
    debug: bool
    exit_code: int = 0


@app.callback()
def options(
    ctx: typer.Context,
    workspace: Annotated[
        Path, typer.Option(envvar="LETHE_WORKSPACE", help="Folder of the workspace.")
    ] = Path(),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print exactly one JSON object on standard output.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Turn each deletion request into an unlearning run whose evidence anybody can verify."""
    ctx.obj = Call(workspace, as_json, debug)


def answer(ctx: typer.Context, work: Callable[[Call], dict[str, Any]]) -> None:
    """Do a command's work with standard output kept for its answer, then print that."""
    call: Call = ctx.obj
    try:
        with contextlib.redirect_stdout(sys.stderr):
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


def complain(line: str, code: int, *, as_json: bool) -> None:
    """Say in one line what is wrong, and to a program in one object."""
    if as_json:
        print(json.dumps({"error": line, "exit_code": code}))
    typer.echo(f"lethe: {line}", err=True)


AS_WRITTEN = "Ids and labels that look alike, or like a missing value, are meant as they are."


@app.command()
def init(
    ctx: typer.Context,
    data: Annotated[
        str, typer.Option(help="digits, Parquet or a folder; see docs/input.md.")
    ] = "digits",
    test: Annotated[Path | None, typer.Option(help="The test set; else split by person.")] = None,
    holdout: Annotated[Path | None, typer.Option(help="Never trained on, also elsewhere.")] = None,
    image: Annotated[str | None, typer.Option(help="Column of the image or its file.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of the class.")] = None,
    subject: Annotated[str | None, typer.Option(help="Column of the person.")] = None,
    example: Annotated[str | None, typer.Option(help="Column of the example id.")] = None,
    network: Annotated[str | None, typer.Option(help="See `lethe list networks`.")] = None,
    weights: Annotated[Path | None, typer.Option(help="A .safetensors file to begin with.")] = None,
    mean: Annotated[str | None, typer.Option(help="Of --weights, by channel: .5,.5,.5")] = None,
    std: Annotated[str | None, typer.Option(help="Of --weights, by channel: .2,.2,.2")] = None,
    size: Annotated[int | None, typer.Option(help="Pixels a side.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of training.")] = None,
    augmentation: Annotated[str | None, typer.Option(help="none, crop or crop_flip.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples in a batch.")] = None,
    shadows: Annotated[int | None, typer.Option(help="Models in the shadow bank, even.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of every draw.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Training examples at most.")] = None,
    suppression: Annotated[Path | None, typer.Option(help="Another's suppression.jsonl.")] = None,
    suppression_key: Annotated[Path | None, typer.Option(help="The key of that list.")] = None,
    as_written: Annotated[bool, typer.Option("--as-written", help=AS_WRITTEN)] = False,
) -> None:
    """Make a workspace: import data, train or bring the first model, build the shadow bank."""
    from flows.cli import asking, initialising
    from systems.data.sources import Columns

    columns = Columns(image, label, subject, example)
    files = asking.Files(
        *(data, test, holdout, weights, limit, mean, std, as_written, suppression, suppression_key)
    )
    changes = {
        "network": network,
        "seed": seed,
        "data.size": size,
        "training.epochs": epochs,
        "training.augmentation": augmentation,
        "training.learning_rate": learning_rate,
        "training.batch_size": batch_size,
        "bank.shadows": shadows,
    }
    chosen = {key: value for key, value in changes.items() if value is not None}
    answer(ctx, lambda call: initialising.init(call.workspace, files, columns, chosen))


@app.command()
def submit(
    ctx: typer.Context,
    subject: Annotated[list[str] | None, typer.Option(help="A person; may be repeated.")] = None,
    example: Annotated[list[str] | None, typer.Option(help="An example id; repeatable.")] = None,
    subject_file: Annotated[Path | None, typer.Option(help="People, one a line; -: stdin.")] = None,
    example_file: Annotated[Path | None, typer.Option(help="Ids, one a line; -: stdin.")] = None,
    class_: Annotated[
        list[str] | None, typer.Option("--class", help="A class name; repeatable.")
    ] = None,
    where: Annotated[str | None, typer.Option(help="COLUMN=VALUE of an attribute.")] = None,
    received_at: Annotated[str | None, typer.Option(help="ISO 8601; default: now.")] = None,
    jurisdiction: Annotated[str, typer.Option(help="gdpr, gdpr-de... or ccpa.")] = "gdpr",
    key: Annotated[str | None, typer.Option(help="Idempotency key.")] = None,
    as_written: Annotated[bool, typer.Option("--as-written", help=AS_WRITTEN)] = False,
) -> None:
    """Record a deletion request."""
    from flows.cli import commands
    from flows.cli.ids import with_ids_of

    def work(call: Call) -> dict[str, Any]:
        people = with_ids_of(subject, subject_file, option="--subject-file")
        ids = with_ids_of(example, example_file, option="--example-file")
        selector = commands.selector_of(people, ids, class_, where)
        found = commands.submit(
            call.workspace, selector, received_at, jurisdiction, key, as_written=as_written
        )
        call.exit_code = output.denied(found)
        if call.exit_code:
            typer.echo(f"lethe: request denied: {found['reason']}", err=True)
        return found

    answer(ctx, work)


Requests = Annotated[list[str] | None, typer.Argument(help="References of requests.")]


@app.command()
def plan(ctx: typer.Context, requests: Requests = None) -> None:
    """Say what serving requests would touch, cost and be able to show, before any training."""
    from flows.cli import commands

    answer(ctx, lambda call: commands.plan(call.workspace, requests or []))


@app.command()
def forget(
    ctx: typer.Context,
    requests: Requests = None,
    all_: Annotated[bool, typer.Option("--all", help="All accepted requests.")] = False,
    policy: Annotated[Path | None, typer.Option(help="Default: the workspace's.")] = None,
    method: Annotated[str | None, typer.Option(help="Try this method only.")] = None,
) -> None:
    """Serve requests: unlearn, judge, seal, promote, erase; or leave the champion alone."""
    from flows.cli import commands

    def work(call: Call) -> dict[str, Any]:
        found = commands.forget(call.workspace, requests or [], all_, policy, method)
        call.exit_code = output.decision_code(found)
        return found

    answer(ctx, work)


@app.command()
def abort(
    ctx: typer.Context,
    run: Annotated[str, typer.Argument(help="The run, as `lethe show REQUEST` names it.")],
    reason: Annotated[str, typer.Option(help="Why; logged, so name nobody.")],
) -> None:
    """Give up an unfinished run: its requests wait again, the champion stays."""
    from flows.cli import commands

    answer(ctx, lambda call: commands.abort(call.workspace, run, reason))


@app.command()
def policy(
    ctx: typer.Context,
    adopt: Annotated[Path | None, typer.Option(help="Put this file into force.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; logged, so name nobody.")] = None,
) -> None:
    """Show the policy in force and its history, or adopt another, which the log then tells."""
    from tasks.adopt import POLICY

    answer(ctx, lambda call: _adopt(call, adopt, reason, POLICY))


@app.command()
def params(
    ctx: typer.Context,
    adopt: Annotated[Path | None, typer.Option(help="Put this file into force.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; logged, so name nobody.")] = None,
) -> None:
    """Show the params in force and their history, or adopt others, which the log then tells."""
    from tasks.adopt import PARAMS

    answer(ctx, lambda call: _adopt(call, adopt, reason, PARAMS))


def _adopt(call: Call, file: Path | None, reason: str | None, kind: Kind) -> dict[str, Any]:
    from flows.cli import commands, queries

    if file is None and reason is None:
        return queries.in_force(call.workspace, kind)
    if file is None or reason is None:
        raise UsageError(f"{kind.name}: got --adopt or --reason alone, expected both, or neither")
    return commands.adopt(call.workspace, file, reason, kind)


@app.command()
def judge(
    ctx: typer.Context,
    request: Annotated[str, typer.Option(help="The request to judge by.")],
    candidate: Annotated[Path | None, typer.Option(help="A .safetensors file.")] = None,
    version: Annotated[int | None, typer.Option(help="A registered version.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Default: the workspace's.")] = None,
) -> None:
    """Judge any candidate, also one made elsewhere; nothing is promoted."""
    from flows.cli import commands

    def work(call: Call) -> dict[str, Any]:
        found = commands.judge(call.workspace, request, candidate, version, policy)
        call.exit_code = output.decision_code(found)
        return found

    answer(ctx, work)


@app.command()
def show(ctx: typer.Context, request: Annotated[str, typer.Argument(help="Reference.")]) -> None:
    """Show a request, its history and its evidence."""
    from flows.cli import queries

    answer(ctx, lambda call: queries.show(call.workspace, request))


@app.command("list")
def list_(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(help="requests, methods, attacks, audits, gates, networks or versions.")
    ] = "requests",
    due: Annotated[str | None, typer.Option(help="Open requests due within, such as 7d.")] = None,
) -> None:
    """List requests, methods, attacks, audits, gates, networks or versions."""
    from flows.cli import queries

    def work(call: Call) -> dict[str, Any]:
        found = queries.list_(call.workspace, what, due)
        if found.get("problem"):
            call.exit_code = 30
            typer.echo(f"lethe: {found['problem']}", err=True)
        return found

    answer(ctx, work)


@app.command()
def verify(
    ctx: typer.Context,
    bundle: Annotated[Path | None, typer.Argument(help="A sealed evidence folder.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Verify the workspace's log.")] = False,
    key: Annotated[Path | None, typer.Option(help="Public key; default: the workspace's.")] = None,
    request: Annotated[str | None, typer.Option(help="Must be one of the bundle's.")] = None,
    candidate: Annotated[Path | None, typer.Option(help="Must be the released weights.")] = None,
    head: Annotated[str | None, typer.Option(help="Hash of an entry that it must hold.")] = None,
) -> None:
    """Verify evidence or the log, offline, and name what was altered."""
    from flows.cli import verifying

    def work(call: Call) -> dict[str, Any]:
        expected = verifying.Expected(request, candidate, head)
        found = verifying.verify(call.workspace, bundle, log, key, expected)
        call.exit_code = 0 if found["ok"] else 30
        return found

    answer(ctx, work)


@app.command()
def purge(
    ctx: typer.Context,
    request: Annotated[str | None, typer.Argument(help="Reference; without: all.")] = None,
) -> None:
    """Erase the copies that are due, complete what has none left, and list those that remain."""
    from flows.cli import commands

    answer(ctx, lambda call: commands.purge(call.workspace, request))


@app.command()
def train(
    ctx: typer.Context,
    without: Annotated[str | None, typer.Option(help="Leave a request's examples out.")] = None,
    shadows: Annotated[int | None, typer.Option(help="Build the bank, of so many.")] = None,
    seed: Annotated[int | None, typer.Option(help="Default: the workspace's.")] = None,
) -> None:
    """Train a network to compare with, or the shadow bank; nothing is promoted."""
    from flows.cli import commands

    answer(ctx, lambda call: commands.train(call.workspace, without, shadows, seed))


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def bench(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Which one; an unknown name lists them.")],
) -> None:
    """Run a benchmark and give its rows; --data, --examples, --seeds, --methods... are its own."""
    from flows.cli import benching

    def work(call: Call) -> dict[str, Any]:
        found = benching.bench(name, ctx.args)
        return found if call.as_json else {"result": found["result"]}

    answer(ctx, work)


@app.command()
def tune(
    ctx: typer.Context,
    method: Annotated[str, typer.Option(help="See `lethe list methods`.")],
    class_: Annotated[str | None, typer.Option("--class", help="Rehearse on a class.")] = None,
    examples: Annotated[int | None, typer.Option(help="Rehearse on so many, of people.")] = None,
    trials: Annotated[int, typer.Option(help="Trials at most.")] = 20,
    budget: Annotated[float, typer.Option(help="Retrainings' worth of passes at most.")] = 3.0,
    seed: Annotated[int, typer.Option(help="Of the draw and of the search.")] = 0,
) -> None:
    """Search a method's settings on people who asked for nothing; no policy is changed."""
    from flows.cli import commands

    answer(
        ctx,
        lambda call: commands.tune(
            call.workspace, method, class_, examples, limits=(trials, budget), seed=seed
        ),
    )


@app.command()
def audit(
    ctx: typer.Context,
    request: Annotated[str, typer.Option(help="The request to audit by; nothing erased yet.")],
    candidate: Annotated[Path | None, typer.Option(help="A .safetensors file.")] = None,
    version: Annotated[int | None, typer.Option(help="Default: the champion.")] = None,
    models: Annotated[int, typer.Option(help="Retrained models to compare with.")] = 3,
) -> None:
    """Measure features, relearning, the pair and those who stay; nothing is decided."""
    from flows.cli import commands

    def work(call: Call) -> dict[str, Any]:
        found = commands.audit(call.workspace, request, candidate, version, models)
        return found if call.as_json else output.audit_tables(found)

    answer(ctx, work)


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Check the workspace and say what to do about what is wrong."""
    from flows.cli import queries

    def work(call: Call) -> dict[str, Any]:
        found = queries.doctor(call.workspace)
        call.exit_code = 0 if found["ok"] else 20
        return found

    answer(ctx, work)


def reordered(arguments: list[str]) -> list[str]:
    """Put the global options first: they may be written after the command too."""
    first, rest, waiting = [], [], 0
    for argument in arguments:
        name = argument.split("=")[0]
        if waiting or name in GLOBAL:
            first.append(argument)
            waiting = GLOBAL[name] * ("=" not in argument) if not waiting else waiting - 1
        else:
            rest.append(argument)
    return first + rest


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    quiet_environment()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    words = reordered(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(words or ["--help"], prog_name="lethe", standalone_mode=False)
    except typer.Abort:
        code = 20
        complain("interrupted; the same command goes on with it", code, as_json="--json" in words)
    except Exception as problem:  # words that are no command of ours, or imports that fail
        if "--debug" in words and not isinstance(problem, TyperException):
            raise
        code, line = problems.explain(problem)
        complain(line, code, as_json="--json" in words)
    sys.exit(code)
