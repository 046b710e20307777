"""MLflow's view of a run: for a reviewer to read; the log is the truth."""

from __future__ import annotations

from typing import Any

from systems.data import loading
from systems.registry import tracking
from systems.registry.tracking import DatasetUse
from tasks.running.run import Run
from tasks.unlearn import Attempt, attempts_done
from unlearning.domain import TRAIN


def start_tracking(run: Run) -> dict[str, Any]:
    """Open the run of the requests in MLflow, with the data that it reads."""
    return run.once("tracked", lambda: _start(run))


def _start(run: Run) -> dict[str, Any]:
    mlruns, begun = run.at.ws.mlruns, run.done("begun") or {}
    extracted = run.done("extracted") or {}
    tags = {
        "lethe.run": run.ref,
        "lethe.requests": " ".join(run.requests),
        "lethe.policy": begun["policy"],
        "lethe.parent": str(begun["parent"]),
        "lethe.data_version": extracted["data_version"],
    }
    mlflow_run = tracking.start_run(mlruns, f"forget {run.ref}", key=run.ref, tags=tags)
    uses = [
        DatasetUse(
            "training set",
            extracted["data_version"],
            loading.counts(run.at.ws)[TRAIN],
            "training",
        ),
        DatasetUse("forget set", extracted["commitment"], extracted[TRAIN], "forget"),
    ]
    tracking.log(mlruns, mlflow_run, datasets=uses, params={"method": begun["method"] or "ladder"})
    return {"mlflow_run": mlflow_run}


def trace_attempt(run: Run, attempt: Attempt) -> dict[str, Any]:
    """Log one attempt as a child run: settings, loss by epoch, measurements, verdicts."""
    return run.once(f"traced-{attempt.number}", lambda: _trace_attempt(run, attempt))


def _trace_attempt(run: Run, attempt: Attempt) -> dict[str, Any]:
    mlruns, record = run.at.ws.mlruns, attempts_done(run)[attempt.number]
    child = tracking.start_run(
        mlruns,
        f"attempt {attempt.number + 1}: {attempt.method}",
        key=f"{run.ref}/{attempt.number}",
        tags={"lethe.run": run.ref, "lethe.verdict": record["decision"]},
        parent=_parent(run),
    )
    tracking.log(
        mlruns,
        child,
        params={"method": record["method"], "seed": record["seed"], **record["settings"]},
        metrics=_numbers(record),
        history={"loss": list(enumerate(record.get("losses", []), 1))},
        tags={f"lethe.gate.{v['gate']}": v["outcome"] for v in record["verdicts"]},
    )
    tracking.finish(mlruns, child)
    return {"mlflow_run": child}


def _parent(run: Run) -> str:
    return str((run.done("tracked") or {})["mlflow_run"])


def _numbers(record: dict[str, Any]) -> dict[str, float]:
    """Give the measurements under names that MLflow accepts, those that are numbers."""
    found: dict[str, float] = {}
    for row in record.get("measurements", []):
        name = row["name"].replace("@", "_at_")
        values = {name: row["value"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
        found |= {key: value for key, value in values.items() if value is not None}
    return {**found, **record.get("report", {}), "seconds": record.get("seconds", 0.0)}


def trace_run(run: Run) -> dict[str, Any]:
    """Attach the sealed evidence and the report, and close the run in MLflow."""
    return run.once("traced", lambda: _trace_run(run))


def _trace_run(run: Run) -> dict[str, Any]:
    mlruns, decided = run.at.ws.mlruns, run.done("decided") or {}
    records = attempts_done(run)
    tracking.log(
        mlruns,
        _parent(run),
        metrics=_numbers(records[-1]) if records else {},
        artifacts=[run.bundle],
        tags={"lethe.verdict": decided["decision"], "lethe.assurance": decided["assurance"]},
    )
    tracking.finish(mlruns, _parent(run))
    return {"mlflow_run": _parent(run)}
