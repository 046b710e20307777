"""`lethe init`: a folder becomes a workspace with data, a first champion and a shadow bank.

(1) Everything is checked, and the data are read, before anything is written. (2) What the folder
held is noted, then git's ignore file, settings, keys and data are written; if that fails or is cut
off, it is all undone. (3) From there on the same command goes on: training, registry, bank.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from flows.cli.work.asked import freezing
from flows.cli.work.asked.erased import without_erased
from flows.cli.work.asking import Asked, Checked, Files, checked_before, numbers
from flows.cli.work.opening import held
from ledger import durable, keys, suppression
from ledger.replay.drift import FIRST
from systems.data import importing, index, loading, reading, versions
from systems.data.digits import PUBLIC_KEY
from systems.data.gathering import DIGITS, Gathered
from systems.data.sources import Columns
from systems.registry import server
from systems.settings import beginning, recording
from systems.settings.beginning import Beginning
from systems.settings.ownership import mark_place
from systems.settings.quiet import quiet_environment
from systems.settings.workspace import TEMPLATES, Workspace, write_templates
from tasks import adopt as adopting
from tasks.data.alike import ALIKE, Decided, notes
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import write_json
from tasks.running.standing import BROUGHT
from unlearning.errors import InfrastructureError, UsageError
from unlearning.settings import GENERATE


def init(path: Path, files: Files, columns: Columns, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Import data, train or bring the first model, build the bank; go on if it was cut off."""
    quiet_environment()
    ws, asked = Workspace.at(path), Asked(files, columns, changes)
    if beginning.begun(ws) and (found := _go_on(ws, asked)):
        return found
    return _start(ws, asked)


def _go_on(ws: Workspace, asked: Asked) -> dict[str, Any] | None:
    """Go on where the data are in and the same is asked; else undo it, and give None."""
    at = Opened(str(ws.root))
    with held(ws):
        past = beginning.begun(ws)
        recording.go_on(ws)
        same = past is not None and past.asked == asked.digest
        if ws.manifest.exists() and same:
            index.load(ws)  # made now if the import was cut off before it was
            return {**_trained(at, asked.files), "notes": []}
        if _serves(at):
            raise UsageError(
                f"{ws.root.name}: holds an `init` with other options whose model is in the log "
                "already, expected the same options: repeat them, or choose another folder with "
                "--workspace"
            )
        if past:
            _undo(ws, past)
    return None


def _start(ws: Workspace, asked: Asked) -> dict[str, Any]:
    checked = checked_before(ws, asked)
    try:
        ws.records.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise InfrastructureError(
            f"{ws.root.name}: cannot be written ({problem.strerror}); expected a writable folder"
        ) from problem
    at = Opened(str(ws.root))
    with held(ws):
        beginning.refuse_occupied(ws)
        try:
            beginning.begin(ws, asked.digest, checked.past)
            left_out = _take_in(at, asked.files, checked)
        except BaseException:
            _undo(ws, checked.past)
            raise
        told = [*checked.notes, *left_out]
        for note in told:  # at once: training may take hours
            typer.echo(f"lethe: {note}", err=True)
        return {**_trained(at, asked.files), "notes": told}


def _take_in(at: Opened, files: Files, checked: Checked) -> list[str]:
    """Write git's ignore file and the settings, then the keys, then the data; give notes."""
    ws = at.ws
    if not ws.policy.exists():
        durable.write(ws.policy, checked.policy, mode=durable.OPEN)
    if checked.params.task == GENERATE and not ws.stages.exists():
        stages = durable.read(TEMPLATES / GENERATE / ws.stages.name)
        durable.write(ws.stages, stages, mode=durable.OPEN)
    write_templates(ws)
    if ws.params.read_bytes() != checked.settings:
        durable.write(ws.params, checked.settings, mode=durable.OPEN)
    _bring_list(ws, files)
    keys.create_keys(ws.keys, ws.records, shards=PUBLIC_KEY if files.data == DIGITS else None)
    recording.begin(ws)
    mark_place(ws)
    server.bind(ws.mlruns, os.environ.get(server.VARIABLE))
    durable.make_folder(ws.artifacts)
    freezing.keep(at, checked.frozen)
    durable.write(ws.stage_runner, _stage_runner().encode())
    adopting.adopt(ws, at.ledger, ws.policy, "the first policy, at init")
    adopting.adopt(ws, at.ledger, ws.params, "the first params, at init", adopting.PARAMS)
    if files.suppression is not None:
        body = {"sha256": suppression.digest(ws.records)}
        at.ledger.record(BROUGHT, body, key=BROUGHT, now=utc_now())
    offered, left_out = _without_erased(at, files, checked)
    importing.take_in(ws, offered, checked.params, key=keys.shard_key(ws.keys))
    return left_out


def _without_erased(at: Opened, files: Files, checked: Checked) -> tuple[Gathered, list[str]]:
    """Leave out whoever is on the list, and log what was decided of those who look so."""
    listed = suppression.load(at.ws.records, at.ws.keys)
    if not listed.tokens:
        return checked.offered, []
    decided, most = Decided(files.accepted, files.leave_out), checked.params.data.alike_bits
    written = files.as_written
    offered, found = without_erased(listed, checked.offered, decided, most, as_written=written)
    if found.alike:
        at.ledger.record(ALIKE, found.noted(decided), key=f"init/{ALIKE}", now=utc_now())
    return offered, notes(listed, found, decided)


def _bring_list(ws: Workspace, files: Files) -> None:
    """Take the list of another workspace along, with the key under which it means something."""
    if files.suppression is not None:
        beside = files.suppression.parent.parent / "keys" / keys.SUPPRESSION
        durable.make_folder(ws.keys)
        suppression.bring(ws.records, ws.keys, files.suppression, files.suppression_key or beside)


def _trained(at: Opened, files: Files) -> dict[str, Any]:
    """Make the first champion and the bank of the data that are in; then the workspace is whole."""
    from flows.train import train as train_flow

    given = (None, None) if files.backbone else (files.mean, files.std)  # the backbone has them
    mean, std = numbers(given[0], "--mean"), numbers(given[1], "--std")
    try:
        made = train_flow(at.root, weights=files.weights, mean=mean, std=std)
    except UsageError:  # what was asked for will not do: nothing of it stays
        past = beginning.begun(at.ws)
        if past and not _serves(at):
            _undo(at.ws, past)
        raise
    _tell_stages(at.ws, made, brought=files.weights is not None)
    beginning.finish(at.ws)
    return {**_described(at.ws), **made, "shadows": made["bank"]["shadows"]}


def _tell_stages(ws: Workspace, made: Mapping[str, Any], *, brought: bool) -> None:
    """Let DVC know that its stages are up to date; brought weights were trained by none of them."""
    write_json(ws.artifacts / "shadows.json", made["bank"])
    done = {*beginning.stage_names()}
    if brought:
        done.remove("train")
    else:
        metrics = {key: made[key] for key in ("seconds", "test_accuracy") if key in made}
        write_json(ws.artifacts / "train.json", {"sha256": made["champion"]["sha256"], **metrics})
    versions.commit_stages(ws, sorted(done))


def _serves(at: Opened) -> bool:
    return at.ws.has_log and at.ledger.log.find(FIRST) is not None


def _undo(ws: Workspace, past: Beginning) -> None:
    importing.withdraw(ws)
    beginning.undo(ws, past)


def _stage_runner() -> str:
    return f"""#!/bin/sh
# Written by `lethe init`: runs a stage of dvc.yaml with the Python that made this workspace,
# whatever the shell's `python` is.
python="{sys.executable}"
[ -x "$python" ] || python=python
exec "$python" -m flows.stages "$@"
"""


def _described(ws: Workspace) -> dict[str, Any]:
    subjects = set(reading.read_table(ws, ["subject_id"])["subject_id"].to_pylist())
    return {
        "data_version": versions.data_version(ws),
        "examples": loading.counts(ws),
        "subjects": len(subjects),
        "classes": len(loading.classes(ws)),
    }
