"""Where a benchmark's result goes: one JSON file with what it was measured on."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
