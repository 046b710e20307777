"""What was tried in this workspace, by the sealed records, beside the methods that there are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger import durable
from tasks.pages.known import Known, link
from tasks.showing.figures import compared

NUMBERS = ("attack_auc", "test_accuracy", "utility_loss", "seconds")


def methods(
    known: Known, there: Sequence[Mapping[str, Any]], reports: Mapping[str, str]
) -> dict[str, Any]:
    """Lay out attempts by run, and `there`: the methods as `lethe list methods` gives them."""
    header = [key.replace("_", " ").capitalize() for key in there[0]] if there else []
    rows = [[_cell(value) for value in row.values()] for row in there]
    tried = [line for run in reports for line in _tried(known, run, reports[run])]
    return {"tried": tried, "methods": rows, "method_header": header}


def _cell(value: object) -> object:
    return (
        ", ".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else value
    )


def _tried(known: Known, run: str, page: str) -> Iterator[list[object]]:
    path = known.at.ws.evidence / run / "attempts.json"
    if not path.is_file():
        return
    for number, record in enumerate(json.loads(durable.read(path)), 1):
        numbers = compared(record)
        failed = (v for v in record["verdicts"] if v["outcome"] != "PASSED")
        why = [f"{v['gate']}: {v['reason']}" for v in failed]
        shown = [f"{numbers[name]:.3g}" if name in numbers else None for name in NUMBERS]
        head = [link(run, page), number, record["method"], record["decision"]]
        yield [*head, *shown, "; ".join(why) or None]
