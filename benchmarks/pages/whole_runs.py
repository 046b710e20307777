"""What became of whole runs on real images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load


def whole(name: str) -> str:
    """Write every attempt of every request, and how the run ended."""
    first, *requests = load(name)["rows"]
    parts = first["examples"]
    words = (
        f"**{name.removeprefix('whole-')}**: {parts['train']:,} training, "
        f"{parts['holdout']:,} holdout, {parts['test']:,} test examples of "
        f"{first['subjects']:,} people; champion's test "
        f"accuracy {first['test_accuracy']:.1%}; `init` with {first['bank']['shadows']} shadows "
        f"took {first['wall_seconds']:.0f} s.\n\n"
    )
    rows = [row for request in requests for row in _request(request)]
    return words + table(("request (examples)", "method", "decision", "seconds", "why"), rows)


def _request(request: dict[str, Any]) -> Iterator[list[str]]:
    asked = f"{request['request']} ({request['examples']})"
    if "error" in request:
        yield [asked, "whole run", "**error**", "", request["error"]]
        return
    for attempt in request["attempts"]:
        seconds = f"{attempt.get('seconds', 0):.0f}"
        yield [asked, attempt["method"], attempt["decision"], seconds, _why(attempt)]
    end = f"**{request['decision']}, {request['assurance']}**"
    yield ["", "whole run", end, f"{request['wall_seconds']:.0f}", ""]


def _why(attempt: dict[str, Any]) -> str:
    """Give the reasons of all gates that did not pass, or the forgetting gate's."""
    verdicts = attempt["verdicts"]
    reasons = [v["reason"] for v in verdicts if v["outcome"] != "PASSED"]
    forgetting = next((v["reason"] for v in verdicts if v["gate"] == "forgetting"), "-")
    return "; ".join(reasons) or forgetting
