"""What forgetting a style left, by accuracy and by probes at three depths."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import table
from benchmarks.means import told, words_of
from benchmarks.pages.results import load

COLUMNS = (
    "forgotten style",
    "other styles",
    "probe, early",
    "probe",
    "probe, outputs",
    "style distance",
)


def style(name: str) -> str:
    """Write the table with its definitions."""
    result = load(name)
    settings = result["settings"]
    rows = [
        [row["row"], row["n"], *(_mean(row, column) for column in COLUMNS)]
        for row in result["rows"]["table"]
    ]
    words = (
        f"**{settings['data']}**: one of 8 styles forgotten by {settings['recipe']['network']}, "
        f"{settings['train']:,} training and {settings['test']:,} test images, "
        f"{len(settings['forgotten'])} seeds with a style each; "
        f"{words_of(len(settings['forgotten']))}. Accuracy of the "
        "digits on test images of either kind. A probe is the AUC of a logistic regression that "
        "tells the forgotten style from the others by the mean channels after the second "
        "convolution (early), by the penultimate features, or by the outputs; the aim is the "
        "retrained model's, not a half. The style distance is what FAMR's style loss lowers.\n\n"
    )
    return words + table(("", "n", *COLUMNS), rows)


def _mean(row: dict[str, Any], name: str) -> str:
    found = row.get(name)
    return told(found["mean"], found["sd"], row["n"], 3) if found else ""
