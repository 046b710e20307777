"""The generators that are measured: how each comes to be, kept by its settings and its seed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.generation.grounds import Ground
from benchmarks.generation.planted import OnlyGuided
from unlearning.digests import canonical_json, sha256_hex
from unlearning.errors import AttemptFailed
from unlearning.generation import FORGETTERS, generators
from unlearning.generation.contract import Forgetter
from unlearning.generation.fitting import fitted
from unlearning.generation.generators import Generator
from unlearning.training.loop import silent

ORIGINAL, RETRAINED, STALE, RANDOM = "original", "retrained", "stale average", "random shift"
PLANTED = "only at guidance 2"

RADII = (0.25, 0.5, 1.0)
"""Lengths of the latent method's shift, as shares of the length of the label's row."""


def at_radius(row: str, radius: float) -> str:
    """Name a row whose shift is of one length."""
    return f"{row}, radius {radius:g}"


VARIED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    STALE: ("sfr_on", {"sampled": "average"}),
    RANDOM: ("latent", {"shift": "random"}),
    **{
        at_radius(row, radius): ("latent", {"shift": shift, "radius": radius, "left": 1.0})
        for radius in RADII
        for row, shift in (("latent", "adversarial"), (RANDOM, "random"))
    },
}
"""Rows that are a method with other settings; with `left` at 1 no radius is doubled."""


@dataclass(frozen=True, eq=False)
class Made:
    """A generator, with what making it cost and told; None where its method gave up."""

    network: Generator | None
    seconds: float
    notes: Mapping[str, Any] = field(default_factory=dict)


def method(ground: Ground, row: str) -> Forgetter:
    """Give a row's method with its settings on a ground."""
    settings = dict(ground.methods)
    if row == PLANTED:
        return OnlyGuided(**settings)
    name, varied = VARIED.get(row, (row, {}))
    return FORGETTERS.create(name, {**settings, **varied})


@dataclass(frozen=True, eq=False)
class Makers:
    """Makes generators of one network on one ground, in a folder; what is there is read."""

    ground: Ground
    network: str
    cache: Path

    def made(self, row: str, seed: int) -> Made:
        """Give a row's generator of a seed."""
        path = self.cache / f"{self.named(row, seed)}.safetensors"
        notes = path.with_suffix(".json")
        if notes.exists():
            told = json.loads(notes.read_text())
            kept = generators.load(path) if path.exists() else None
            return Made(kept, told.pop("seconds"), told)
        made = self._make(row, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        if made.network is not None:
            generators.save(made.network, path)
        notes.write_text(json.dumps({"seconds": made.seconds, **made.notes}))
        return made

    def named(self, row: str, seed: int) -> str:
        """Name a generator by what it follows from."""
        settings = self.settings(row)
        digest = sha256_hex(canonical_json([self.network, settings]))[:12]
        return f"{self.network}-{row.replace(' ', '-')}-{seed}-{digest}"

    def settings(self, row: str) -> dict[str, Any]:
        """Give the settings that a row follows from."""
        recipe, fitting = self.ground.recipes[self.network], self.ground.fittings[self.network]
        found: dict[str, Any] = {"recipe": asdict(recipe), "fitting": asdict(fitting)}
        if row in (ORIGINAL, RETRAINED):
            return found
        return {**found, "method": asdict(method(self.ground, row))}  # type: ignore[call-overload]

    def _make(self, row: str, seed: int) -> Made:
        rng = torch.Generator().manual_seed(1000 + seed)
        began = time.process_time()
        if row in (ORIGINAL, RETRAINED):
            return self._trained(row, seed)
        original = self.made(ORIGINAL, seed).network
        assert original is not None
        try:
            found = method(self.ground, row).forget(original, self.ground.sets(), rng, silent)
        except AttemptFailed as problem:
            return Made(None, time.process_time() - began, {"gave up": str(problem)})
        return Made(found.network, time.process_time() - began, found.notes)

    def _trained(self, row: str, seed: int) -> Made:
        """Train on everything, or on what stays, with chance of its own."""
        began, chance = time.process_time(), seed if row == ORIGINAL else 100 + seed
        examples = self.ground.train if row == ORIGINAL else self.ground.sets().retain
        recipe, fitting = self.ground.recipes[self.network], self.ground.fittings[self.network]
        rng = torch.Generator().manual_seed(chance)
        network, _ = fitted(recipe, examples, fitting, rng)
        return Made(network, time.process_time() - began)
