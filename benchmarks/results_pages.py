"""The README's tables, written from benchmarks/results: `python -m benchmarks.readme`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import RESULTS
from unlearning.methods import METHODS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- results -->\n", "<!-- /results -->\n"
RATES = ("FA", "RA", "TA")
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


def operating(name: str) -> str:
    """Write what the gates said of planted candidates, and what is demanded of them."""
    result = load(name)
    settings, rows = result["settings"], result["rows"]
    words = (
        f"**{settings['data']}**: {settings['recipe']['network']}, {settings['train']:,} training, "
        f"{settings['holdout']:,} holdout and {settings['test']:,} test examples, "
        f"{settings['shadows']} shadows, up to {settings['seeds']} seeds with a champion each. All "
        "are judged as made elsewhere: none counts as exact. In brackets 95 % intervals.\n\n"
    )
    usual = "the usual gate"
    demands = [
        [d["demand"], d["n"], _share(d["found"]), _share(d["usual gate"]), _met(d)]
        for d in rows["demands"]
    ]
    said = [
        [row["candidate"], row["is a"], row["n"], *map(_share, _decided(row))]
        for row in rows["candidates"]
    ]
    header = ("candidate", "is", "n", "released", "refused", "inconclusive", f"{usual} releases")
    return (
        words
        + table(("demand", "n", "found", f"by {usual}", ""), demands)
        + "\nEach candidate, on all requests for which the policy has limits:\n\n"
        + table(header, said)
        + f"\nEach request: [benchmarks/results/{name}.md](benchmarks/results/{name}.md).\n"
    )


def _decided(row: dict[str, Any]) -> list[Any]:
    said = ("released", "refused", "inconclusive", "released by the usual gate")
    return [row[name] for name in said]


def _share(found: list[float] | None) -> str:
    return "-" if found is None else "{:.1%} ({:.1%} to {:.1%})".format(*found)


def _met(demand: dict[str, Any]) -> str:
    return "met" if demand["met"] else "**not met**"


def whole(name: str) -> str:
    """Write what became of whole runs."""
    result = load(name)
    first, *requests = result["rows"]
    parts = first["examples"]
    words = (
        f"**{name.removeprefix('whole-')}**: {parts['train']:,} training, "
        f"{parts['holdout']:,} holdout, {parts['test']:,} test examples of "
        f"{first['subjects']:,} people; champion's test "
        f"accuracy {first['test_accuracy']:.1%}; `init` with {first['bank']['shadows']} shadows "
        f"took {first['wall_seconds']:.0f} s.\n\n"
    )
    rows = []
    for request in requests:
        if "error" in request:
            asked = f"{request['request']} ({request['examples']})"
            rows.append([asked, "whole run", "**error**", "", request["error"]])
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


def compared(name: str) -> str:
    """Write how methods came out beside retraining, a table for each task."""
    result = load(name)
    settings, rows = result["settings"], result["rows"]["table"]
    parts = []
    for task in dict.fromkeys(row["task"] for row in rows):
        of = [row for row in rows if row["task"] == task]
        sizes = np.unique(settings["forgotten"][task])  # one number, or one for each seed
        forgotten = " or ".join(f"{size:,}" for size in sizes)
        words = (
            f"**{settings['data']}, {task}**: {forgotten} of {settings['train']:,} "
            f"examples forgotten, {settings['recipe']['network']}, {settings['seeds']} seeds with "
            "an original each; mean, and deviation over the seeds, in per cent.\n\n"
        )
        rates = [name for name in COMPARED if any(name in row for row in of)]
        header = ("", *rates, "D_KL", "attack AUC (calibrated)", "seconds", "passes, of retraining")
        parts.append(words + table(header, [_compared(row, rates) for row in of]))
    where = f"All columns: [benchmarks/results/{name}.md](benchmarks/results/{name}.md).\n"
    return "\n".join([*parts, where])


COMPARED = ("FA", "RA", "TA", "forget_valid", "average gap")


def _compared(row: dict[str, Any], rates: Sequence[str]) -> list[str]:
    def spread(key: str, scale: float, digits: int) -> str:
        found = row.get(key)
        if not found or found["mean"] is None:
            return ""
        mean, sd = found["mean"] * scale, (found["sd"] or 0) * scale
        return f"{mean:.{digits}f} ± {sd:.{digits}f}" if row["n"] > 1 else f"{mean:.{digits}f}"

    shown = [spread(key, 100, 1) for key in rates]
    seconds = f"{row['seconds']['mean']:.0f}" if "seconds" in row else ""
    ratio = "of retraining, passes"
    passes = f"{row[ratio]['mean']:.2f}" if ratio in row else ""
    attack = spread("forget_auc", 1, 3)
    return [row["row"], *shown, spread("D_KL", 1, 2), attack, seconds, passes]


def style(name: str) -> str:
    """Write what forgetting a style left, by accuracy and by probes at three depths."""
    result = load(name)
    settings = result["settings"]
    names = ("forgotten style", "other styles", "probe, early", "probe", "probe, outputs")
    rows = [
        [row["row"], row["n"], *(_mean(row, name) for name in (*names, "style distance"))]
        for row in result["rows"]["table"]
    ]
    words = (
        f"**{settings['data']}**: one of 8 styles forgotten by {settings['recipe']['network']}, "
        f"{settings['train']:,} training and {settings['test']:,} test images, "
        f"{len(settings['forgotten'])} seeds with a style each; mean ± deviation. Accuracy of the "
        "digits on test images of either kind. A probe is the AUC of a logistic regression that "
        "tells the forgotten style from the others by the mean channels after the second "
        "convolution (early), by the penultimate features, or by the outputs; the aim is the "
        "retrained model's, not a half. The style distance is what FAMR's style loss lowers.\n\n"
    )
    header = ("", "n", *names, "style distance")
    return words + table(header, rows)


def _mean(row: dict[str, Any], name: str) -> str:
    found = row.get(name)
    return f"{found['mean']:.3f} ± {found['sd']:.3f}" if found else ""


def transformer(name: str) -> str:
    """Write how FAMR came out on a vision transformer, in the columns of its paper's tables."""
    result = load(name)
    asked, parts = result["settings"], []
    for task, found in result["rows"].items():
        columns = [key for key in PAPER if key in found["table"][0]]
        rows = [[row["row"], *(_paper(row[key], key) for key in columns)] for row in found["table"]]
        parts.append(f"{PAPER_TASKS[task]}\n\n" + table(("", *columns), rows))
    words = (
        f"**{asked['data']}**, {asked['train']:,} training and {asked['test']:,} test images, a "
        f"timm vision transformer of four layers, {asked['seeds']} seeds; mean and 95 % interval. "
        "Ret: accuracy on test images of what stays, For: on the forget set, in per cent; CE, Ent "
        "and KL from the original on the forget set, in nats (a uniform answer has CE and Ent of "
        "2.30); probe: AUC of a linear probe for the forgotten class on the features.\n\n"
    )
    where = f"Curves and the state of its theory: `benchmarks/results/{name}.html`.\n"
    return "\n".join([words + parts[0], *parts[1:], where])


PAPER = ("Ret", "For", "CE", "Ent", "KL", "probe")
PAPER_TASKS = {"class": "A class:", "sample": "A tenth of the training examples:"}


def _paper(found: dict[str, float], column: str) -> str:
    unit, digits = (100, 1) if column in ("Ret", "For") else (1, 2)
    mean, low, high = (f"{unit * found[key]:.{digits}f}" for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def beside(name: str) -> str:
    """Write how our code compares with public code on the same weights and index sets."""
    result = load(name)
    rows = [
        [
            name,
            *(f"{row[key]['difference']:+.2f} ± {row[key]['reach']:.2f}" for key in RATES),
            f"{row['JS between sides']:.4f} / {row['JS between seeds']:.4f}",
            "{1:.2f} ({0:.2f} to {2:.2f})".format(*row["seconds, ours / public"]),
            "{1:.2f}".format(*row["seconds, ours in fp32 / public"]),
        ]
        for name, row in result["rows"].items()
    ]
    header = ("method", *(f"{key}, ours - public" for key in RATES), "JS between sides / seeds")
    asked = result["settings"]
    words = (
        f"**SFR-on's public code**, {asked['epochs']} epoch (SFR-on: {asked['steps']} steps) on "
        f"{asked['forget']} forgotten and {asked['retain']:,} other examples, {asked['seeds']} "
        "seeds. It shows that a step is the same step, not what long runs do. Differences in "
        "points with their 95 % interval; the divergence of the outputs between the two sides and "
        "between seeds of one side; our seconds as a fraction of theirs, median and range.\n\n"
    )
    more = ("seconds, ours / public", "in fp32")
    search = {row["search"]: row for row in load("beside-amun")["rows"]}["ours"]
    meter = load("beside-privacy-meter")["rows"]
    faster = [row["times_faster"]["median"] for row in meter]
    apart = max(row["largest_difference"] for row in meter)
    return (
        words + table((*header, *more), rows) + "\n**AMUN's adversarial search**: ours takes "
        f"1 / {search['times_faster_processor']['median']:.1f} of its processor time and finds "
        f"examples at {search['l2_mean_of_public']:.3f} of its mean L2 distance, changing the "
        f"answer for {search['changed_answers']:.0%} of the images.\n"
        "**Privacy Meter's RMIA**, on 10,000 examples and 64 shadows: largest difference "
        f"{apart:g}, {min(faster):.0f} to {max(faster):.0f} times faster.\n"
    )


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
    """Write all that is there, each section with the machine that it was measured on."""
    sections = (
        ("Known candidates", operating, ("gates-digits", "gates-cifar10")),
        ("Whole runs on real images", whole, ("whole-omniglot", "whole-cifar10")),
        (
            "Methods beside retraining",
            compared,
            tuple(f"methods-cifar10-{task}" for task in ("random", "class", "subclass")),
        ),
        ("FAMR on a vision transformer", transformer, ("famr-digits",)),
        ("Forgetting a style", style, ("style",)),
        ("Beside public code", beside, ("beside-sfr-on",)),
    )
    parts = []
    for title, write, names in sections:
        there = [name for name in names if (RESULTS / f"{name}.json").exists()]
        if there:
            parts += [f"### {title}\n", *map(write, there), machine(there[-1])]
    return "\n".join(parts)


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
