"""One cell of the comparison: a trial and a row, measured once and kept under what it follows from.

A method's candidate is kept apart from what is measured on it, so that another column costs no
unlearning. Keys hold digests of the networks, the data, the forget set, the settings and the code.
"""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.methods.attacked import attacked, class_gap, rmia
from benchmarks.methods.grounds import Choice, Ground
from benchmarks.methods.published_training import record_path
from benchmarks.methods.trials import SEEDS, TrialName, original_path, retrained_path
from benchmarks.presets import Preset
from benchmarks.sources import code_digest
from unlearning import networks
from unlearning.digests import digest_of, digest_of_arrays, sha256_file
from unlearning.domain import BoolArray, Group, Outputs
from unlearning.errors import Diverged, UsageError
from unlearning.judging.comparing import columns, divergences, gaps
from unlearning.outputs import outputs_of
from unlearning.training import keyed
from unlearning.training.loop import pick_device, silent

ORIGINAL, RETRAINED, OTHER = "original", "retrained", "retrained, other seed"
"""The rows that no method makes."""

MEASURING = tuple(
    f"unlearning.{name}"
    for name in (
        "judging.comparing",
        "judging.measuring",
        "attacks.recalibrated",
        "attacks.loss",
        "attacks.rmia",
        "audits.class_geometry",
    )
)


@dataclass(frozen=True)
class Place:
    """Where a comparison works: its ground, the folder of its networks, its bank if it has one."""

    choice: Choice
    folder: Path
    bank: Path | None

    @property
    def ground(self) -> Ground:
        """Give the ground, loaded once a process."""
        return self.choice.ground

    @property
    def cells(self) -> Path:
        """Give the folder of the results."""
        return self.folder / "methods"


@dataclass(frozen=True)
class Cell:
    """A trial and a row: a preset's, or one of those that no method makes."""

    trial: TrialName
    row: str
    preset: Preset | None = None

    def needed(self, folder: Path) -> Path:
        """Name the network that it measures or starts from."""
        if self.row == OTHER:
            return retrained_path(folder, *self.trial.other)
        if self.row == RETRAINED:
            return retrained_path(folder, self.trial)
        return original_path(folder, self.trial)


@cache
def _digest_of_file(path: Path) -> str:
    """Digest a network's file; one that stayed on another machine is known by its record."""
    if path.exists() or not record_path(path).exists():
        return sha256_file(path)
    return str(json.loads(record_path(path).read_text())["sha256"])


@cache
def _digest_of_data(place: Place) -> str:
    of = place.ground.setting
    return digest_of_arrays(
        *(
            array
            for part in (of.train, of.holdout, of.test)
            for array in (np.asarray(part.images), part.labels)
        )
    )


def candidate_key(cell: Cell, place: Place) -> str:
    """Digest all that a cell's network follows from."""
    key: dict[str, Any] = {
        "network": _digest_of_file(cell.needed(place.folder)),
        "data": _digest_of_data(place),
        "forgotten": digest_of_arrays(place.ground.forgets(cell.trial)),
    }
    if cell.preset is not None:
        method = cell.preset.create(place.ground.setting.training)
        key["method"] = cell.preset.method
        key["settings"] = dataclasses.asdict(method)  # type: ignore[call-overload]
        key["seed"] = cell.trial.seed
        key["device"] = pick_device().type
        key["code"] = code_digest(type(method).__module__)
    return digest_of(key)


def measured_key(cell: Cell, place: Place) -> str:
    """Digest all that a cell's columns follow from."""
    return digest_of(
        {
            "candidate": candidate_key(cell, place),
            "retrained": _digest_of_file(retrained_path(place.folder, cell.trial)),
            "others": [_digest_of_file(path) for path in _class_out(cell, place)],
            "alike": digest_of_arrays(place.ground.alike(cell.trial, "holdout")),
            "bank": place.bank.name if place.bank else None,
            "code": code_digest(*MEASURING),
        }
    )


def stored(cell: Cell, place: Place) -> dict[str, Any] | None:
    """Give a cell's result if it was measured before."""
    path = place.cells / f"{measured_key(cell, place)}.json"
    return json.loads(path.read_text()) if path.exists() else None


def run(cell: Cell, place: Place) -> dict[str, Any]:
    """Give a cell's result, computed now and kept unless it was measured before.

    A method that diverges, or refuses its settings, gives `diverged`, its reason in words, and no
    columns.
    """
    found = stored(cell, place)
    if found is not None:
        return found
    made = _made(cell, place)
    result = {"task": cell.trial.task, "seed": cell.trial.seed, "row": cell.row, **made}
    if "diverged" not in made:
        result |= _measured(cell, place)
    _write(place.cells / f"{measured_key(cell, place)}.json", result)
    return result


def _write(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=1))
    part.replace(path)


def _made(cell: Cell, place: Place) -> dict[str, Any]:
    """Make a method's candidate unless it is kept; give its cost."""
    if cell.preset is None:
        return _trained(cell, place)
    path = place.cells / f"candidate-{candidate_key(cell, place)}.json"
    if path.exists():
        made: dict[str, Any] = json.loads(path.read_text())
        if "diverged" in made or path.with_suffix(".safetensors").exists():
            return made
    made = _unlearned(cell, cell.preset, place, path.with_suffix(".safetensors"))
    _write(path, made)
    return made


def _trained(cell: Cell, place: Place) -> dict[str, Any]:
    """Give what the retrained model cost, of which only the passes are known without a record."""
    record, on = record_path(cell.needed(place.folder)), place.ground
    if cell.row != RETRAINED:
        return {}
    if not record.exists():
        return {"passes": on.setting.training.epochs * len(on.split(cell.trial).retain)}
    found = json.loads(record.read_text())
    return {name: found[name] for name in ("seconds", "processor_seconds", "passes")}


def _unlearned(cell: Cell, preset: Preset, place: Place, path: Path) -> dict[str, Any]:
    split, method = place.ground.split(cell.trial), preset.create(place.ground.setting.training)
    original = networks.load(original_path(place.folder, cell.trial))
    rng = torch.Generator().manual_seed(cell.trial.seed)
    keyed.clear()  # what another method has computed is not this one's saving
    began, busy = time.perf_counter(), time.process_time()
    try:
        candidate = method.unlearn(original, split.handed(), rng, silent)
    except (Diverged, UsageError) as problem:  # settings that mean nothing for this forget set
        return {"diverged": str(problem)}
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    if not all(bool(torch.isfinite(p).all()) for p in candidate.parameters()):
        return {"diverged": "a weight of the candidate is not finite"}
    networks.save(candidate, path)  # type: ignore[arg-type]
    return {
        "method": preset.method,
        "access": preset.reads,
        "seconds": seconds,
        "processor_seconds": busy,
        "passes": method.passes(len(split.forget), len(split.retain)),
    }


def _network_path(cell: Cell, place: Place) -> Path:
    if cell.preset is None:
        return cell.needed(place.folder)
    return place.cells / f"candidate-{candidate_key(cell, place)}.safetensors"


def _measured(cell: Cell, place: Place) -> dict[str, Any]:
    split = place.ground.split(cell.trial)
    outputs = outputs_of(networks.load(_network_path(cell, place)), split)
    if not np.isfinite(outputs.logits).all():
        return {"diverged": "an output of the candidate is not finite"}
    reference, wanted = _reference(cell.trial, place)
    own = columns(outputs, _forgotten_tests(outputs, cell.trial, place))
    known = attacked(outputs, split, place.bank)
    if cell.trial.task == "class":
        without = [outputs_of(networks.load(path), split) for path in _class_out(cell, place)]
        known |= class_gap(outputs, without)
    elif cell.trial.task == "random" and place.bank:
        known |= rmia(outputs, split, place.bank)
    found = {**own, **divergences(outputs, reference), **gaps(own, wanted), **known}
    return {"columns": found}


def _class_out(cell: Cell, place: Place) -> list[Path]:
    """Name other models that were trained without a class, which every seed forgets alike."""
    if cell.trial.task != "class":
        return []
    trials = [TrialName(cell.trial.task, seed) for seed in range(SEEDS)]
    paths = [retrained_path(place.folder, trial) for trial in trials]
    return [path for path in paths if path.exists() and path != cell.needed(place.folder)]


@cache
def _reference(trial: TrialName, place: Place) -> tuple[Outputs, dict[str, float]]:
    """Give the retrained model's outputs and columns, which a trial's rows are held against."""
    split = place.ground.split(trial)
    outputs = outputs_of(networks.load(retrained_path(place.folder, trial)), split)
    return outputs, columns(outputs, _forgotten_tests(outputs, trial, place))


def _forgotten_tests(outputs: Outputs, trial: TrialName, place: Place) -> BoolArray:
    forgotten = np.zeros(len(outputs.labels), dtype=bool)
    forgotten[outputs.of(Group.TEST)] = place.ground.alike(trial, "test")
    return forgotten
