"""A year of requests among 10,000 people: computing, upkeep, waiting and assurance by strategy.

    python -m benchmarks.year
    python -m benchmarks.year --accuracy

The first is a simulation of seconds, by numbers of other results: year.json, year.svg. The second
trains one network and SISA's shards at both ends of the year: year-accuracy.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import record
from benchmarks.lineage import economics
from benchmarks.year import accuracy, plot, simulate
from benchmarks.year.measured import measured
from benchmarks.year.strategies import SISA_SHARDS, WARM, WARM_SHARDS, all_of
from systems.settings.budget import Budget
from unlearning.errors import UsageError

LEAST_YEARS = 20


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="year", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--years", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--seeds", type=int, default=2, help="of the trainings of --accuracy")
    args = parser.parse_args()
    if args.accuracy:
        record.perform("year", lambda: trained(args.seeds))
    else:
        record.perform("year", lambda: simulated(args.years, args.seed))


def simulated(years: int, seed: int) -> Path:
    """Simulate so many years at each rate."""
    if years < LEAST_YEARS:
        raise UsageError(
            f"--years: got {years}, expected at least {LEAST_YEARS}, of which intervals can be told"
        )
    found = measured()
    settings = {
        "people": economics.PEOPLE,
        "years": years,
        "seed": seed,
        "measured": found.as_record(),
        "warm": {"shards": WARM_SHARDS, "cost": WARM, "enough": economics.ENOUGH},
        "sisa": {"shards": SISA_SHARDS},
        "drift_releases": Budget().releases,
        "windows": simulate.WINDOWS,
    }
    rows = list(simulate.rows(all_of(found), years, seed))
    path = record.write("year", settings, rows)
    plot.draw(rows, path.with_suffix(".svg"))
    return path


def trained(seeds: int) -> Path:
    """Train what accuracy is measured of."""
    settings = {"seeds": seeds, "shards": SISA_SHARDS, "gone": accuracy.GONE}
    return record.write("year-accuracy", settings, list(accuracy.rows(seeds)))
