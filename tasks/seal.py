"""Evidence: what was found is decided, written into one folder and sealed, before any release."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ledger import adoptions, durable, evidence
from ledger.chain import Entry
from ledger.intoto.statements import before_release, write
from ledger.keys import load_signing_key
from ledger.replay.judgements import judgements
from ledger.replay.statements import WITH_STEPS, WITHOUT_STEPS
from systems.registry import models
from systems.settings.policy import EXACT
from tasks.approval.asking import answered, by_gates, by_persons, digests_of
from tasks.running.draw import write_pages
from tasks.running.run import Run, write_json
from tasks.train import recipe_record
from tasks.unlearn import attempts_done, present, weights_path
from unlearning.digests import sha256_file
from unlearning.domain import Decision
from unlearning.errors import IntegrityError
from unlearning.judging.verdicts import assurance

RELEASED = str(Decision.RELEASED)
PURGE = str(Decision.PURGE)
ERASING = (RELEASED, PURGE)
"""Decisions after which the examples are erased."""

PACKAGES = ("torch", "numpy", "scipy", "timm", "prefect", "mlflow", "dvc", "great-expectations")


def decide(run: Run) -> dict[str, Any]:
    """Put the decision on the run into the journal; its entry dates the evidence."""
    return run.once("decided", lambda: _decide(run))


def _decide(run: Run) -> dict[str, Any]:
    records = attempts_done(run)
    if not records:
        return {
            "decision": str(Decision.PURGE),
            "assurance": assurance(Decision.PURGE, exact=False),
            "candidate": None,
            "records": [],
        }
    last, asked = records[-1], answered(run)
    decision = by_persons(asked) if asked else by_gates(run)
    released = decision == Decision.RELEASED
    return {
        "decision": decision,
        "assurance": assurance(decision, exact=last["method"] in EXACT),
        "candidate": last["sha256"] if released else None,
        "method": last["method"] if released else None,
        "records": digests_of(run),
        **({"approval": asked.as_stated()} if asked else {}),
    }


def seal_evidence(run: Run) -> dict[str, Any]:
    """Write the bundle and seal it. A crash before the seal leaves files that are written again."""
    return run.once("sealed", lambda: {"statement": _seal(run)})


def _seal(run: Run) -> str:
    folder, public = run.bundle, run.at.ws.public_key
    if (folder / evidence.SIGNATURE).exists():
        return sha256_file(folder / evidence.STATEMENT)
    durable.remove_folder(folder, within=run.at.ws.evidence)
    durable.make_folder(folder)
    _copy_inputs(run, folder)
    shutil.copyfile(public, folder / "public.pem")
    write_json(folder / "attempts.json", attempts_done(run))
    log = run.at.ledger.log
    decided = log.find(f"{run.ref}/decided")
    if decided is None:
        raise IntegrityError(f"run {run.ref}: no decision in the log, expected one before sealing")
    write_pages(run, folder, decided.body, datetime.fromisoformat(decided.at))
    entries = [entry for entry in log.entries() if entry.seq <= decided.seq]
    durable.write(folder / evidence.EXCERPT, b"".join(entry.line() for entry in entries))
    statement, key = statement_of(run, decided), load_signing_key(run.at.ws.keys)
    if statement["type"] == WITH_STEPS:
        write(folder, before_release(statement, entries), key)
    return evidence.seal(folder, statement, key)


def _copy_inputs(run: Run, folder: Path) -> None:
    shutil.copyfile(run.policy_file(), folder / "policy.yaml")
    shutil.copyfile(run.at.ws.root / "params.yaml", folder / "params.yaml")
    pages = run.folder / "expectations"
    if pages.is_dir():
        shutil.copytree(pages, folder / "expectations")


def statement_of(run: Run, ended: Entry) -> dict[str, Any]:
    """Say what was decided, about which bytes, on which grounds."""
    begun, decided = run.done("begun") or {}, ended.body
    before = run.at.ledger.log.entries()[: ended.seq]
    return {
        "type": begun.get("evidence", WITHOUT_STEPS),
        "run": run.ref,
        "requests": list(run.requests),
        "decision": decided["decision"],
        "assurance": decided["assurance"],
        "parent": {"version": begun["parent"], "sha256": begun["parent_sha256"]},
        "candidate": {"sha256": decided["candidate"]},
        "policy_sha256": begun["policy"],
        "policy_adopted": adopted_for(run, adoptions.POLICY),
        "params_sha256": begun["params"],
        "params_adopted": adopted_for(run, adoptions.PARAMS),
        "only_method": begun["method"],
        "earlier_attempts": begun.get("earlier"),
        "forget_level": (run.done("extracted") or {}).get("level", begun.get("level")),
        "judgements": judgements(before, run.requests),
        "forget_set": run.done("extracted"),
        "manifest_sha256": (run.done("extracted") or {})["manifest"],
        "bank": bank_named(attempts_done(run)),
        "data_expectations": run.done("expected-data"),
        "limit_expectations": run.done("expected-limits"),
        **({"approval": decided["approval"]} if "approval" in decided else {}),
        "attempts": [_short(record) for record in attempts_done(run)],
        "environment": environment(),
        "decided_at": ended.at,
        "log_head": ended.hash,
    }


def bank_named(records: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    """Give the bank by which the last attempt was judged; None if none was by any."""
    return next((dict(r["bank"]) for r in reversed(records) if "bank" in r), None)


def adopted_for(run: Run, kind: str) -> dict[str, Any] | None:
    """Give the log's entry that put the run's policy or params into force; None without one."""
    log = run.at.ledger.log
    begun = log.find(f"{run.ref}/{adoptions.BEGUN}")
    held = adoptions.in_force(log.entries(), kind, before=begun.seq) if begun else None
    return adoptions.as_stated(held) if held else None


def _short(record: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("method", "exact", "settings", "seed", "sha256", "seconds", "report", "error")
    judged = ("decision", "verdicts", "controls", "measurements", "effect", "bank")
    compared = ("class_out_models", "models_apart", "judge", "not_measured")
    made = ("parts", "ancestors", "cluster", "replay")
    return {key: record[key] for key in (*kept, *judged, *compared, *made) if key in record}


def environment() -> dict[str, Any]:
    """Give the versions and the hardware that the numbers depend on; no name of a machine."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "lethe": importlib.metadata.version("lethe"),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "gpu": gpu,
    }


def candidate_of(run: Run) -> tuple[Path, dict[str, Any]]:
    """Give the released candidate's weights and what its network is; the bytes are checked.

    A file that is lost once the candidate was registered is no loss.
    """
    path, decided = weights_path(run, len(attempts_done(run)) - 1), run.done("decided") or {}
    if not path.is_file():
        path = _registered(run, decided["candidate"]) or present(run, path)
    if (got := sha256_file(path)) != decided["candidate"]:
        raise IntegrityError(
            f"candidate of {run.ref}: got weights {got[:16]}, expected the judged "
            f"{str(decided['candidate'])[:16]}; nothing was promoted: put {path.name} back from "
            f"your backup, or leave the run: `lethe abort {run.ref} --reason TEXT`"
        )
    return path, recipe_record(run.at, path)


def _registered(run: Run, sha256: str) -> Path | None:
    """Give the weights of the version that a promotion which was cut off had registered."""
    stored = models.versions(run.at.ws.mlruns, run.at.params.model.name)
    found = (v for v in stored if v.sha256 == sha256 and v.tags.get("lethe.run") == run.ref)
    return next((models.verified(version) for version in found), None)
