"""What Lethe costs: seconds of each step, orchestration, throughput, memory, start-up.

    python -m benchmarks.cost

Writes benchmarks/results/cost.json; benchmarks/README.md says what each number means. Run it on a
machine that does nothing else: only the ratios are taken turn by turn.
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks import record
from benchmarks.cost import commands


def main() -> None:
    """Run the benchmark."""
    load = os.getloadavg()[0]
    whole = commands.main_run()  # first, while this process is small
    from benchmarks.cost import throughput

    rows: dict[str, Any] = {**whole, **throughput.everything()}
    settings = {
        "load_before": round(load, 2),
        "niceness": os.nice(0),
        "people": commands.PEOPLE,
        "pairs": throughput.PAIRS,
        "memory_sampled_every_seconds": commands.SAMPLED_EVERY,
    }
    print(record.write("cost", settings, rows))
