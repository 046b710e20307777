"""Shadow banks whose shadows saw a quarter, a half or three quarters of the data.

The product's banks are of halves (`unlearning.bank.shadows`). Here a bank has several sizes at
once: shadows come in groups in which every example is unseen by equally many, and any of the groups
are a smaller bank.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from benchmarks.samples import Setting
from unlearning import networks
from unlearning.bank.files import shadow_path, write_arrays
from unlearning.bank.shadows import Bank, draw_halves
from unlearning.domain import BoolArray, IntArray, TextArray
from unlearning.errors import UsageError
from unlearning.outputs import accuracy, logits_of
from unlearning.training.loop import train

SHARES = (0.25, 0.5, 0.75)

SEED = 0
"""Of the draws and, times 100,003, of the shadows' training: that of the benchmarks' banks."""


def group_size(share: float) -> int:
    """Give how many shadows together leave every example unseen by equally many: 2 or 4."""
    if share not in SHARES:
        raise UsageError(f"bank study: got share {share}, expected one of {SHARES}")
    return 2 if share == 0.5 else 4


def draw_shares(
    subjects: TextArray, shadows: int, share: float, rng: np.random.Generator
) -> BoolArray:
    """Draw who is seen by which shadow, (shadows, n), whole subjects at a time.

    Each four shadows cut the people into quarters; a shadow sees one of them, or all but one.
    """
    if shadows % group_size(share):
        raise UsageError(
            f"bank study: got {shadows} shadows that see {share} of the data, expected a multiple "
            f"of {group_size(share)}"
        )
    if share == 0.5:
        return draw_halves(subjects, shadows, rng)
    _, code = np.unique(subjects, return_inverse=True)
    people = int(code.max()) + 1
    quarters = [(rng.permutation(people) % 4)[code] for _ in range(shadows // 4)]
    one = np.concatenate([quarter == np.arange(4)[:, None] for quarter in quarters])
    return np.asarray(one if share == 0.25 else ~one)


@dataclass(frozen=True)
class Shelf:
    """Where the banks lie: the study's folder, and the product's bank of halves."""

    folder: Path
    halves: Path

    def path(self, share: float, shadow: int) -> Path:
        """Name a shadow's file; those that the product's bank has are read from there."""
        kept = shadow_path(self.halves, shadow)
        own = shadow_path(self.folder / f"share-{round(100 * share)}", shadow)
        return kept if share == 0.5 and kept.exists() else own


def bank_of(shelf: Shelf, setting: Setting, share: float, shadows: int) -> Bank:
    """Give a bank; trains its missing shadows one after another."""
    parts = setting.train, setting.holdout
    subjects = np.concatenate([part.subjects for part in parts])
    seen = draw_shares(subjects, shadows, share, np.random.default_rng(SEED))
    files = []
    for shadow in range(shadows):
        path = shelf.path(share, shadow)
        if not path.exists():
            _train(setting, seen[shadow], shadow, path)
            print(f"share {share}: {shadow + 1}/{shadows} shadows", file=sys.stderr, flush=True)
        files.append(_read(path, seen[shadow]))
    return Bank(
        ids=np.concatenate([part.ids for part in parts]),
        seen=seen,
        logits=np.stack([file["logits"] for file in files]),
        test_accuracy=np.concatenate([file["test_accuracy"] for file in files]),
        trained_on=np.concatenate([file["trained_on"] for file in files]),
    )


def _read(path: Path, seen: BoolArray) -> dict[str, np.ndarray]:
    arrays = load_file(path)
    if not np.array_equal(arrays["seen"].astype(bool), seen):
        raise UsageError(f"{path.name}: its shadow saw other examples than drawn; delete the file")
    return arrays


def _train(setting: Setting, seen: BoolArray, shadow: int, path: Path) -> None:
    rng = torch.Generator().manual_seed(SEED * 100_003 + shadow)
    part = setting.train.take(seen[: len(setting.train)])
    network = train(networks.build(setting.recipe, rng), part, setting.training, rng)
    answers = [logits_of(network, of) for of in (setting.train, setting.holdout)]
    arrays = {
        "logits": np.concatenate(answers),
        "seen": seen.astype(np.uint8),
        "test_accuracy": np.array(
            [accuracy(logits_of(network, setting.test), setting.test.labels)]
        ),
        "trained_on": np.array([float(len(part))]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, arrays)


def some(bank: Bank, which: IntArray) -> Bank:
    """Give some of a bank's shadows."""
    return Bank(
        bank.ids,
        bank.seen[which],
        bank.logits[which],
        bank.test_accuracy[which],
        bank.trained_on[which],
    )


def draw_groups(shadows: int, size: int, share: float, rng: np.random.Generator) -> IntArray:
    """Draw a smaller bank out of a larger one: whole groups of shadows, `size` in all."""
    group = group_size(share)
    chosen = rng.choice(shadows // group, size // group, replace=False)
    return np.asarray((np.sort(chosen)[:, None] * group + np.arange(group)).ravel())
