"""How the command line speaks: answers as text, and the exit code that they end with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unlearning.counting import numbered

CODES = {"released": 0, "purge": 0, "refused": 10, "inconclusive": 11, "awaiting_approval": 13}
"""Exit code by decision."""


def decision_code(found: Mapping[str, Any]) -> int:
    """Give the exit code that a decision ends with."""
    return CODES[found["decision"]]


def verified_code(found: Mapping[str, Any]) -> int:
    """Give 30 for what was altered, 11 for a retraining that could not be told to be the same."""
    if not found["ok"]:
        return 30
    again = found.get("replay")
    return 0 if again is None or again["outcome"] == "reproduced" else 11


def denied(found: Mapping[str, Any]) -> int:
    """Give 12 for a request that was denied."""
    return 12 if found["state"] == "denied" else 0


def attempt_lines(attempts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say of each attempt what was decided, and what the gates that did not pass it said."""
    lines = []
    for attempt in attempts:
        lines.append(f"{attempt['method']:<9} {attempt['decision']}")
        failed = [v for v in attempt["verdicts"] if v["outcome"] != "PASSED"]
        lines += [f"  {v['gate']}: {v['outcome']}: {v['reason']}" for v in failed]
        effect = attempt.get("effect", {"kind": "changed"})
        lines += [] if effect["kind"] == "changed" else [f"  {effect['kind']}: {effect['words']}"]
    return lines


def not_tried_lines(rungs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say of each rung that was left out why."""
    return [f"{rung['method']:<9} not tried\n  {rung['why']}" for rung in rungs]


LINES: dict[str, Callable[..., list[str]]] = {
    "attempts": attempt_lines,
    "not_tried": not_tried_lines,
    "notes": list,
}
"""What is said in lines of its own, by key."""


def show(found: Mapping[str, Any]) -> None:
    """Print an answer for people: tables for lists of records, lines for the rest."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for key, value in found.items():
        if key in LINES:
            for line in LINES[key](value):
                console.print(line, markup=False)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            if _too_wide(value, console.width):
                console.print("\n".join(_blocks(key, value)), markup=False)
            else:
                console.print(_table(key, value))
        else:
            console.print(f"{key.replace('_', ' ')}: {_text(value)}", markup=False)


WIDE, LONG = 24, 200
"""Characters of a column that is wide, and of one that no table holds."""


def _too_wide(rows: Sequence[Mapping[str, Any]], width: int) -> bool:
    """Whether a table of these would be squeezed into columns that nobody can read."""
    widths = [max(len(_cell(row.get(column, ""))) for row in rows) for column in _columns(rows)]
    several = sum(one > WIDE for one in widths) > 2
    return sum(widths) > width and (several or max(widths) > LONG)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _blocks(title: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write records one below the other, a line for each of their values."""
    lines = [title.replace("_", " ")]
    for row in rows:
        told = {key.replace("_", " "): _cell(value) for key, value in row.items()}
        longest = max(map(len, told), default=0)
        lines += [f"  {key:<{longest}}  {text}" for key, text in told.items() if text]
        lines += [""] if row is not rows[-1] else []
    return lines


def _table(title: str, rows: list[Mapping[str, Any]]) -> Any:
    import rich.box
    from rich.markup import escape
    from rich.table import Table

    columns = _columns(rows)
    table = Table(title=title.replace("_", " "), title_justify="left", title_style="bold")
    table.padding = (0, 1, 0, 0)
    table.box, table.show_edge, table.pad_edge = rich.box.SIMPLE_HEAD, False, False  # 80 are few
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(row.get(column, ""))) for column in columns))
    return table


_MOMENT = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(\.\d+)?(\+00:00|Z)")
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def _cell(value: Any) -> str:
    """Write a value among others: a moment to the minute in UTC, of a digest its beginning."""
    return _DIGEST.sub(r"\1", _MOMENT.sub(r"\1 \2", _text(value)))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_text(item) for item in value) or "none"
    return str(value)


def audit_tables(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give an audit for people: one table of what was measured, one of what was not."""
    measured = [
        {
            "audit": row["audit"],
            "measurement": m["name"],
            "value": m["value"],
            "95 % interval": _range(m["low"], m["high"]),
            "n": m["n"],
            "retrained models": _range(m["reference_low"], m["reference_high"]),
            "lies": m["inside"],
        }
        for row in found["audits"]
        for m in row["measurements"]
    ]
    missing = [
        {"audit": row["audit"], "why": row["not_measured"]}
        for row in found["audits"]
        if row["not_measured"]
    ]
    facts = {key: value for key, value in found.items() if key not in ("audits", "type")}
    return {**facts, "measured": measured, "not_measured": missing}


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "not known"
    ends = ("no limit" if end is None else f"{end:.3g}" for end in (low, high))
    return " to ".join(ends)


def copies_counted(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give an answer with its copies for people: those that are gone are counted by place."""
    gone: dict[str, int] = {}
    for row in found["copies"]:
        if row["status"] == "removed":
            gone[row["where"]] = gone.get(row["where"], 0) + 1
    rows = [
        {"status": "removed", "what": numbered(count, "copy", "copies"), "where": where}
        for where, count in gone.items()
    ]
    left = [row for row in found["copies"] if row["status"] != "removed"]
    return {**found, "copies": [*rows, *left]}


def without_notes(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give an answer for people whose notes were said on standard error as they came up."""
    return {key: value for key, value in found.items() if key != "notes"}


def run_told(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give a run for people; what is asked and who stays is said on standard error already."""
    told = {**copies_counted(found), "drift": (found.get("drift") or {}).get("words")}
    return {key: value for key, value in told.items() if key not in ("approval", "left")}


def request_tables(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give a list of requests for people: a table that fits 80 columns, and what to know besides.

    `lethe show` tells the rest of each.
    """
    rows = found["requests"]
    table = [
        {
            "request": row["request"],
            "state": row["state"].replace("_", " "),
            "due": row["due_at"][:10],
            "days": row["days_left"],
            "law": row["jurisdiction"],
            "examples": row["examples"],
        }
        for row in rows
    ]
    return {"requests": table, "notes": list(filter(None, map(_note, rows)))}


def _note(row: Mapping[str, Any]) -> str:
    said = [row[key] for key in ("reason", "waits_for") if row.get(key)]
    return f"{row['request']}: {'; '.join(said)}" if said else ""


def plan_tables(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give a plan for people: the ladder as a table of words."""
    rows = [
        {
            "method": row["method"],
            "passes": f"{row['passes']:,}",
            "seconds": row["estimated_seconds"],
            "chance of release": _chance(row["chance"], row["at_most"]),
            "assurance": row["assurance"],
            "not tried": row.get("skipped", ""),
        }
        for row in found["ladder"]
    ]
    start, waits = found["cheapest_start"], found["collecting"]
    told = {
        "ladder": rows,
        "cheapest_start": start and f"{start['method']}: {start['why']}",
        "collecting": waits and waits["words"],
        **{key: say(found[key]) for key, say in SENTENCES.items() if found.get(key)},
    }
    return {key: told.get(key, value) for key, value in found.items()}


def _examples(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in parts.items())


def _near_duplicates(found: Mapping[str, Any]) -> str:
    looks = "example that stays looks" if found["count"] == 1 else "examples that stay look"
    return f"{found['count']:,} {looks} like one to be forgotten"


def _error(found: Mapping[str, Any]) -> str:
    spent = f"{found['words']}, {found['spent']:.2%} is spent"
    each = found["each"]
    return spent if each is None else f"{spent}; each approximate rung gets {each:.2%}"


def _power(found: Mapping[str, Any]) -> str:
    """Say how often a perfect retrain would pass, what the champion shows, what would be enough."""
    measured = "is" if found["champion_measured"] else "is taken to be"
    champion = f"the champion's attack AUC {measured} {found['champion_auc']:.3f}"
    draws, needed = found["draws"], found.get("examples_needed")
    simulated = (
        f"of {draws:,} simulated retrains {found['passed']:.0%} would pass ({_share(found)}) and "
        f"{found['failed']:.0%} would be refused"
        if draws
        else "a perfect retrain cannot pass here, so none was simulated"
    )
    enough = "" if needed is None else f"; {needed:,} examples would be enough to decide"
    return f"{simulated}; {champion}{enough}"


def _references(found: Sequence[Mapping[str, Any]]) -> str:
    """Say which models are trained to compare with, before anybody is judged."""
    each = (
        f"{row['models']} {row['what']}"
        + ("" if row["estimated_seconds"] is None else f", about {row['estimated_seconds']:,} s")
        for row in found
    )
    return f"trained without these examples to compare with: {'; '.join(each)}"


def _adopted(found: Mapping[str, Any]) -> str:
    return f"{found['sha256'][:12]}, {'in force' if found['in_force'] else 'not in force'}"


SENTENCES: dict[str, Callable[[Any], str]] = {
    "examples": _examples,
    "near_duplicates": _near_duplicates,
    "drift": lambda found: str(found["words"]),
    "error": _error,
    "power": _power,
    "references": _references,
    "policy": _adopted,
    "params": _adopted,
}
"""How a part of a plan is said to people; `--json` has its numbers."""


def _chance(chance: Mapping[str, Any] | None, most: Mapping[str, Any] | None) -> str:
    if chance is None:
        return "unknown" if most is None else f"unknown, at most {most['high']:.0%}"
    return f"{chance['value']:.0%} ({_share(chance)}, {chance['n']} {chance['of']})"


def _share(chance: Mapping[str, Any]) -> str:
    return f"{chance['low']:.0%} to {chance['high']:.0%}"
