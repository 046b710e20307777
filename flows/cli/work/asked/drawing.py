"""`lethe init --task generate`: a model that draws the classes of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.cli.work.asked.files import Files
from systems.data.sharding import Dataset
from systems.settings.params import Params, changed, parse_params
from unlearning.errors import UsageError

GENERATOR = "generator."
NOISE = "data.label_noise"


def refuse_brought(files: Files, chosen: Mapping[str, Any]) -> None:
    """UsageError for weights from elsewhere: a generator is trained here."""
    brought = files.weights or files.backbone
    if brought and any(name.startswith(GENERATOR) for name in chosen):
        option = "--weights" if files.weights else "--backbone"
        raise UsageError(
            f"--task generate: got with {option}, expected neither weights nor a backbone: a "
            "generator is trained here, on your data"
        )


def suited(settings: bytes, chosen: Mapping[str, Any]) -> bytes:
    """Give a params.yaml in which digits have no wrong labels, where a generator learns them.

    A class that is forgotten would stay under the labels of others.
    """
    if parse_params(settings).generator is None or NOISE in chosen:
        return settings
    return changed(settings, {NOISE: 0.0})


def require_fit(dataset: Dataset, params: Params) -> None:
    """UsageError unless such a generator can draw such pictures; nothing of a classifier."""
    if params.generator is None:
        return
    from systems.compute import generating

    pictures = len(dataset.classes), dataset.channels, dataset.size
    generating.require_fit(generating.recipe_of_generator(params.generator, *pictures))
