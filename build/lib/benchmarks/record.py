"""Where a benchmark's result goes: one JSON file with what it was measured on."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unlearning.errors import LetheError

RESULTS = Path(__file__).parent / "results"


def hardware() -> dict[str, Any]:
    """Describe the machine in words that name no machine."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cores": os.cpu_count(), "processor": platform.machine(), "cpu": _cpu(), "gpu": gpu}


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def versions() -> dict[str, str]:
    """Give the versions that a number depends on."""
    packages = ("torch", "numpy", "scipy", "timm")
    found = {name: importlib.metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **found}


def write(name: str, settings: Mapping[str, Any], rows: Any) -> Path:
    """Write benchmarks/results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {
        "benchmark": name,
        "settings": dict(settings),
        "hardware": hardware(),
        "versions": versions(),
        "rows": rows,
    }
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    return path


def perform(name: str, work: Callable[[], Path]) -> None:
    """Do a benchmark's work and print where its result lies; or say in one line what is wrong."""
    try:
        print(work())
    except LetheError as problem:
        print(f"{name}: error: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)


def told(done: int, total: int) -> None:
    """Tell how many networks are trained."""
    print(f"{done}/{total} networks trained", file=sys.stderr, flush=True)
