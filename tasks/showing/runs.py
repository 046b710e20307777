"""What is told of a run and its attempts: from the journal, which is the log, and the records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.replay.lineage import PROMOTED
from systems.registry import views
from systems.registry.tracking import experiment
from systems.report.notes import Named, Told, Tried, attempt_note, run_note
from tasks.approval.words import WAITS
from tasks.running.run import Run, left_out
from tasks.showing.figures import verdicts_of
from tasks.unlearn import attempts_done
from unlearning.domain import SPLITS


def note_of_run(run: Run, *, linked: bool = True) -> str:
    """Describe a run as far as it has come; the same journal gives the same words.

    linked: with links to MLflow's pages, which hold on those alone.
    """
    return run_note(_told(run, _Pages(run, linked=linked)))


def note_of_attempt(run: Run, number: int) -> str:
    """Describe one attempt of a run."""
    pages, record = _Pages(run, linked=True), attempts_done(run)[number]
    child = pages.child(number)
    links = [] if child is None else [
        Named(name, views.page_of_file(pages.experiment, child, f"{name}.json"))
        for name in ("measurements", "verdicts")
    ]  # fmt: skip
    return attempt_note(_tried(number, record, None), links)


class _Pages:
    """Where MLflow shows what a run is about; nothing is linked to unless `linked`."""

    def __init__(self, run: Run, *, linked: bool) -> None:
        self.run, self.linked = run, linked
        self.experiment = experiment(run.at.ws.mlruns) if linked else ""

    def own(self) -> str | None:
        """The id of the run in MLflow."""
        return (self.run.done("tracked") or {}).get("mlflow_run") if self.linked else None

    def child(self, number: int) -> str | None:
        """The id of an attempt in MLflow."""
        done = self.run.done(f"traced-{number}") or {}
        return done.get("mlflow_run") if self.linked else None

    def of_run(self, run_id: str | None) -> str | None:
        return None if run_id is None else views.page_of_run(self.experiment, run_id)

    def version(self, number: int) -> Named:
        name = self.run.at.params.model.name
        return Named(
            f"version {number}", views.page_of_version(name, number) if self.linked else None
        )


def _told(run: Run, pages: _Pages) -> Told:
    begun, extracted, decided = (run.done(s) or {} for s in ("begun", "extracted", "decided"))
    promoted, own = run.done(PROMOTED), pages.own()
    sealed = own is not None and run.done("sealed") is not None
    return Told(
        run=run.ref,
        requests=run.requests,
        forget={part: int(extracted[part]) for part in SPLITS},
        parent=pages.version(int(begun["parent"])),
        tried=[
            _tried(number, record, pages.of_run(pages.child(number)))
            for number, record in enumerate(attempts_done(run))
        ],
        not_tried={one["method"]: one["why"] for one in left_out(extracted)},
        decision=decided.get("decision"),
        assurance=(run.done("attested") or decided).get("assurance", "A0"),
        served=None if promoted is None else pages.version(int(promoted["version"])),
        waits="`lethe approve`" if _waits(run) else None,
        links=_links(run, pages, str(own)) if sealed else (),
        figure=_figure(run, str(own)) if sealed else None,
    )


def _waits(run: Run) -> bool:
    return any(str(run.at.ledger.request(ref).state) == WAITS for ref in run.requests)


def _tried(number: int, record: dict[str, Any], page: str | None) -> Tried:
    named = Named(f"{number + 1}: {record['method']}", page)
    return Tried(named, record["decision"], verdicts_of(record))


def _links(run: Run, pages: _Pages, own: str) -> Sequence[Named]:
    files = {
        "report": f"{run.ref}/report.html",
        "verdicts": "verdicts.json",
        "sealed statement": f"{run.ref}/statement.json",
    }
    return [
        Named(name, views.page_of_file(pages.experiment, own, path)) for name, path in files.items()
    ]


def _figure(run: Run, own: str) -> str | None:
    picture = "plots/aucs.png"
    if not (run.bundle / picture).is_file():
        return None
    return views.address_of_file(own, f"{run.ref}/{picture}")
