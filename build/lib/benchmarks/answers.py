"""Networks' answers, computed once and kept under the digest of their weights.

A file holds the logits of every training, holdout and test example that was asked for so far; what
is new is added. So judging the same network on another forget set costs no inference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from unlearning import networks
from unlearning.audits.deployed import as_deployed
from unlearning.bank.files import write_arrays
from unlearning.digests import sha256_file
from unlearning.domain import Examples, FloatArray, IntArray
from unlearning.outputs import logits_of

FULL = ""
"""The form of a network whose weights are not rounded."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Where answers on `examples` are kept; rows are places in them."""

    folder: Path
    examples: Examples
    classes: int

    def of(self, weights: Path, rows: IntArray, form: str = FULL) -> FloatArray:
        """Give the logits (len(rows), classes) of a network's file, in the form that is shipped."""
        known, logits = self._kept(weights, form)
        missing = np.unique(rows[~known[rows]])
        if len(missing):
            logits[missing] = self._computed(weights, missing, form)
            known[missing] = True
            arrays = {"known": known.astype(np.uint8), "logits": logits}
            self.folder.mkdir(parents=True, exist_ok=True)
            write_arrays(self._path(weights, form), arrays)
        return np.asarray(logits[rows])

    def _path(self, weights: Path, form: str) -> Path:
        end = f"-{form}" if form else ""
        return self.folder / f"{digest_of_file(weights)}{end}.safetensors"

    def _kept(self, weights: Path, form: str) -> tuple[np.ndarray, FloatArray]:
        path, n = self._path(weights, form), len(self.examples)
        if not path.exists():
            return np.zeros(n, dtype=bool), np.zeros((n, self.classes), dtype=np.float32)
        kept = load_file(path)
        return kept["known"].astype(bool), kept["logits"]

    def _computed(self, weights: Path, rows: IntArray, form: str) -> FloatArray:
        network = networks.load(weights)
        exported = as_deployed(network, form) if form else network
        return logits_of(exported, self.examples.take(rows))


@cache
def digest_of_file(path: Path) -> str:
    """Give a file's SHA-256, read once a process."""
    return sha256_file(path)
