"""Errands carried out beyond a border that bytes alone pass, and names that would show."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from systems.compute.errands import Done, Errand, carry_out, taken
from systems.compute.parcels import Tensors, packed
from tests.unit import toys
from unlearning.domain import Examples, Split


def named(examples: Examples, word: str) -> Examples:
    """Give examples names that would be found wherever they went."""
    ids = np.array([f"canary-{word}-{i}" for i in range(len(examples))])
    subjects = np.array([f"canary-{word}-person-{i // 4}" for i in range(len(examples))])
    return dataclasses.replace(examples, ids=ids, subjects=subjects)


def split() -> Split:
    parts = toys.split()
    groups = ("forget", "retain", "holdout", "test")
    return dataclasses.replace(parts, **{g: named(getattr(parts, g), g) for g in groups})


def _loaded(content: bytes) -> Any:
    """Read what this process wrote, as Dask would."""
    return pickle.loads(content)  # noqa: S301


class Border:
    """Carries errands out beyond a border that bytes alone pass, and keeps these."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.names: set[str] = set()

    def send(self, errands: Sequence[Errand], tensors: Tensors) -> Iterator[tuple[int, Done]]:
        self.names |= set(tensors)
        parcel = packed(tensors)
        for number, errand in enumerate(errands):
            self.out.append(pickle.dumps((errand, parcel.sha256, parcel)))
            back = pickle.dumps(carry_out(*_loaded(self.out[-1])))
            yield number, taken(_loaded(back), errand.name)

    def nobody_is_named(self) -> bool:
        """Look for the names, as text and as numpy holds it."""
        words = [
            word.encode(code) for word in ("canary", "person") for code in ("utf8", "utf-32-le")
        ]
        return bool(self.out) and not any(word in sent for sent in self.out for word in words)
