"""The door to the benchmarks: each is a package that runs by itself, in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.launching import LAUNCHER, STUDY
from unlearning.errors import InfrastructureError, UnknownName, UsageError

PACKAGE = "benchmarks"
WRITES = "record.write("


def names() -> list[str]:
    """Give the benchmarks that there are: the packages that run by themselves."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = (spec.submodule_search_locations or []) if spec else []
    studies = (study for folder in folders for study in Path(folder).glob("*/study.py"))
    return sorted(study.parent.name for study in studies if WRITES in study.read_text())


def bench(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a benchmark with its own options and give the rows that it wrote."""
    if name not in names():
        raise UnknownName(f"benchmark {name!r} is unknown; known are {', '.join(names())}")
    study = f"{PACKAGE}.{name}"
    command = [sys.executable, "-P", "-u", "-c", STUDY, str(LAUNCHER), study, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as ran:
        last = _follow(ran, ("usage:", f"{name}: error:"))
    if ran.returncode == UsageError.exit_code:
        raise UsageError(f"{last.replace(' error:', '')}; see `python -m {PACKAGE}.{name} --help`")
    if ran.returncode or not last.endswith(".json"):
        raise InfrastructureError(
            f"benchmark {name} ended with {ran.returncode}: {last or 'no words'}; "
            "the same command goes on with what it has"
        )
    return {"rows": _rows(Path(last)), "result": last}


def _follow(ran: subprocess.Popen[str], quiet: tuple[str, ...]) -> str:
    """Pass on what a benchmark says, up to a line that begins as one of `quiet`; give the last."""
    last, told = "", True
    for line in ran.stdout or ():
        told = told and not line.startswith(quiet)
        last = line.strip() or last
        if told:
            print(line, end="", file=sys.stderr, flush=True)
    return last


def _rows(path: Path) -> list[Any]:
    """Give a result's rows: its table where it has one beside its details."""
    rows = json.loads(path.read_text())["rows"]
    if isinstance(rows, dict):
        rows = rows.get("table", [rows])
    return list(rows)
