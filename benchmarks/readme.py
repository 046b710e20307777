"""The README's tables, written from benchmarks/results: `python -m benchmarks.readme`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS
from unlearning.methods import METHODS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- results -->\n", "<!-- /results -->\n"
METHODS_BEGIN, METHODS_END = "<!-- methods -->\n", "<!-- /methods -->\n"


def load(name: str) -> dict[str, Any]:
    """Read one result."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Write a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "".join("| " + " | ".join(line) + " |\n" for line in cells)


def judging(name: str) -> str:
    """Write what the gates said of planted candidates."""
    result = load(f"judging-{name}")
    settings = result["settings"]
    rows = [
        [
            row["candidate"],
            row["n"],
            row["released"],
            row["refused"],
            row["inconclusive"],
            f"{row['forgetting PASSED']} / {row['forgetting FAILED']}",
            row["utility FAILED"],
            "{} ({} to {})".format(*(row["forget_auc min, mean, max"][i] for i in (1, 0, 2))),
        ]
        for row in result["rows"]["table"]
    ]
    header = ("candidate", "n", "released", "refused", "inconclusive")
    more = ("forgetting passed / failed", "utility failed", "attack AUC, mean (range)")
    words = (
        f"**{name}**: {settings['forgotten']} of {settings['train']:,} examples forgotten, "
        f"{settings['holdout']:,} holdout, {settings['test']:,} test, {settings['shadows']} "
        f"shadows, {settings['recipe']['network']}, {settings['seeds']} seeds (each with its own "
        "forget set, champion and retrained model). Judged as made elsewhere: none counts as "
        "exact.\n\n"
    )
    return words + table((*header, *more), rows)


def whole(name: str) -> str:
    """Write what became of whole runs."""
    result = load(f"whole-{name}")
    first, *requests = result["rows"]
    parts = first["examples"]
    words = (
        f"**{name}**: {parts['train']:,} training, {parts['holdout']:,} holdout, "
        f"{parts['test']:,} test examples of {first['subjects']:,} people; champion's test "
        f"accuracy {first['test_accuracy']:.1%}; `init` with {first['bank']['shadows']} shadows "
        f"took {first['wall_seconds']:.0f} s.\n\n"
    )
    rows = []
    for request in requests:
        if "error" in request:
            name = f"{request['request']} ({request['examples']})"
            rows.append([name, "whole run", "**error**", "", request["error"]])
            continue
        for attempt in request["attempts"]:
            reasons = [v["reason"] for v in attempt["verdicts"] if v["outcome"] != "PASSED"]
            auc = next((v["reason"] for v in attempt["verdicts"] if v["gate"] == "forgetting"), "-")
            rows.append(
                [
                    f"{request['request']} ({request['examples']})",
                    attempt["method"],
                    attempt["decision"],
                    f"{attempt.get('seconds', 0):.0f}",
                    "; ".join(reasons) or auc,
                ]
            )
        end = f"**{request['decision']}, {request['assurance']}**"
        rows.append(["", "whole run", end, f"{request['wall_seconds']:.0f}", ""])
    return words + table(("request (examples)", "method", "decision", "seconds", "why"), rows)


def methods() -> str:
    """Write what the registry of methods holds."""
    rows = []
    for name in METHODS:
        method = METHODS[name]
        what = (method.__doc__ or "").splitlines()[0].rstrip(".")
        reads = " + ".join(sorted(method.needs))
        rows.append([f"`{name}`", what, method.paper, reads, "yes" if method.exact else "no"])
    return table(("method", "what it does", "from", "reads", "exact"), rows)


def machine(name: str) -> str:
    """Say on what a result was measured."""
    result = load(name)
    on, versions = result["hardware"], result["versions"]
    packages = ", ".join(f"{key} {value}" for key, value in versions.items())
    return f"Measured on {on['cores']} cores of {on['cpu']}, no GPU; {packages}.\n"


def block() -> str:
    """Write all that is there."""
    parts = ["### Known candidates\n"]
    parts += [judging(n) for n in ("digits", "cifar10") if (RESULTS / f"judging-{n}.json").exists()]
    parts += ["### Whole runs on real images\n"]
    parts += [whole(n) for n in ("omniglot", "cifar10") if (RESULTS / f"whole-{n}.json").exists()]
    return "\n".join([*parts, machine("judging-digits")])


def main() -> None:
    """Put the tables between the README's markers."""
    text = README.read_text()
    for begin, end, content in (
        (BEGIN, END, block()),
        (METHODS_BEGIN, METHODS_END, methods()),
    ):
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = before + begin + content + end + after
    README.write_text(text)


if __name__ == "__main__":
    main()
