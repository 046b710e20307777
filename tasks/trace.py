"""MLflow's view of a run: for a reviewer to read; the log is the truth."""

from __future__ import annotations

from typing import Any

from systems.data import loading
from systems.registry import tracking
from systems.registry.logged import DatasetUse
from systems.registry.views import NOTE
from tasks.running.methods import method_of
from tasks.running.run import Run
from tasks.showing.figures import attempt_tables, compared, verdicts
from tasks.showing.runs import note_of_attempt, note_of_run
from tasks.showing.versions import describe_versions
from tasks.unlearn import Attempt, attempts_done
from unlearning.domain import TRAIN


def start_tracking(run: Run) -> dict[str, Any]:
    """Open the run of the requests in MLflow, with the data that it reads."""
    done = run.once("tracked", lambda: _start(run))
    show_run(run)
    return done


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
    mlflow_run = tracking.start_run(mlruns, run.ref, key=run.ref, tags=tags)
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
    done = run.once(f"traced-{attempt.number}", lambda: _trace_attempt(run, attempt))
    note = {NOTE: note_of_attempt(run, attempt.number)}
    tracking.log(run.at.ws.mlruns, done["mlflow_run"], tags=note)
    show_run(run)
    return done


def _trace_attempt(run: Run, attempt: Attempt) -> dict[str, Any]:
    mlruns, record = run.at.ws.mlruns, attempts_done(run)[attempt.number]
    child = tracking.start_run(
        mlruns,
        f"attempt {attempt.label}",
        key=f"{run.ref}/{attempt.number}",
        tags={"lethe.run": run.ref, "lethe.verdict": record["decision"]},
        parent=_parent(run),
    )
    tracking.log(
        mlruns,
        child,
        params={"method": record["method"], "seed": record["seed"], **record["settings"]},
        metrics={**compared(record), **_passes(run, attempt)},
        history={"loss": list(enumerate(record.get("losses", []), 1))},
        tables=attempt_tables(run, record),
        tags={f"lethe.gate.{v['gate']}": v["outcome"] for v in record["verdicts"]},
    )
    tracking.finish(mlruns, child)
    return {"mlflow_run": child}


def _passes(run: Run, attempt: Attempt) -> dict[str, float]:
    """Give how many examples the method passes by its settings, as `plan` counts them."""
    method = method_of(run.at, attempt.method, attempt.settings)
    forget = int((run.done("extracted") or {})[TRAIN])
    retain = loading.counts(run.at.ws)[TRAIN] - forget
    return {"passes": float(method.passes(forget, retain))}


def _parent(run: Run) -> str:
    return str((run.done("tracked") or {})["mlflow_run"])


def trace_run(run: Run) -> dict[str, Any]:
    """Attach the sealed evidence and the report, and close the run in MLflow."""
    done = run.once("traced", lambda: _trace_run(run))
    show_run(run)
    return done


def _trace_run(run: Run) -> dict[str, Any]:
    mlruns, decided = run.at.ws.mlruns, run.done("decided") or {}
    records = attempts_done(run)
    tracking.log(
        mlruns,
        _parent(run),
        metrics=compared(records[-1]) if records else {},
        artifacts=[run.bundle],
        tables=[verdicts(records)] if records else [],
        tags={"lethe.verdict": decided["decision"], "lethe.assurance": decided["assurance"]},
    )
    tracking.finish(mlruns, _parent(run))
    return {"mlflow_run": _parent(run)}


def show_run(run: Run) -> None:
    """Let MLflow describe a run as far as it has come."""
    tracking.log(run.at.ws.mlruns, _parent(run), tags={NOTE: note_of_run(run)})


def show_release(run: Run) -> None:
    """Let MLflow say what serves now: in the run's description, and on every version."""
    show_run(run)
    describe_versions(run.at)
