"""Release: the judged bytes become the champion, if their parent still is."""

from __future__ import annotations

from typing import Any

from ledger.domain import State
from ledger.replay.lineage import PROMOTED
from systems.copies import Copy, as_records
from systems.registry import models
from systems.registry.erasure import erase_version
from systems.registry.models import StaleChampion
from tasks.running.run import Run, close, give_back
from tasks.seal import candidate_of


def promote_candidate(run: Run) -> dict[str, Any]:
    """Register the released candidate and let it serve, by compare-and-set on its parent.

    If another version serves by now, the run ends without a release and the requests wait again:
    the next run begins from the present champion.
    """
    run.move(State.PROMOTING)
    try:
        return run.once(PROMOTED, lambda: _promote(run))
    except StaleChampion:
        discard_candidate(run)
        give_back(run, "the champion changed meanwhile")
        close(run)
        raise


def discard_candidate(run: Run) -> None:
    """Erase a registered candidate that will not serve: a copy that nobody would look after."""
    run.once("discarded", lambda: {"copies": as_records(_discard(run))})


def _discard(run: Run) -> list[Copy]:
    mlruns, name = run.at.ws.mlruns, run.at.params.model.name
    lost = [v for v in models.versions(mlruns, name) if v.tags.get(models.RUN) == run.ref]
    models.drop_unnamed(mlruns, name, run.ref)  # a crash came before it was a version
    return [copy for found in lost for copy in erase_version(mlruns, name, found.version)]


def _promote(run: Run) -> dict[str, Any]:
    mlruns, name = run.at.ws.mlruns, run.at.params.model.name
    begun = run.done("begun") or {}
    weights, recipe = candidate_of(run)
    tags = {
        "lethe.verdict": "released",
        "lethe.assurance": str((run.done("decided") or {})["assurance"]),
        "lethe.run": run.ref,
        "lethe.parent": str(begun["parent"]),
        "lethe.data_version": str((run.done("extracted") or {})["data_version"]),
    }
    new = models.register(mlruns, name, weights, recipe, tags, _tracked(run))
    models.nominate(mlruns, name, new.version)
    run.at.ledger.log.require_alone()
    models.promote(mlruns, name, new.version, expected_parent=begun["parent"])
    return {"version": new.version, "sha256": new.sha256, "parent": begun["parent"]}


def _tracked(run: Run) -> str | None:
    body = run.done("tracked")
    return None if body is None else str(body["mlflow_run"])
