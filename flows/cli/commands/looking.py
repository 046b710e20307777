"""How the commands that only look are written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import completing, output
from flows.cli.calling import Call, answer
from unlearning.errors import UsageError


def show(
    ctx: typer.Context,
    request: Annotated[str, typer.Argument(help="Reference.", autocompletion=completing.requests)],
) -> None:
    """Show a request, its history and its evidence."""
    from flows.cli.work import queries

    answer(ctx, lambda call: queries.show(call.workspace, request))


def list_(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            help="requests, methods, attacks, audits, gates, networks, clippers, ensembles, "
            "coresets, generation, versions or backups.",
            autocompletion=completing.one_of(*completing.KINDS),
        ),
    ] = "requests",
    due: Annotated[str | None, typer.Option(help="Open requests due within, such as 7d.")] = None,
) -> None:
    """List requests, versions, backups, or what there is: methods, attacks, gates, networks..."""
    from flows.cli.work import queries

    def work(call: Call) -> dict[str, Any]:
        found = queries.list_(call.workspace, what, due)
        if found.get("problem"):
            call.exit_code = 30
            typer.echo(f"lethe: {found['problem']}", err=True)
        as_table = what == "requests" and not call.as_json
        return output.request_tables(found) if as_table else found

    answer(ctx, work)


def verify(
    ctx: typer.Context,
    bundle: Annotated[
        Path | None,
        typer.Argument(help="A sealed evidence folder, or a proof; with --log, an exported log."),
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Verify a log: the workspace's, or the file given.")
    ] = False,
    key: Annotated[Path | None, typer.Option(help="Public key; default: the workspace's.")] = None,
    request: Annotated[
        str | None,
        typer.Option(help="Must be one of the bundle's.", autocompletion=completing.requests),
    ] = None,
    candidate: Annotated[Path | None, typer.Option(help="Must be the released weights.")] = None,
    head: Annotated[str | None, typer.Option(help="Hash of an entry that it must hold.")] = None,
    witness: Annotated[
        str | None, typer.Option(help="Its checkpoints must be the log's: s3://..., folder, mail.")
    ] = None,
    since: Annotated[
        Path | None, typer.Option(help="Of a proof: the checkpoint that you have kept.")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Retrain from the data; the weights must be the same.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="For --replay: a copy of data/; default: the workspace's.")
    ] = None,
) -> None:
    """Verify evidence or the log, offline, and name what was altered."""
    from flows.cli.work import verifying

    def work(call: Call) -> dict[str, Any]:
        expected = verifying.Expected(request, candidate, head, witness, since)
        again = verifying.Again(data) if replay else None
        if data is not None and again is None:
            raise UsageError("verify: got --data without --replay, which retrains from them")
        found = verifying.verify(call.workspace, bundle, log, key, expected, again)
        call.exit_code = output.verified_code(found)
        if why := found.get("replay", {}).get("why"):
            typer.echo(f"lethe: {why}", err=True)
        return found

    answer(ctx, work)


def replay(
    ctx: typer.Context,
    run: Annotated[
        str | None, typer.Argument(help="The run, as `lethe show REQUEST` names it.")
    ] = None,
) -> None:
    """Train again what the policy's draw names, or one run, and log if the weights are the same."""
    from flows.cli.work import verifying

    answer(ctx, lambda call: verifying.replay(call.workspace, run))


def log(
    ctx: typer.Context,
    export: Annotated[
        Path | None, typer.Option(help="File to write: none yet, or an earlier export.")
    ] = None,
    move: Annotated[
        bool, typer.Option("--move", help="Let a log in a file go on in the database named.")
    ] = False,
    prove: Annotated[
        str | None, typer.Option(help="Number or key of an entry to prove; with --out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File for the proof.")] = None,
    since: Annotated[
        Path | None, typer.Option(help="A kept checkpoint: prove that the log only grew.")
    ] = None,
    went_back: Annotated[
        int | None, typer.Option(help="Entry before which the clock went back; with --reason.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why it did; names nobody.")] = None,
) -> None:
    """Write the log, or a proof of an entry, for `verify`; move it; tell of an earlier clock."""
    from flows.cli.work import exporting, moving

    def work(call: Call) -> dict[str, Any]:
        asked = [export is not None, move, prove is not None, went_back is not None]
        if asked.count(True) != 1:
            raise UsageError(
                "log: expected one of --export FILE, --move, --prove ENTRY and --went-back ENTRY"
            )
        if (went_back is None) is not (reason is None):
            raise UsageError("log: expected --reason TEXT with --went-back, and with it alone")
        if went_back is not None and reason is not None:
            from flows.cli.work import timing

            return timing.tell(call.workspace, went_back, reason)
        if (prove is None) is not (out is None) or (since is not None and prove is None):
            raise UsageError("log: expected --out FILE, and --since FILE if at all, with --prove")
        if prove is not None and out is not None:
            return exporting.prove(call.workspace, prove, out, since)
        if export is not None:
            return exporting.export(call.workspace, export)
        return moving.move(call.workspace)

    answer(ctx, work)


def pages(
    ctx: typer.Context,
    out: Annotated[Path | None, typer.Option(help="Folder; default: pages/ here.")] = None,
) -> None:
    """Write the board, requests, reports, versions, methods and log as HTML pages."""
    from flows.cli.work import paging

    answer(ctx, lambda call: paging.write(call.workspace, out))


def certificate(
    ctx: typer.Context,
    request: Annotated[str, typer.Argument(help="Reference.", autocompletion=completing.requests)],
    out: Annotated[Path, typer.Option(help="Folder, not in the workspace.")],
) -> None:
    """Write what was done on a request: a page for the person, one for an auditor; HTML and PDF."""
    from flows.cli.work import paging

    def work(call: Call) -> dict[str, Any]:
        found = paging.certify(call.workspace, request, out)
        for note in found["notes"]:
            typer.echo(f"lethe: {note}", err=True)
        return found

    answer(ctx, work)


def doctor(ctx: typer.Context) -> None:
    """Check the workspace and say what to do about what is wrong."""
    from flows.cli.work import queries

    def work(call: Call) -> dict[str, Any]:
        found = queries.doctor(call.workspace)
        call.exit_code = 0 if found["ok"] else 20
        return found

    answer(ctx, work)
