"""What became of whole runs of the product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load, there

NAMES = ("whole-digits", "whole-omniglot", "whole-cifar10", "whole-cifar10-head")
HEADER = ("request (examples)", "method", "decision", "seconds", "of retraining before", "why")
HEAD = "head_downdate"
CHEAP = 0.25
"""Of what retraining cost before, at which a release counts as cheap."""


def whole(name: str) -> str:
    """Write every attempt of every request, and how the run ended."""
    first, *requests = load(name)["rows"]
    parts, before = first["examples"], first["price"]["before"]
    words = (
        f"**{name.removeprefix('whole-')}**: {parts['train']:,} training, "
        f"{parts['holdout']:,} holdout, {parts['test']:,} test examples of "
        f"{first['subjects']:,} people; champion's test "
        f"accuracy {first['test_accuracy']:.1%}; {first['bank']['shadows']} shadows. "
        f"Retraining before: {before['network']} on "
        f"{before['n']:,} examples, {before['processor_seconds']:.0f} processor seconds.\n\n"
    )
    rows = [row for request in requests for row in _request(request, first["price"])]
    return words + table(HEADER, rows)


def _request(request: dict[str, Any], price: dict[str, Any]) -> Iterator[list[str]]:
    asked = f"{request['request']} ({request['examples']})"
    if "error" in request:
        yield [asked, "whole run", "**error**", "", "", request["error"]]
        return
    for attempt in request["attempts"]:
        seconds, of = f"{attempt.get('seconds', 0):.1f}", cost(attempt, request["plan"], price)
        yield [asked, attempt["method"], attempt["decision"], seconds, f"{of:.1%}", _why(attempt)]
    end = f"**{request['decision']}, {request['assurance']}**"
    spent = f"{sum(cost(a, request['plan'], price) for a in request['attempts']):.1%}"
    seconds = request["wall_seconds"]
    yield ["", "whole run", end, "" if seconds is None else f"{seconds:.0f}", spent, ""]


def cost(attempt: dict[str, Any], plan: dict[str, Any], price: dict[str, Any]) -> float:
    """Give an attempt's processor seconds over those of a retraining as it was before.

    A network's are its passes times what one costs; a head has no passes worth counting, and its
    wall seconds are taken.
    """
    passes = {rung["method"]: rung["passes"] for rung in plan["ladder"]}[attempt["method"]]
    of_head = attempt["method"] == HEAD
    seconds = attempt["seconds"] if of_head else passes * price["now"]["a_pass"]
    return float(seconds / price["before"]["processor_seconds"])


def _why(attempt: dict[str, Any]) -> str:
    """Give the reasons of all gates that did not pass, or the forgetting gate's."""
    verdicts = attempt["verdicts"]
    reasons = [v["reason"] for v in verdicts if v["outcome"] != "PASSED"]
    forgetting = next((v["reason"] for v in verdicts if v["gate"] == "forgetting"), "-")
    return "; ".join(reasons) or forgetting


def counted() -> tuple[str, str] | None:
    """Give how many whole runs were released cheaply, and exactly, and how many there were."""
    results = [load(name)["rows"] for name in NAMES if there(name)]
    runs = [(run, first["price"]) for first, *rest in results for run in rest]
    released = [(run, price) for run, price in runs if run.get("decision") == "released"]
    cheap = [
        run for run, price in released if cost(run["attempts"][-1], run["plan"], price) <= CHEAP
    ]
    exact = sum(run["assurance"] == "A3" for run in cheap)
    found = (
        f"{len(released)} released; {len(cheap)} by a method at most a quarter as dear as "
        f"retraining was before, {exact} of these exactly"
    )
    return (found, str(len(runs))) if runs else None
