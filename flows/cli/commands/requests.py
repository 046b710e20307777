"""How the commands that carry a request from its receipt to its end are written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import completing, output
from flows.cli.calling import Call, answer
from flows.cli.options import AS_WRITTEN

Requests = Annotated[
    list[str] | None,
    typer.Argument(help="References of requests.", autocompletion=completing.open_requests),
]


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
    jurisdiction: Annotated[
        str, typer.Option(help="gdpr, gdpr-de... or ccpa.", autocompletion=completing.laws)
    ] = "gdpr",
    key: Annotated[str | None, typer.Option(help="Idempotency key.")] = None,
    as_written: Annotated[bool, typer.Option("--as-written", help=AS_WRITTEN)] = False,
    identity: Annotated[
        str | None, typer.Option(help="METHOD:SYSTEM[/REFERENCE]: who confirmed who asks.")
    ] = None,
) -> None:
    """Record a deletion request."""
    from flows.cli.work import requesting
    from flows.cli.work.ids import with_ids_of

    def work(call: Call) -> dict[str, Any]:
        people = with_ids_of(subject, subject_file, option="--subject-file")
        ids = with_ids_of(example, example_file, option="--example-file")
        selector = requesting.selector_of(people, ids, class_, where)
        found = requesting.submit(
            *(call.workspace, selector, received_at, jurisdiction, key),
            as_written=as_written,
            identity=identity,
        )
        call.exit_code = output.denied(found)
        if call.exit_code:
            typer.echo(f"lethe: request denied: {found['reason']}", err=True)
        return found

    answer(ctx, work)


def plan(ctx: typer.Context, requests: Requests = None) -> None:
    """Say what serving requests would touch, cost and be able to show, before any training."""
    from flows.cli.work import serving

    def work(call: Call) -> dict[str, Any]:
        found = serving.plan(call.workspace, requests or [])
        return found if call.as_json else output.plan_tables(found)

    answer(ctx, work)


def forget(
    ctx: typer.Context,
    requests: Requests = None,
    all_: Annotated[bool, typer.Option("--all", help="All accepted requests.")] = False,
    policy: Annotated[Path | None, typer.Option(help="Default: the workspace's.")] = None,
    method: Annotated[
        str | None, typer.Option(help="Try this method only.", autocompletion=completing.methods)
    ] = None,
) -> None:
    """Serve requests: unlearn, judge, seal, promote, erase; or leave the champion alone."""
    from flows.cli.work import serving

    def work(call: Call) -> dict[str, Any]:
        found = serving.forget(call.workspace, requests or [], all_, policy, method)
        call.exit_code = output.decision_code(found)
        if found.get("approval"):
            typer.echo(f"lethe: {found['approval']['question']}", err=True)
        for one in found["left"]:
            line = f"{one['request']}: stays {one['state']}"
            line = f"{one['request']}: denied" if one["state"] == "denied" else line
            typer.echo(f"lethe: request {line}: {one['why']}", err=True)
        return found if call.as_json else output.run_told(found)

    answer(ctx, work)


def abort(
    ctx: typer.Context,
    run: Annotated[
        str,
        typer.Argument(
            help="The run, as `lethe show REQUEST` names it.", autocompletion=completing.runs
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why; logged, so name nobody.")],
) -> None:
    """Give up an unfinished run: its requests wait again, the champion stays."""
    from flows.cli.work import serving

    answer(ctx, lambda call: serving.abort(call.workspace, run, reason))


Reference = Annotated[
    str, typer.Argument(help="The request's reference.", autocompletion=completing.open_requests)
]
Reason = Annotated[str, typer.Option(help="Why; logged, so name nobody.")]


def extend(ctx: typer.Context, request: Reference, reason: Reason) -> None:
    """Move a request's deadline to the law's longest, once; the person is to be told why."""
    _say(ctx, "extend", request, reason)


def deny(
    ctx: typer.Context,
    request: Reference,
    reason: Reason,
    ground: Annotated[
        str | None,
        typer.Option(
            help="In law: legal_claims, unfounded...; default: other.",
            autocompletion=completing.grounds,
        ),
    ] = None,
) -> None:
    """End a request without serving it: nothing is erased, and it restricts nothing any more."""
    _say(ctx, "deny", request, reason, ground)


def hold(
    ctx: typer.Context,
    request: Reference,
    reason: Reason,
    example: Annotated[
        list[str] | None, typer.Option(help="Only this one of its examples; repeatable.")
    ] = None,
    example_file: Annotated[Path | None, typer.Option(help="Ids, one a line; -: stdin.")] = None,
) -> None:
    """Keep a request, or some of its examples, from every run; its deadline runs on."""
    from flows.cli.work import answering
    from flows.cli.work.ids import with_ids_of

    def work(call: Call) -> dict[str, Any]:
        ids = with_ids_of(example, example_file, option="--example-file")
        if not ids:
            return answering.say(call.workspace, "hold", request, reason)
        return answering.hold_part(call.workspace, request, ids, reason)

    answer(ctx, work)


def resume(ctx: typer.Context, request: Reference, reason: Reason) -> None:
    """Lift the hold of a request: it waits for the next run again."""
    _say(ctx, "resume", request, reason)


def confirm(
    ctx: typer.Context,
    request: Reference,
    identity: Annotated[
        str,
        typer.Option(
            help="METHOD:SYSTEM[/REFERENCE], such as login:portal/7f3a; logged, so name nobody."
        ),
    ],
) -> None:
    """Record who confirmed how who asks; a request that waited for it goes on."""
    from flows.cli.work import answering

    answer(ctx, lambda call: answering.confirm(call.workspace, request, identity))


def _say(
    ctx: typer.Context, verb: str, request: str, reason: str, ground: str | None = None
) -> None:
    from flows.cli.work import answering

    answer(ctx, lambda call: answering.say(call.workspace, verb, request, reason, ground))


def purge(
    ctx: typer.Context,
    request: Annotated[
        str | None,
        typer.Argument(help="Reference; without: all.", autocompletion=completing.open_requests),
    ] = None,
    confirm: Annotated[str | None, typer.Option(help="An unverified copy, or its place.")] = None,
    reason: Annotated[str | None, typer.Option(help="How it is known; logged, so no name.")] = None,
) -> None:
    """Erase the copies that are due, complete what has none left, and list those that remain."""
    from flows.cli.work import serving

    if (confirm is None) != (reason is None) or (confirm and request is None):
        raise typer.BadParameter("--confirm: expected a request, --confirm COPY and --reason TEXT")
    word = None if confirm is None or reason is None else serving.Word(confirm, reason)

    def work(call: Call) -> dict[str, Any]:
        found = serving.purge(call.workspace, request, word)
        return found if call.as_json or "copies" not in found else output.copies_counted(found)

    answer(ctx, work)
