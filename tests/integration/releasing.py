"""A release and what goes after it, on a tracking server, by the product's own steps.

What is released was not trained, and there are no data: what is tried is the registry.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from ledger import durable, evidence
from ledger.chain import Entry
from ledger.domain import DeletionRequest, State
from ledger.keys import load_signing_key
from systems.registry import models, server, store, tracking
from systems.settings.ownership import mark_place
from systems.settings.recording import alone
from systems.settings.workspace import Workspace
from tasks import promote, purge
from tasks.purge import _tag_tainted, finish_purging
from tasks.running.opened import Opened
from tasks.running.run import Run
from tests.unit.submitted import accepted, workspace
from unlearning.digests import sha256_file

RECIPE = {"channels": 1, "size": 2, "classes": 2}


@dataclass(frozen=True)
class Releasing:
    """A workspace with a first version that serves, and a candidate that its request will bring."""

    ws: Workspace
    name: str

    @property
    def candidate(self) -> Path:
        """The judged weights."""
        return self.ws.root / "candidate.safetensors"

    def again(self) -> None:
        """Be the command: begin the run or go on with it, release, erase the version before."""
        with alone(self.ws):
            at = Opened(str(self.ws.root))
            run = self._run(at)
            if run is not None:
                _go_on(run, sha256_file(self.candidate))

    def entries(self) -> list[Entry]:
        """Its log."""
        return list(Opened(str(self.ws.root), reading=True).ledger.log.entries())

    def requests(self) -> list[DeletionRequest]:
        """Its requests."""
        return Opened(str(self.ws.root), reading=True).ledger.requests(None, _now())

    def _run(self, at: Opened) -> Run | None:
        for ref in at.ledger.unfinished_runs():
            return Run(at, ref)
        waiting = [r.ref for r in at.ledger.requests(None, _now()) if r.state is State.ACCEPTED]
        return Run(at, at.ledger.start_run(waiting, now=_now())) if waiting else None


def _go_on(run: Run, sha256: str) -> None:
    mlruns = run.at.ws.mlruns
    run.once("begun", lambda: {"parent": 1})
    run.once("extracted", lambda: {"data_version": "0" * 32})
    run.once("tracked", lambda: {"mlflow_run": tracking.start_run(mlruns, run.ref, key=run.ref)})
    run.once("decided", lambda: {"decision": "released", "assurance": "A2", "candidate": sha256})
    run.once("sealed", lambda: {"statement": _sealed(run)})
    if run.done("promoted") is None:
        for state in (State.EXTRACTING, State.UNLEARNING, State.JUDGING):
            run.move(state)
    promote.promote_candidate(run)
    name = run.at.params.model.name
    models.describe(mlruns, name, {2: "serves"}, "what serves")
    tracking.log(mlruns, str((run.done("tracked") or {})["mlflow_run"]), tags={"lethe.told": "yes"})
    run.move(State.PURGING)
    run.once("suppressed", lambda: {"covers": []})
    run.once("erased", lambda: {"new_version": "0" * 32})
    run.once("purged", lambda: _purged(run))
    finish_purging(run.at, run.requests)
    run.at.ledger.finish_run(run.ref, now=_now())


def _sealed(run: Run) -> str:
    durable.make_folder(run.bundle)
    entries = run.at.ledger.log.entries()
    durable.write(run.bundle / evidence.EXCERPT, b"".join(entry.line() for entry in entries))
    said = {"run": run.ref, "log_head": run.at.ledger.log.head}
    return evidence.seal(run.bundle, said, load_signing_key(run.at.ws.keys))


def _purged(run: Run) -> dict[str, Any]:
    _tag_tainted(run)
    return {"copies": []}


@contextmanager
def untrained(folder: Path) -> Any:
    """Let the candidate be the file that lies there, and what serves a model have no code."""
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "__init__.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "unlearning", SimpleNamespace(__file__=folder / "code/__init__.py"))
        patch.setattr(purge, "look_again", lambda at, run: [])  # there are no data to look into
        patch.setattr(
            promote, "candidate_of", lambda run: (run.at.ws.root / "candidate.safetensors", RECIPE)
        )
        yield


def begun(root: Path, url: str, name: str) -> Releasing:
    """Make the workspace: its log begins with the first version, and a request waits."""
    ws = workspace(root)
    params = yaml.safe_load(ws.params.read_text())
    params["model"] |= {"name": name, "grace_days": 0}
    ws.params.write_text(yaml.safe_dump(params))
    mark_place(ws)
    server.bind(ws.mlruns, url)
    for number, file in enumerate(("first", "candidate")):
        save_file({"x": np.full(4, number, np.float32)}, root / f"{file}.safetensors")
    tags = {"lethe.verdict": "released"}
    first = models.register(ws.mlruns, name, root / "first.safetensors", RECIPE, tags)
    models.promote(ws.mlruns, name, first.version, expected_parent=None)
    ledger = Opened(str(root)).ledger
    body = {"version": 1, "sha256": first.sha256, "data_version": "0" * 32}
    ledger.record("initialised", body, key="initialised", now=_now())
    accepted(ledger, _now())
    return Releasing(ws, name)


def _now() -> datetime:
    return datetime.now(UTC)
