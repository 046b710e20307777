"""`python -m benchmarks.intake PART`; the parts are those of `PARTS`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import record
from benchmarks.intake import alone, http, likeness, storm

PARTS: dict[str, Callable[[], Path]] = {
    "inbox": alone.measure,
    "http": http.measure,
    "storm": storm.measure,
    "likeness": likeness.measure,
}


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=sorted(PARTS))
    record.perform("intake", PARTS[parser.parse_args().part])


if __name__ == "__main__":
    main()
