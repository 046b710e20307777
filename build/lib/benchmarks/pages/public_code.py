"""How our code compares with public code on the same weights and index sets."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load

RATES = ("FA", "RA", "TA")


def sfr_on(name: str) -> str:
    """Write the differences from SFR-on's public code, method by method."""
    result = load(name)
    asked = result["settings"]
    words = (
        f"**SFR-on's public code**, {asked['epochs']} epoch (SFR-on: {asked['steps']} steps) on "
        f"{asked['forget']} forgotten and {asked['retain']:,} other examples, {asked['seeds']} "
        "seeds. It shows that a step is the same step, not what long runs do. Differences in "
        "points with their 95 % interval; the divergence of the outputs between the two sides and "
        "between seeds of one side; our seconds as a fraction of theirs, median and range.\n\n"
    )
    header = (
        "method",
        *(f"{key}, ours - public" for key in RATES),
        "JS between sides / seeds",
        "seconds, ours / public",
        "in fp32",
    )
    return words + table(header, [_method(*found) for found in result["rows"].items()])


def _method(name: str, row: dict[str, Any]) -> list[str]:
    return [
        name,
        *(f"{row[key]['difference']:+.2f} ± {row[key]['reach']:.2f}" for key in RATES),
        f"{row['JS between sides']:.4f} / {row['JS between seeds']:.4f}",
        "{1:.2f} ({0:.2f} to {2:.2f})".format(*row["seconds, ours / public"]),
        "{1:.2f}".format(*row["seconds, ours in fp32 / public"]),
    ]


def amun(name: str) -> str:
    """Write how our adversarial search compares with AMUN's."""
    search = {row["search"]: row for row in load(name)["rows"]}["ours"]
    return (
        "**AMUN's adversarial search**: ours takes "
        f"1 / {search['times_faster_processor']['median']:.1f} of its processor time and finds "
        f"examples at {search['l2_mean_of_public']:.3f} of its mean L2 distance, changing the "
        f"answer for {search['changed_answers']:.0%} of the images.\n"
    )


def privacy_meter(name: str) -> str:
    """Write how our RMIA compares with Privacy Meter's."""
    result = load(name)
    faster = [row["times_faster"]["median"] for row in result["rows"]]
    apart = max(row["largest_difference"] for row in result["rows"])
    asked = result["settings"]
    return (
        f"**Privacy Meter's RMIA**, on {asked['examples']:,} examples and {asked['shadows']} "
        f"shadows: largest difference {apart:g}, {min(faster):.0f} to {max(faster):.0f} times "
        "faster.\n"
    )
