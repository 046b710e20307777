"""Great Expectations: what the data and the measurements must be, in words a reviewer can read.

It fails open: a missing number lies "between" any two limits, and an empty table meets every
expectation about its rows. So each table is first held to its row count, its columns and to having
no missing value, and what is no finite number is written as missing.

Tables hold codes and counts where the checks would need identities: what they show goes into pages
that people keep.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from systems.expectations.rules import (
    NO_LIMIT,
    between,
    columns,
    finite,
    not_null,
    one_of,
    row_count,
    seen,
    table_rules,
    unique,
    within,
)
from systems.expectations.suites import Checked, run_suite
from unlearning.domain import SPLITS, TRAIN, Measurement
from unlearning.errors import UsageError

__all__ = ["Checked", "check_erased", "check_forget_set", "check_manifest", "check_measurements"]

COLUMNS = ("label", "example_id", "subject_id", "split")


def check_manifest(table: Any, *, classes: int, docs_folder: Path | None = None) -> Checked:
    """Check the image table, images left out: ids, labels, splits, and no subject in two splits.

    table: pandas or pyarrow, with the columns label, example_id, subject_id, split.
    """
    frame = _frame(table)
    rules = [*table_rules(COLUMNS), between("label", 0, classes - 1), one_of("split", SPLITS)]
    rules.append(unique("example_id"))
    if not set(COLUMNS) - set(frame.columns):
        frame = frame.assign(
            example_id=_codes(frame, "example_id"),
            subject_id=_codes(frame, "subject_id"),
            splits_of_subject=frame.groupby("subject_id")["split"].transform("nunique"),
        )
        rules += [not_null("splits_of_subject"), between("splits_of_subject", 1, 1)]
    return run_suite("manifest", frame, rules, docs_folder)


def check_forget_set(
    ids: Sequence[str],
    manifest: Any,
    *,
    splits: Collection[str] = (TRAIN,),
    docs_folder: Path | None = None,
) -> Checked:
    """Check that a forget set is not empty, has no id twice, and is all in `splits`."""
    import pandas as pd

    known = _frame(manifest).drop_duplicates("example_id").set_index("example_id")["split"]
    wanted = pd.Series(list(ids), dtype=object)
    frame = pd.DataFrame({"split": wanted.map(known), "example": wanted.factorize()[0]})
    rules = [*table_rules(("example", "split")), unique("example"), one_of("split", splits)]
    return run_suite("forget set", frame, rules, docs_folder)


def check_erased(
    manifest: Any, forgotten: Collection[str], *, docs_folder: Path | None = None
) -> Checked:
    """Check that no forgotten example id remains among at least one example that does."""
    ids = _frame(manifest)["example_id"]
    rules = [*table_rules(("forgotten",)), between("forgotten", 0, 0)]
    frame = ids.isin(list(forgotten)).astype(int).to_frame("forgotten")
    return run_suite("no forgotten id remains", frame, rules, docs_folder)


def check_measurements(
    measurements: Sequence[Measurement],
    limits: Mapping[str, tuple[float, float]],
    required: Collection[str],
    docs_folder: Path | None = None,
    *,
    tolerated: Collection[str] = (),
) -> Checked:
    """Check that every required measurement is there, with its interval inside its limits.

    limits: per measurement, (low, high); infinite means none on that side. tolerated: measurements
    that need only not lie wholly outside, as forgetting for a model retrained without the set.
    """
    names = sorted({*required, *limits})
    rules = [row_count(1), columns([part for name in names for part in _parts(name)])]
    present = {measurement.name for measurement in measurements}
    for name in [name for name in names if name in present]:
        rules += [*map(not_null, _parts(name)), seen(f"{name}.n", 1, float("inf"))]
        rules += within(name, limits.get(name, NO_LIMIT), touching=name in tolerated)
    return run_suite("measurements", _one_row(measurements), rules, docs_folder)


def _parts(name: str) -> tuple[str, str, str, str]:
    return name, f"{name}.low", f"{name}.high", f"{name}.n"


def _one_row(measurements: Sequence[Measurement]) -> Any:
    import pandas as pd

    row: dict[str, float | None] = {}
    for m in measurements:
        if m.name in row:
            raise UsageError(f"measurement {m.name}: got it twice, expected one of each name")
        numbers = (m.value, m.low, m.high, float(m.n))
        row |= dict(zip(_parts(m.name), map(finite, numbers), strict=True))
    return pd.DataFrame([row], index=[0], dtype=float)


def _frame(table: Any) -> Any:
    frame = table.to_pandas() if hasattr(table, "to_pandas") else table
    return frame.drop(columns=["image"], errors="ignore")


def _codes(frame: Any, column: str) -> Any:
    """Number the values, missing ones staying missing: the pages must not show identities."""
    return frame[column].astype("category").cat.codes.replace(-1, None)
