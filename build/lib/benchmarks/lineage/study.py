"""What clean bases cost and give.

    python -m benchmarks.lineage
    python -m benchmarks.lineage --data digits

Without --data a simulation of a year, of seconds: benchmarks/results/lineage-year.json. With it,
candidates that begin from bases, judged beside a retrain and beside fresh weights that learn labels
alone for as many passes: lineage-DATA.json. `--cache` keeps what was trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import record
from benchmarks.lineage import economics, measured


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="lineage", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", choices=sorted(measured.PEOPLE))
    parser.add_argument("--cache", type=Path, default=Path("benchmarks/cache"))
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    if args.data:
        record.perform("lineage", lambda: trained(args.data, args.cache, args.workers))
    else:
        record.perform("lineage", lambda: simulated(args.years, args.seed))


def simulated(years: int, seed: int) -> Path:
    """Simulate so many years of each rate."""
    settings = {
        "people": economics.PEOPLE,
        "years": years,
        "seed": seed,
        "warm": economics.WARM,
        "enough": economics.ENOUGH,
        "leavers": [economics.LEAVERS, economics.THEIRS],
    }
    return record.write("lineage-year", settings, list(economics.rows(years, seed)))


def trained(data: str, cache: Path, workers: int) -> Path:
    """Train and judge the candidates of a data set."""
    of = measured.setting(data)
    settings = {
        "data": data,
        "network": of.recipe.network,
        "train": len(of.train),
        "epochs": of.training.epochs,
        "shadows": of.shadows,
        "seeds": measured.SEEDS[data],
    }
    return record.write(f"lineage-{data}", settings, list(measured.rows(data, cache, workers)))
