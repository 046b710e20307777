"""What Great Expectations is asked to find true: data before, numbers after, data after erasure."""

from __future__ import annotations

from typing import Any

from systems.data import loading
from systems.expectations.checks import (
    check_erased,
    check_forget_set,
    check_manifest,
    check_measurements,
)
from tasks.running.records import measurements_of
from tasks.running.rows import rows_of
from tasks.running.run import Run
from tasks.unlearn import attempts_done
from unlearning.domain import SPLITS
from unlearning.errors import IntegrityError
from unlearning.judging.verdicts import OVERRIDABLE, excused, gates_of, held_back


def expect_sound_data(run: Run) -> dict[str, Any]:
    """Hold the manifest and the forget set to what Great Expectations can say of them."""
    return run.once("expected-data", lambda: _expect_data(run))


def _expect_data(run: Run) -> dict[str, Any]:
    table = rows_of(run.at)
    pages = run.folder / "expectations"
    ids = [found for part in run.forget_ids().values() for found in part]
    manifest = check_manifest(
        table, classes=len(loading.classes(run.at.ws)), docs_folder=pages / "manifest"
    )
    forget = check_forget_set(ids, table, splits=SPLITS, docs_folder=pages / "forget-set")
    broken = [*manifest.failures, *forget.failures]
    if broken:
        raise IntegrityError(
            f"data version: got a table of which {len(broken)} expectations do not hold, first: "
            f"{broken[0]}; nothing was changed; restore the data and run it again"
        )
    return {"manifest": manifest.success, "forget_set": forget.success}


def expect_limits(run: Run) -> dict[str, Any]:
    """Hold the last attempt's measurements to the policy's limits in Great Expectations too."""
    return run.once("expected-limits", lambda: _expect_limits(run))


def _expect_limits(run: Run) -> dict[str, Any]:
    record = attempts_done(run)[-1]
    if "measurements" not in record:  # it diverged: there is nothing to expect of it
        return {"success": False, "failures": 1}
    measured = measurements_of(record)
    # What an exact method is excused from by lineage is not expected here either, nor what policy
    # lets persons override: their word is asked for, and nothing else may be wrong.
    said, rules = {v["gate"]: v["outcome"] for v in record["verdicts"]}, run.policy()
    override = rules.approval.refused_retrain and held_back(said, exact=record["exact"])
    gates = [
        gate
        for gate in gates_of(rules.gates)
        if not excused(gate.name, said.get(gate.name, ""), exact=record["exact"])
        and not (override and gate.name in OVERRIDABLE)
    ]
    checked = check_measurements(
        list(measured.values()),
        {name: limit for gate in gates for name, limit in gate.limits(measured).items()},
        set().union(*(gate.needs for gate in gates)),
        run.folder / "expectations" / "measurements",
    )
    return {"success": checked.success, "failures": len(checked.failures)}


def expect_erased(run: Run) -> dict[str, Any]:
    """Hold the new data version to having none of the forgotten examples, and some others."""
    return run.once("expected-erased", lambda: _expect_erased(run))


def _expect_erased(run: Run) -> dict[str, Any]:
    table = rows_of(run.at).select(["example_id"])
    checked = check_erased(table, [*filter(run.erases(), table["example_id"].to_pylist())])
    if not checked.success:
        raise IntegrityError(
            f"data version after erasure: got {len(checked.failures)} expectations that do not "
            f"hold, first: {checked.failures[0]}; expected none of the forgotten examples; the "
            "requests stay open: see `lethe doctor`, and run it again"
        )
    return {"success": checked.success}
