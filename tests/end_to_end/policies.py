"""The policies of these tests: what is tried, and what is asked of it."""

from __future__ import annotations

from typing import Any

# The cheap rung cannot be released with the few examples of one person, retraining can. Margins
# are wide: these networks are trained for seconds and differ by several per cent.
CHEAP: dict[str, Any] = {
    "attempts": 3,
    "ladder": [{"method": "finetune", "settings": {"epochs": 1}}, {"method": "retrain"}],
    "gates": {
        "integrity": {"classes": 2},
        "utility": {"margin": 0.25, "class_margin": 0.5, "class_examples": 200},
        "forgetting": {
            "smallest_bank": 8,
            "limits_by_size": [
                {"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05}
            ],
        },
    },
}


# Both kinds of approximate method, then the exact one, which may be tried a second time.
LADDER: list[dict[str, Any]] = [
    {"method": "famr", "settings": {"epochs": 5, "learning_rate": 0.001}},
    {"method": "finetune", "settings": {"epochs": 2}},
    {"method": "retrain"},
]
POLICY: dict[str, Any] = {**CHEAP, "attempts": 4, "ladder": LADDER}
