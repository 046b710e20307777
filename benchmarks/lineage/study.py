"""What clean bases cost and give.

    python -m benchmarks.lineage

A simulation of a year, of seconds. Writes benchmarks/results/lineage-year.json.
"""

from __future__ import annotations

import argparse

from benchmarks import record
from benchmarks.lineage import economics


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="lineage", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    settings = {
        "people": economics.PEOPLE,
        "years": args.years,
        "seed": args.seed,
        "warm": economics.WARM,
        "enough": economics.ENOUGH,
        "leavers": [economics.LEAVERS, economics.THEIRS],
    }
    found = list(economics.rows(args.years, args.seed))
    record.perform("lineage", lambda: record.write("lineage-year", settings, found))
