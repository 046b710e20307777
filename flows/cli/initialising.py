"""`lethe init`: a folder becomes a workspace with data, a first champion and a shadow bank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from flows.cli.commands import working
from ledger import keys, suppression
from systems.data import importing, loading, reading, sharding, versions
from systems.data.gathering import source_name
from systems.data.sources import Columns, Source
from systems.settings.params import Params, change_params, load_params
from systems.settings.quiet import quiet_environment
from systems.settings.workspace import Workspace, write_templates
from tasks import adopt as adopting
from tasks.running.opened import Opened
from unlearning.errors import InfrastructureError, UsageError


@dataclass(frozen=True)
class Files:
    """What `init` reads."""

    data: str
    test: Path | None
    holdout: Path | None
    weights: Path | None
    limit: int | None
    mean: str | None
    std: str | None
    as_written: bool = False


def init(path: Path, files: Files, columns: Columns, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Import data, train or bring the first model, build the bank; go on if it was cut off."""
    from flows.train import train as train_flow

    quiet_environment()
    ws = Workspace.at(path)
    _refuse_weights_without_holdout(files)
    mean, std = _numbers(files.mean, "--mean"), _numbers(files.std, "--std")
    _prepare(ws, changes)
    with working(path) as at:
        _refuse_second(at)
        adopting.adopt(ws, at.ledger, ws.policy, "the first policy, at init")
        imported = _import(ws, files, columns)
        made = train_flow(
            str(ws.root),
            weights=files.weights,
            mean=mean,
            std=std,
        )
    return {**imported, **made, "shadows": made["bank"]["shadows"]}


def _prepare(ws: Workspace, changes: Mapping[str, Any]) -> None:
    try:
        write_templates(ws)
        before = ws.params.read_bytes()
        if changes:
            change_params(ws.root, changes)
        ws.records.mkdir(exist_ok=True)
    except OSError as problem:
        raise InfrastructureError(
            f"{ws.root.name}: cannot be written ({problem.strerror}); expected a writable folder"
        ) from problem
    try:
        _check_words(load_params(ws.root))
    except UsageError:
        ws.params.write_bytes(before)
        raise
    keys.create_keys(ws.keys, ws.records)


def _check_words(params: Params) -> None:
    """Refuse what training would refuse, before any data is read."""
    from unlearning.networks import check_name
    from unlearning.training.loop import Training

    check_name(params.network)
    Training(**asdict(params.training))
    if params.bank.shadows % 2:
        raise UsageError(
            f"bank.shadows: got {params.bank.shadows}, expected an even number: shadows come in "
            "pairs of complementary halves"
        )


def _refuse_weights_without_holdout(files: Files) -> None:
    """Weights from elsewhere count as having seen all the data that is not held out by a file."""
    if files.weights and not files.holdout:
        raise UsageError(
            "--weights: got no --holdout file, expected examples that these weights never saw; "
            "without them no successor could be judged"
        )


def _refuse_second(at: Opened) -> None:
    if at.ledger.log.find("initialised"):
        raise UsageError(
            f"{at.ws.root.name}: is a workspace already, expected an empty folder; "
            "choose another with --workspace"
        )


def _numbers(text: str | None, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as problem:
        raise UsageError(f"{option}: got {text!r}, expected numbers such as .5,.5,.5") from problem


def _import(ws: Workspace, files: Files, columns: Columns) -> dict[str, Any]:
    notes: Sequence[str] = ()
    if ws.data_file.exists():
        _refuse_other_data(ws, files.data)
    else:
        listed = suppression.load(ws.records, ws.keys)
        source = Source(
            data=files.data,
            columns=columns,
            test=files.test,
            holdout=files.holdout,
            limit=files.limit,
            as_written=files.as_written,
        )
        notes = importing.import_dataset(
            ws,
            source,
            load_params(ws.root),
            key=keys.shard_key(ws.keys),
            suppressed=listed.contains,
        ).notes
    for note in notes:  # at once: training may take hours
        typer.echo(f"lethe: {note}", err=True)
    subjects = set(reading.read_table(ws, ["subject_id"])["subject_id"].to_pylist())
    return {
        "data_version": versions.data_version(ws),
        "examples": loading.counts(ws),
        "subjects": len(subjects),
        "classes": len(loading.classes(ws)),
        "notes": list(notes),
    }


def _refuse_other_data(ws: Workspace, data: str) -> None:
    """A first `init` that was cut off goes on only with the data that it began with."""
    there = sharding.load_dataset(ws).name
    if there != source_name(data):
        raise UsageError(
            f"{ws.root.name}: holds the data of {there}, got {source_name(data)}; "
            "expected the same, or an empty folder: choose another with --workspace"
        )
