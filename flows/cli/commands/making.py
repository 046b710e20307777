"""How the commands that make models are written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import completing, output
from flows.cli.calling import Call, answer
from flows.cli.options import (
    AS_WRITTEN,
    AcceptAlike,
    AlikeReason,
    LeaveOutAlike,
    alike_options,
)
from unlearning.settings import CLASSIFY, GENERATE, REQUIRED_GATES

Network = Annotated[
    str | None,
    typer.Option(
        help="See `lethe list networks`.",
        autocompletion=completing.one_of(*completing.NETWORKS),
    ),
]


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
    task: Annotated[str, typer.Option(help="classify, or generate: it draws.")] = CLASSIFY,
    network: Network = None,
    steps: Annotated[int | None, typer.Option(help="Steps of a generator's training.")] = None,
    weights: Annotated[Path | None, typer.Option(help="A .safetensors file to begin with.")] = None,
    backbone: Annotated[Path | None, typer.Option(help="Frozen .safetensors under a head.")] = None,
    backbone_statement: Annotated[
        str | None, typer.Option(help="That it never saw these data; signed.")
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="ridge or logistic, on --backbone.",
            autocompletion=completing.one_of("ridge", "logistic"),
        ),
    ] = None,
    mean: Annotated[str | None, typer.Option(help="Of the file, by channel: .5,.5,.5")] = None,
    std: Annotated[str | None, typer.Option(help="Of the file, by channel: .2,.2,.2")] = None,
    size: Annotated[int | None, typer.Option(help="Pixels a side.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of training.")] = None,
    holdout_fraction: Annotated[float | None, typer.Option(help="Never trained on.")] = None,
    augmentation: Annotated[
        str | None,
        typer.Option(
            help="none, crop or crop_flip.",
            autocompletion=completing.one_of("none", "crop", "crop_flip"),
        ),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples in a batch.")] = None,
    shadows: Annotated[int | None, typer.Option(help="Models in the shadow bank, even.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of every draw.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Training examples at most.")] = None,
    remote: Annotated[str | None, typer.Option(help="Where the data are pushed: s3://...")] = None,
    suppression: Annotated[Path | None, typer.Option(help="Another's suppression.jsonl.")] = None,
    suppression_key: Annotated[Path | None, typer.Option(help="The key of that list.")] = None,
    as_written: Annotated[bool, typer.Option("--as-written", help=AS_WRITTEN)] = False,
    accept_alike: AcceptAlike = False,
    leave_out_alike: LeaveOutAlike = False,
    reason: AlikeReason = None,
) -> None:
    """Make a workspace: import data, train or bring the first model, build the shadow bank."""
    from flows.cli.work import asking, initialising
    from systems.data.sources import Columns

    columns = Columns(image, label, subject, example)
    files = asking.Files(
        *(data, test, holdout, weights, limit, mean, std, as_written, suppression, suppression_key),
        *(backbone, backbone_statement, head),
        *alike_options(accept_alike, leave_out_alike, reason),
    )
    if task not in REQUIRED_GATES:
        raise typer.BadParameter(f"--task: got {task!r}, expected {' or '.join(REQUIRED_GATES)}")
    if task == CLASSIFY and steps is not None:
        raise typer.BadParameter("--steps: expected with --task generate; see --epochs")
    drawn = {"generator.network": network or "unet", "generator.steps": steps}
    changes = {
        **(drawn if task == GENERATE else {"network": network}),
        "seed": seed,
        "data.size": size,
        "data.holdout_fraction": holdout_fraction,
        "training.epochs": epochs,
        "training.augmentation": augmentation,
        "training.learning_rate": learning_rate,
        "training.batch_size": batch_size,
        "bank.shadows": shadows,
        "remote.url": remote,
    }
    chosen = {key: value for key, value in changes.items() if value is not None}

    def work(call: Call) -> dict[str, Any]:
        found = initialising.init(call.workspace, files, columns, chosen)
        return found if call.as_json else output.without_notes(found)

    answer(ctx, work)


def import_(
    ctx: typer.Context,
    data: Annotated[Path, typer.Argument(help="Parquet or a folder; see docs/input.md.")],
    image: Annotated[str | None, typer.Option(help="Column of the image or its file.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of the class.")] = None,
    subject: Annotated[str | None, typer.Option(help="Column of the person.")] = None,
    example: Annotated[str | None, typer.Option(help="Column of the example id.")] = None,
    as_written: Annotated[bool, typer.Option("--as-written", help=AS_WRITTEN)] = False,
    accept_alike: AcceptAlike = False,
    leave_out_alike: LeaveOutAlike = False,
    reason: AlikeReason = None,
) -> None:
    """Add data to the workspace: a new data version, without whoever was erased."""
    from flows.cli.work import importing
    from systems.data.sources import Columns

    columns = Columns(image, label, subject, example)
    decided = alike_options(accept_alike, leave_out_alike, reason)
    asked = importing.Asked(data, columns, as_written, *decided)

    def work(call: Call) -> dict[str, Any]:
        found = importing.take_in(call.workspace, asked)
        for note in found["notes"]:
            typer.echo(f"lethe: {note}", err=True)
        return found if call.as_json else output.without_notes(found)

    answer(ctx, work)


def train(
    ctx: typer.Context,
    without: Annotated[
        str | None,
        typer.Option(
            help="Leave a request's examples out.", autocompletion=completing.open_requests
        ),
    ] = None,
    shadows: Annotated[int | None, typer.Option(help="Build the bank, of so many.")] = None,
    seed: Annotated[int | None, typer.Option(help="Default: the workspace's.")] = None,
) -> None:
    """Train a network to compare with, or the shadow bank; nothing is promoted."""
    from flows.cli.work import comparing

    answer(ctx, lambda call: comparing.train(call.workspace, without, shadows, seed))
