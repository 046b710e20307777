"""What it costs: judging, whole commands, training and building a bank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load

PARTS = (
    ("imports", "imports"),
    ("opening, with the import of data", "opening the workspace, with the import of data"),
    ("flow: Prefect's server and engine begin", "Prefect begins"),
    ("flow: steps: computing", "steps: computing"),
    ("flow: steps: records, data and evidence", "steps: records, data and evidence"),
    ("exit", "exit"),
)


def judging(name: str) -> str:
    """Write the seconds of judging one candidate, part by part."""
    result = load(name)
    asked, whole = result["settings"], result["rows"]["whole"]
    words = (
        f"**Judging**: {asked['forget']:,} forgotten, {asked['holdout']:,} holdout and "
        f"{asked['test']:,} test images, {asked['network']}, {asked['shadows']} shadows, "
        f"{asked['threads']} threads; medians.\n\n"
    )
    rows = [
        [part, f"{found['seconds']['median']:.2f}", f"{found['processor_seconds']['median']:.2f}"]
        for part, found in whole.items()
    ]
    return words + table(("part", "seconds", "processor seconds"), rows)


def commands(name: str) -> str:
    """Write where the seconds of `init` and `forget` go, and those of the quick commands."""
    rows = load(name)["rows"]
    both = {command: rows[command]["seconds"] for command in ("init", "forget")}
    parts = [
        [words, *(f"{seconds[part]:.1f}" for seconds in both.values())] for part, words in PARTS
    ]
    whole = ["**the command**", *(f"{seconds['command']:.1f}" for seconds in both.values())]
    quick = [
        [
            f"`lethe {command}`",
            f"{found['median']:.2f}",
            f"{found['min']:.2f} to {found['max']:.2f}",
        ]
        for command, found in rows["commands"].items()
    ]
    return (
        "**Commands**: the demo's `lethe init --data digits` and `lethe forget` of ten people, in "
        "seconds.\n\n"
        + table(("", *(f"`{command}`" for command in both)), [*parts, whole])
        + "\nCommands that should answer at once, in seconds:\n\n"
        + table(("command", "median", "range"), quick)
        + "\nImages a second against a bare loop of the same network and precision:\n\n"
        + table(("", "ours / bare", "range"), [*map(_ratio, rows["training"] + rows["inference"])])
    )


def _ratio(row: Mapping[str, Any]) -> list[str]:
    what = f"training, {row['augmentation']}" if "augmentation" in row else "inference"
    return [f"{what}: {row['network']}, {row['precision']}", *_spread(row["ratio"])]


def _spread(found: Mapping[str, float]) -> tuple[str, str]:
    """Write median and range."""
    return f"{found['median']:.2f}", f"{found['min']:.2f} to {found['max']:.2f}"


def building(name: str) -> str:
    """Write the ways of training a bank on one machine."""
    result = load(name)
    asked = result["settings"]
    rows = [
        [
            way["way"],
            f"{way['processor_seconds']['median']:.1f}",
            f"{way['processor_ratio']['median']:.2f}",
        ]
        for way in result["rows"]["ways"]
    ]
    words = (
        f"**Building a bank**: {asked['shadows']} shadows of {asked['network']}, "
        f"{asked['epochs']} epochs.\n\n"
    )
    return words + table(("way", "processor seconds", f"over {asked['base']}"), rows)


def memory(name: str) -> str:
    """Write what it saves that workers keep the memory that they free."""
    ratio = load(name)["rows"]["ratio"]
    return (
        f"**Memory that workers keep**: {ratio['median']:.2f} ({ratio['min']:.2f} to "
        f"{ratio['max']:.2f}) of the processor seconds of giving it back.\n"
    )
