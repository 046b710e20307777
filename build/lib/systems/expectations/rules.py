"""What can be asked of a table, as plain values; Great Expectations is not needed to write it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from sys import float_info
from typing import Any

NO_LIMIT = (float("-inf"), float("inf"))
LARGEST = float_info.max


@dataclass(frozen=True)
class Rule:
    """One expectation: in words, by Great Expectations' class name, and with its settings."""

    words: str
    kind: str
    settings: Mapping[str, Any]


def finite(number: float) -> float | None:
    """Write what is no finite number as missing, which no limit lets through."""
    return number if isfinite(number) else None


def table_rules(names: Sequence[str]) -> list[Rule]:
    """Hold a table to having rows, these columns, and no missing value in them."""
    return [some_rows(), columns(names), *map(not_null, names)]


def row_count(n: int) -> Rule:
    """Ask for exactly `n` rows."""
    return Rule(f"the table has exactly {n} row", "ExpectTableRowCountToEqual", {"value": n})


def some_rows() -> Rule:
    """Ask for at least one row."""
    words = "the table is not empty"
    return Rule(words, "ExpectTableRowCountToBeBetween", {"min_value": 1})


def columns(names: Sequence[str]) -> Rule:
    """Ask for at least these columns."""
    words = f"the table has the columns {', '.join(names)}"
    settings = {"column_set": list(names), "exact_match": False}
    return Rule(words, "ExpectTableColumnsToMatchSet", settings)


def not_null(column: str) -> Rule:
    """Ask that no value is missing."""
    words = f"{column} is never missing"
    return Rule(words, "ExpectColumnValuesToNotBeNull", {"column": column})


def unique(column: str) -> Rule:
    """Ask that no value is there twice."""
    return Rule(f"no {column} is twice", "ExpectColumnValuesToBeUnique", {"column": column})


def one_of(column: str, values: Collection[str]) -> Rule:
    """Ask for one of these values."""
    words = f"{column} is one of {', '.join(values)}"
    settings = {"column": column, "value_set": list(values)}
    return Rule(words, "ExpectColumnValuesToBeInSet", settings)


def between(column: str, low: float, high: float) -> Rule:
    """Bound every value; where a limit is infinite, that side is free."""
    return _bounded("ExpectColumnValuesToBeBetween", column, low, high)


def seen(column: str, low: float, high: float) -> Rule:
    """Bound the one value of a column by a kind that shows it beside the limit."""
    return _bounded("ExpectColumnMaxToBeBetween", column, low, high)


def _bounded(kind: str, column: str, low: float, high: float) -> Rule:
    """A limit that is no number is one that nothing meets; Great Expectations would drop it."""
    ends: list[str] = []
    settings: dict[str, Any] = {"column": column}
    if low != NO_LIMIT[0]:
        ends.append(f"at least {low:g}")
        settings["min_value"] = LARGEST if isnan(low) else low
    if high != NO_LIMIT[1]:
        ends.append(f"at most {high:g}")
        settings["max_value"] = -LARGEST if isnan(high) else high
    return Rule(f"{column} is {' and '.join(ends)}", kind, settings)


def within(name: str, limit: tuple[float, float], *, touching: bool) -> list[Rule]:
    """Bound the interval's ends: the whole of it, or only the end that is nearer to the limit."""
    low, high = limit
    near, far = (".high", ".low") if touching else (".low", ".high")
    none_below, none_above = NO_LIMIT
    lower = [] if low == none_below else [seen(f"{name}{near}", low, none_above)]
    upper = [] if high == none_above else [seen(f"{name}{far}", none_below, high)]
    return lower + upper
