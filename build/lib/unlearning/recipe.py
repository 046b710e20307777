"""What a network is built by: a small value that travels in the metadata of its file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from unlearning.errors import UsageError

LARGEST = 2**15 - 1  # classes or pixels a side, as labels are stored


HEADS = ("ridge", "logistic")
"""Losses with one optimum: ridge regression on one-hot labels, multinomial logistic regression."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last layer of a network of which it alone is fitted, to its one optimum.

    backbone: SHA-256 of the file that all other weights come from. loss: one of HEADS. penalty:
    lambda of the mean loss + lambda / 2 times the sum of squared weights, biases included.
    """

    backbone: str
    loss: str = "ridge"
    penalty: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse a loss that nobody knows, and a penalty that leaves more than one optimum."""
        if self.loss not in HEADS:
            raise UsageError(f"head: got {self.loss!r}, expected {' or '.join(HEADS)}")
        if not 0 < self.penalty < float("inf"):
            raise UsageError(f"head: got the penalty {self.penalty}, expected a number above 0")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is needed to build a network.

    network: a name of NETWORKS or of timm. size: image height and width in pixels.
    mean, std: per channel, in units of pixel value / 255; they are applied inside the network.
    head: how the last layer is fitted where the others are frozen; None where all are trained.
    """

    network: str
    classes: int
    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    head: Head | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no network can be built of; UsageError names them."""
        for name in ("classes", "channels", "size"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= LARGEST:
                raise UsageError(f"{name}: got {value!r}, expected a whole number, 1 to {LARGEST}")
        for name in ("mean", "std"):
            _check_units(name, getattr(self, name), self.channels)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Recipe:
        """Read the form that `as_record` writes, JSON's lists included."""
        listed = {name: _as_tuple(values[name]) for name in ("mean", "std")}
        head = {"head": Head(**values["head"])} if values.get("head") else {}
        return Recipe(**{**values, **listed, **head})

    def as_record(self) -> dict[str, Any]:
        """Give it as it is written; a head is named where there is one, so that old names stay."""
        values = dataclasses.asdict(self)
        return values if self.head else {k: v for k, v in values.items() if k != "head"}


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_units(name: str, values: Any, channels: int) -> None:
    numbers = isinstance(values, tuple) and all(
        isinstance(v, float) or type(v) is int for v in values
    )
    if not numbers or len(values) != channels:
        got = f"{len(values)} numbers" if numbers else repr(values)
        raise UsageError(f"{name}: got {got}, expected {channels}, one a channel of the pictures")
    for value in values:
        low = value > 0 if name == "std" else value >= 0
        if not (low and value <= 1):  # NaN too
            least = "more than 0" if name == "std" else "0"
            unit = "; it is in units of pixel value / 255: divide by 255" if value > 1 else ""
            raise UsageError(f"{name}: got {value:g}, expected {least} to 1{unit}")


def recipe_in(text: str | None, file: str) -> Recipe | None:
    """Give the recipe in a file's metadata; what other tools write under that name is none.

    UsageError if it is Lethe's and no network can be built by it.
    """
    try:
        values = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    own = {field.name for field in dataclasses.fields(Recipe)}
    if not isinstance(values, dict) or values.keys() | {"head"} != own:
        return None
    if type(values["network"]) is not str:
        return None
    try:
        return Recipe.from_dict(values)
    except (UsageError, TypeError) as problem:
        raise UsageError(f"weights {file}: its recipe's {problem}") from problem


def refuse_other_pictures(file: str, got: Recipe, wanted: Recipe) -> None:
    """Raise UsageError for a recipe of other classes, channels or size than the data have."""
    facts = [(r.classes, r.channels, r.size) for r in (got, wanted)]
    if facts[0] != facts[1]:
        made, here = (f"{n} classes and pictures of {c} channels, {s} pixels" for n, c, s in facts)
        raise UsageError(f"weights {file}: made for {made} a side, expected {here} a side")
