"""Settings of unlearning methods that were tried, each with where it comes from and what it gave.

They stand in presets.yaml. `lethe tune` adds what it finds; `lethe bench methods` runs them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from unlearning.contracts import Method
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.loop import Training

PRESETS = Path(__file__).parent / "presets.yaml"
ANY = "any"
SOURCES = ("published", "default", "tuned")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One choice of settings, which makes a row in a table.

    name: of the choice; a method may have several. network, data, task: what it is for, or `any`.
    access: the parts of the data that are read with these settings, where that is less than the
    method declares. source: `tuned`, `published`, or `default` where no paper gives any. found: in
    words, where it was read or how it was searched. command: what finds it again. result: what it
    gave on the trial that it was chosen on, empty if it was not chosen by measurement.
    """

    name: str
    method: str
    network: str = ANY
    data: str = ANY
    task: str = ANY
    settings: Mapping[str, Any] = field(default_factory=dict)
    access: Sequence[str] = ()
    source: str
    found: str
    command: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an unknown source, and settings that the method refuses."""
        if self.source not in SOURCES:
            raise UsageError(
                f"preset {self.name!r}: source is {self.source!r}, expected one of {SOURCES}"
            )
        METHODS.create(self.method, self.settings)
        if not set(self.access) <= METHODS[self.method].needs:
            raise UsageError(
                f"preset {self.name!r}: access is {list(self.access)}, expected some of "
                f"{sorted(METHODS[self.method].needs)}"
            )

    @property
    def reads(self) -> list[str]:
        """Give the parts of the data that it reads; only what reads the same is comparable."""
        return sorted(self.access or METHODS[self.method].needs)

    @property
    def row(self) -> str:
        """Name its row; a tuned choice stands beside the published one of the same name."""
        return f"{self.name}, tuned" if self.source == "tuned" else self.name

    def suits(self, *, network: str, data: str, task: str) -> bool:
        """Say whether it is meant for this network, data and task."""
        asked = ((self.network, network), (self.data, data), (self.task, task))
        return all(own in (ANY, wanted) for own, wanted in asked)

    def create(self, training: Training) -> Method:
        """Build the method; what it does not say of training is as the original was trained.

        That is all of it for one that trains from scratch, the augmentation and the bound on layers
        for any other: the public code unlearns on the same augmented images as it trains.
        """
        fields = {item.name for item in dataclasses.fields(METHODS[self.method])}  # type: ignore[arg-type]
        known = {
            "training": training,
            "augmentation": training.augmentation,
            "lipschitz": training.lipschitz,
        }
        own = {name: value for name, value in known.items() if name in fields}
        return METHODS.create(self.method, {**own, **self.settings})


def load(path: Path = PRESETS) -> list[Preset]:
    """Read presets; raises UsageError for an entry that cannot be one, naming it."""
    entries = yaml.safe_load(path.read_text()) or []
    if not isinstance(entries, list):
        raise UsageError(f"{path.name}: got {type(entries).__name__}, expected a list of presets")
    presets = [_preset(entry, path) for entry in entries]
    _require_distinct(presets, path)
    return presets


def _preset(entry: Any, path: Path) -> Preset:
    known = {item.name for item in dataclasses.fields(Preset)}
    if not isinstance(entry, dict) or set(entry) - known:
        extra = sorted(set(entry) - known) if isinstance(entry, dict) else entry
        raise UsageError(f"{path.name}: got {extra!r} in a preset, expected {sorted(known)}")
    try:
        return Preset(**entry)
    except TypeError as problem:
        raise UsageError(f"{path.name}: preset {entry.get('name')!r}: {problem}") from problem


def _place(preset: Preset) -> tuple[str, ...]:
    return (preset.name, preset.network, preset.data, preset.task, preset.source)


def _require_distinct(presets: Sequence[Preset], path: Path) -> None:
    places = [_place(preset) for preset in presets]
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        raise UsageError(f"{path.name}: {' / '.join(twice[0])} stands there twice, expected once")


def choose(
    presets: Iterable[Preset],
    *,
    network: str,
    data: str,
    task: str,
    sources: Sequence[str] = SOURCES,
) -> list[Preset]:
    """Give the presets of these sources that suit, for each row the most particular one.

    They come in the order of the file. Retraining always suits: costs are divided by its own.
    """
    rows: dict[str, list[Preset]] = {}
    for preset in presets:
        wanted = preset.source in sources or METHODS[preset.method].exact
        if wanted and preset.suits(network=network, data=data, task=task):
            rows.setdefault(preset.row, []).append(preset)
    return [min(found, key=_open_ends) for found in rows.values()]


def _open_ends(preset: Preset) -> int:
    return (preset.network, preset.data, preset.task).count(ANY)


def add(found: Preset, path: Path = PRESETS) -> None:
    """Put a preset at the end of the file, in place of one for the same place."""
    kept = [preset for preset in load(path) if _place(preset) != _place(found)]
    text = "".join(written(preset) for preset in [*kept, found])
    part = path.with_suffix(".part")
    part.write_text(_head(path) + text)
    part.replace(path)


def _head(path: Path) -> str:
    """Give the comment that the file begins with."""
    lines = path.read_text().splitlines(keepends=True)
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[:count])


def written(preset: Preset) -> str:
    """Give a preset's entry in the file, without what it leaves at its default."""
    values = {
        item.name: getattr(preset, item.name)
        for item in dataclasses.fields(Preset)
        if getattr(preset, item.name) not in ({}, (), "", ANY)
    }
    return yaml.safe_dump([values], sort_keys=False, width=100, allow_unicode=True)
