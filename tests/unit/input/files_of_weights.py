"""Files of weights, and the numbers that come with them, for a network on plain data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.unit import toys
from tests.unit.input.forms import REFUSED, TAKEN, Form
from unlearning import networks
from unlearning.networks import Classifier, Recipe

Offer = tuple[Path, Recipe, bool]
"""A file, the recipe of the data, and whether --mean and --std were given."""

PLAIN = networks.build(toys.RECIPE, toys.generator())
TENSORS = {name: value.clone() for name, value in PLAIN.body.state_dict().items()}
FIRST = next(iter(TENSORS))


def file(tensors: dict[str, torch.Tensor] = TENSORS, **metadata: str) -> Callable[[Path], Offer]:
    """Give a maker of such a file, offered for the toy data."""

    def make(folder: Path) -> Offer:
        save_file(tensors, folder / "model.safetensors", metadata=metadata or None)
        return folder / "model.safetensors", toys.RECIPE, False

    return make


def own(**changed: Any) -> Callable[[Path], Offer]:
    """Give a maker of Lethe's own file with another recipe in it."""
    return file(recipe=json.dumps(asdict(toys.RECIPE) | changed))


def numbers(*, among: Callable[..., Callable[[Path], Offer]] = file, **changed: Any) -> Any:
    """Give a maker of a file for which --mean and --std say this."""
    return lambda folder: (among()(folder)[0], replace(toys.RECIPE, **changed), True)


def renamed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in TENSORS.items()}


def cut(folder: Path) -> Offer:
    path, recipe, given = file()(folder)
    path.write_bytes(path.read_bytes()[:-100])
    return path, recipe, given


def pickled(folder: Path) -> Offer:
    torch.save(TENSORS, folder / "model.pt")
    return folder / "model.pt", toys.RECIPE, False


def too_large(folder: Path) -> Offer:
    recipe = replace(toys.RECIPE, network="vgg11")
    save_file({"x": torch.zeros(1)}, folder / "model.safetensors")
    networks.require_fit(recipe)
    return folder / "model.safetensors", recipe, False


def same(network: Classifier) -> None:
    for name, value in network.body.state_dict().items():
        torch.testing.assert_close(value, TENSORS[name], rtol=0.01, atol=0.01)


HALF = {name: v.half() if v.is_floating_point() else v for name, v in TENSORS.items()}
WHOLE = TENSORS | {FIRST: torch.zeros_like(TENSORS[FIRST]).to(torch.int8)}
NANS = TENSORS | {FIRST: torch.full_like(TENSORS[FIRST], torch.nan)}
LACKING = {name: value for name, value in TENSORS.items() if name != FIRST}

WEIGHTS = [
    Form("Lethe's own file", TAKEN, "with the recipe that it carries", own(), same),
    Form("safetensors without metadata", TAKEN, "read as --network", file(), same),
    Form("another tool's metadata", TAKEN, "passed over", file(format="pt", recipe="bake"), same),
    Form("half precision", TAKEN, "as single precision", file(HALF), same),
    Form("names that begin with `module.`, `_orig_mod.`, `body.`", REFUSED,
         "its tensors are named module.NAME", file(renamed("module."))),
    Form("a tensor missing, too many, or of another shape", REFUSED, "is missing", file(LACKING)),
    Form("whole numbers in place of fractions", REFUSED, "holds int8, not fractions", file(WHOLE)),
    Form("NaN", REFUSED, "no finite numbers", file(NANS)),
    Form("made for other classes, channels or sizes", REFUSED, "made for 7 classes",
         own(classes=7)),
    Form("a recipe with numbers that are none", REFUSED, "its recipe's size", own(size="8")),
    Form("a pickle, a .pt file", REFUSED, "expected safetensors", pickled),
    Form("cut off", REFUSED, "damaged safetensors file", cut),
    Form("--mean or --std of another length", REFUSED, "got 3 numbers, expected 1",
         numbers(mean=(0.5,) * 3)),
    Form("--mean or --std in units of 0 to 255", REFUSED, "divide by 255", numbers(mean=(125.3,))),
    Form("--std of 0", REFUSED, "got 0, expected more than 0", numbers(std=(0.0,))),
    Form("--mean, --std other than the recipe's", REFUSED, "leave --mean and --std out",
         numbers(among=own, mean=(0.25,))),
    Form("a network too large for the pictures", REFUSED, "does not take pictures of 8 x 8",
         too_large),
]  # fmt: skip
