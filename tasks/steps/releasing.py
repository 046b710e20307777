"""Release: the judged bytes become the champion, if their parent still is."""

from __future__ import annotations

from typing import Any

from ledger.requests import State
from tasks import models
from tasks.steps.evidence import candidate_of
from tasks.steps.running import Run
from unlearning.errors import IntegrityError


def promote(run: Run) -> dict[str, Any]:
    """Register the released candidate and let it serve, by compare-and-set on its parent."""
    run.move(State.PROMOTING)
    return run.once("promoted", lambda: _promote(run))


def _promote(run: Run) -> dict[str, Any]:
    mlruns, name = run.at.ws.mlruns, run.at.params.model.name
    begun, sealed = run.done("begun") or {}, run.done("sealed") or {}
    weights, recipe = candidate_of(run)
    tags = {
        "lethe.run": run.ref,
        "lethe.parent": str(begun["parent"]),
        "lethe.policy": str(begun["policy"]),
        "lethe.data_version": str((run.done("extracted") or {})["data_version"]),
        "lethe.verdict": "released",
        "lethe.evidence": str(sealed["statement"]),
    }
    new = models.register(mlruns, name, weights, recipe, tags, _tracked(run))
    models.nominate(mlruns, name, new.version)
    models.promote(mlruns, name, new.version, expected_parent=begun["parent"])
    return {"version": new.version, "sha256": new.sha256, "parent": begun["parent"]}


def _tracked(run: Run) -> str | None:
    body = run.done("tracked")
    return None if body is None else str(body["mlflow_run"])


def require_sealed_champion(run: Run) -> None:
    """Refuse to build on a champion that no sealed decision and no first entry vouches for (I1)."""
    begun = run.done("begun") or {}
    vouched = {
        entry.body.get("sha256")
        for entry in run.at.ledger.log.entries()
        if entry.key.endswith("/promoted") or entry.event == "initialised"
    }
    if begun["parent_sha256"] not in vouched:
        raise IntegrityError(
            f"champion, version {begun['parent']}: the log knows no release of its bytes; "
            "expected a version that Lethe promoted; see `lethe list versions`"
        )
