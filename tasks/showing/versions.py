"""What is told of the model's versions: which serves, what each assures, what taints it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ledger.replay.lineage import Release, marked, marks, releases, taints
from systems.registry import models, views
from systems.registry.tracking import experiment
from systems.report.notes import Named, Standing, model_note, version_note
from tasks.running.opened import Opened


def describe_versions(at: Opened) -> None:
    """Let MLflow's registry say of each version what the log says; said again, it is the same."""
    made = releases(at.ledger.log.entries())
    pages = _Pages(at)
    known = {number: _standing(at, number, made, pages) for number in {r.version for r in made}}
    notes = {number: version_note(one) for number, one in known.items()}
    serving = known[made[-1].version] if made else None
    models.describe(at.ws.mlruns, at.params.model.name, notes, model_note(serving))


class _Pages:
    """Where MLflow shows versions and runs."""

    def __init__(self, at: Opened) -> None:
        self.at, self.experiment = at, experiment(at.ws.mlruns)

    def version(self, number: int) -> Named:
        page = views.page_of_version(self.at.params.model.name, number)
        return Named(f"version {number}", page)

    def run(self, ref: str) -> Named:
        tracked = _body(self.at, f"{ref}/tracked").get("mlflow_run")
        page = tracked and views.page_of_run(self.experiment, str(tracked))
        return Named(ref, page)


def _body(at: Opened, key: str) -> dict[str, Any]:
    entry = at.ledger.log.find(key)
    return {} if entry is None else dict(entry.body)


def _standing(at: Opened, number: int, made: Sequence[Release], pages: _Pages) -> Standing:
    own = next(r for r in made if r.version == number)
    last = max(place for place, r in enumerate(made) if r.version == number)
    after = made[last + 1] if last + 1 < len(made) else None
    decided = _body(at, f"{own.run}/decided")
    return Standing(
        version=pages.version(number),
        since=made[last].at,
        until=after.at if after else None,
        run=None if own.run is None else pages.run(own.run),
        requests=len(own.requests),
        method=decided.get("method"),
        assurance=decided.get("assurance"),
        parent=None if own.parent is None else pages.version(own.parent),
        by=None if after is None else pages.version(after.version),
        tainted=_tainted(at, number, made),
        digests=_digests(at, own),
    )


def _tainted(at: Opened, number: int, made: Sequence[Release]) -> list[tuple[datetime, str]]:
    known = marks(at.ledger.log.entries())
    found = [(release.at, str(release.run)) for release in taints(number, made)]
    by = marked(number, made, known)
    if by is not None:
        found.append((datetime.fromisoformat(known[by].at), "a person's word"))
    return sorted(found)


def _digests(at: Opened, own: Release) -> dict[str, str]:
    extracted, begun = _body(at, f"{own.run}/extracted"), _body(at, f"{own.run}/begun")
    first = _body(at, "initialised") if own.run is None else {}
    found = {
        "weights (SHA-256)": own.sha256,
        "data version": extracted.get("data_version", first.get("data_version")),
        "policy (SHA-256)": begun.get("policy"),
        "evidence (SHA-256)": _body(at, f"{own.run}/sealed").get("statement"),
    }
    return {name: str(value) for name, value in found.items() if value}
