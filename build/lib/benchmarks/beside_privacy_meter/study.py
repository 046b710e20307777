"""Our offline RMIA beside the public one, on the same signals: how far apart, and how much faster.

    python -m benchmarks.beside_privacy_meter --public DIR

DIR is a checkout of privacytrustlab/ml_privacy_meter; the two files in which it computes RMIA are
loaded as they are. Writes benchmarks/results/beside-privacy-meter.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from scipy.special import expit

from benchmarks import record
from benchmarks.cost.commands import spread
from unlearning.attacks.rmia import PRIVACY_METER
from unlearning.bank.calibration import Signals
from unlearning.domain import FloatArray

EXAMPLES, POPULATION, SHADOWS = 10_000, 10_000, 64
PAIRS = 7
"""Turns of ours and theirs that are timed, after one that is not."""

FILES = ("modules/mia/attacks/rmia.py", "attacks.py")
"""Where the public tool has the attack: in its package, and in its older script."""


def loaded(checkout: Path, file: str) -> ModuleType:
    """Load one file of the checkout without its neighbours, which need packages of their own."""
    spec = importlib.util.spec_from_file_location("public_" + Path(file).stem, checkout / file)
    if spec is None or spec.loader is None:
        raise SystemExit(f"--public {checkout}: {file} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn(rng: np.random.Generator, *, saturated: bool) -> Signals:
    """Draw probabilities of the true class: examples that differ, and shadows that remember.

    saturated: as single precision leaves them where networks are sure, so that most are 1 and ties
    are everywhere.
    """
    n = EXAMPLES + POPULATION
    holdout = np.arange(n) >= EXAMPLES
    seen = np.tile([[True], [False]], (SHADOWS // 2, n)) ^ (rng.random(n) < 0.5)
    odds = rng.normal(2, 2, n) + rng.normal(0, 1, (SHADOWS + 1, n))
    odds[1:] += 1.5 * (seen & ~holdout)
    if saturated:
        odds = 8 * odds
    values = expit(odds.astype(np.float32)).astype(np.float64) if saturated else expit(odds)
    return Signals(values[0], values[1:], seen, holdout, np.zeros(n, dtype=int))


def by_package(public: ModuleType, s: Signals) -> Callable[[], FloatArray]:
    """Give the call of the package's function, its arrays laid out as it wants them."""
    x, z, references = ~s.holdout, s.holdout, np.ascontiguousarray(s.shadows.T)
    target, seen = s.target, np.ascontiguousarray(s.seen.T)
    given = target[x], references[x], seen[x], target[z], references[z], PRIVACY_METER.a
    return lambda: np.asarray(public.run_rmia(*given))


def by_script(public: ModuleType, s: Signals) -> Callable[[], FloatArray]:
    """Give the call of the older script's function: the target first, then a pair that it skips."""
    x, z = ~s.holdout, s.holdout
    signals = np.column_stack([s.target, s.target, s.shadows.T])
    seen = np.column_stack([x, x, s.seen.T])
    given = 0, signals[x], signals[z], seen[x], SHADOWS // 2, PRIVACY_METER.a
    return lambda: np.asarray(public.run_rmia(*given))


def compared(ours: Callable[[], FloatArray], theirs: Callable[[], FloatArray]) -> dict[str, Any]:
    """Time both in turn and give the largest difference of their scores of x."""
    ours_scores, theirs_scores = ours()[:EXAMPLES], theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(PAIRS + 1)][1:]
    return {
        "largest_difference": float(np.abs(ours_scores - theirs_scores).max()),
        "different_scores": len(np.unique(theirs_scores)),
        "seconds_ours": spread([a for a, _ in pairs]),
        "seconds_public": spread([b for _, b in pairs]),
        "times_faster": spread([b / a for a, b in pairs]),
    }


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def commit(checkout: Path) -> str | None:
    """Say which commit a checkout is of, where it still knows."""
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="beside_privacy_meter", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--public", type=Path, required=True, help="a checkout of the public tool")
    checkout = parser.parse_args().public
    public = [loaded(checkout, file) for file in FILES]
    rows = []
    for saturated in (False, True):
        signals = drawn(np.random.default_rng(0), saturated=saturated)
        for file, module, call in zip(FILES, public, (by_package, by_script), strict=True):
            found = compared(partial(PRIVACY_METER.compare, signals), call(module, signals))
            rows.append({"file": file, "saturated": saturated, **found})
            print(rows[-1], flush=True)
    settings = {
        "examples": EXAMPLES,
        "population": POPULATION,
        "shadows": SHADOWS,
        "pairs": PAIRS,
        "a": PRIVACY_METER.a,
        "public": "privacytrustlab/ml_privacy_meter",
        "commit": commit(checkout),
    }
    print(record.write("beside-privacy-meter", settings, rows))
