"""How the commands on copies of a whole workspace are written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import output
from flows.cli.calling import Call, answer
from flows.cli.options import AcceptAlike, AlikeReason, LeaveOutAlike, alike_options

Places = Annotated[
    list[Path] | None,
    typer.Option(help="What survived: a workspace, its records/, a list or an exported log."),
]


def backup(
    ctx: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="Outside of the workspace.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="Folder for its key; keep the two apart.")
    ] = None,
    destroyed: Annotated[str | None, typer.Option(help="A backup that is destroyed.")] = None,
    reason: Annotated[str | None, typer.Option(help="How it is known; logged, so no name.")] = None,
) -> None:
    """Copy the workspace into one sealed file, or say of a backup that it was destroyed."""
    from flows.cli.work import backing_up

    if (folder is None) == (destroyed is None) or (destroyed is None) != (reason is None):
        raise typer.BadParameter("expected FOLDER, or --destroyed BACKUP and --reason TEXT")

    def work(call: Call) -> dict[str, Any]:
        if folder is None:
            return backing_up.destroyed(call.workspace, str(destroyed), str(reason))
        found = backing_up.backup(call.workspace, folder, key)
        for note in found["notes"]:
            typer.echo(f"lethe: {note}", err=True)
        return found

    answer(ctx, work)


def restore(
    ctx: typer.Context,
    backup: Annotated[Path, typer.Argument(help="A folder, whose newest is taken, or its file.")],
    key: Annotated[Path | None, typer.Option(help="Its key, or the folder of keys.")] = None,
    newest: Places = None,
    witness: Annotated[
        list[str] | None, typer.Option(help="Who saw its log: s3://..., a folder, or mail.")
    ] = None,
    witness_gone: Annotated[
        list[str] | None, typer.Option(help="One of its own that is lost for good; with --reason.")
    ] = None,
    accept_alike: AcceptAlike = False,
    leave_out_alike: LeaveOutAlike = False,
    reason: AlikeReason = None,
) -> None:
    """Make a workspace of a backup, in an empty folder, without whoever was erased since."""
    from flows.cli.work import backing_up

    if bool(witness_gone or accept_alike) != (reason is not None):
        raise typer.BadParameter(
            "--witness-gone, --accept-alike: expected with --reason TEXT, or neither"
        )
    accepted = reason if accept_alike else None
    decided = backing_up.Decided(*alike_options(accept_alike, leave_out_alike, accepted))

    def work(call: Call) -> dict[str, Any]:
        others = (tuple(newest or ()), tuple(witness or ()), tuple(witness_gone or ()))
        asked = backing_up.Asked(backup, key, *others, reason if witness_gone else None)
        found = backing_up.restore(call.workspace, asked, decided)
        call.exit_code = 0 if found["restored"] else output.decision_code(found["run"])
        call.exit_code = 30 if found.get("problems") else call.exit_code
        for note in (*found["notes"], *found.get("problems", ())):
            typer.echo(f"lethe: {note}", err=True)
        return found

    answer(ctx, work)


def restore_drill(ctx: typer.Context) -> None:
    """Restore the newest backup into a temporary folder, prove it whole, and log the result."""
    from flows.cli.work import backing_up

    answer(ctx, lambda call: backing_up.drill(call.workspace))
