"""The report of a run, drawn from what its attempts left in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from systems.data import loading
from systems.report.page import write_report
from systems.report.plots import AttemptPicture
from systems.report.wording import OF_CLASSIFIERS, OF_GENERATORS
from tasks.running.records import measurements_of
from tasks.running.run import Run, left_out
from tasks.showing.figures import limits_of, verdicts_of
from tasks.unlearn import attempts_done, scores_path
from unlearning.domain import SPLITS, Control, Decision

SCORES = ("forget", "holdout", "champion_forget", "class_before", "class_after")


def write_pages(run: Run, folder: Path, decided: Mapping[str, Any], written_at: datetime) -> None:
    """Write report.html and its plots into a folder.

    decided: the decision with its assurance, and the approval that it rests on or waits for.
    """
    begun, extracted = run.done("begun") or {}, run.done("extracted") or {}
    facts = {
        "requests": ", ".join(run.requests),
        "examples to forget (train, holdout, test)": ", ".join(
            str(extracted[part]) for part in SPLITS
        ),
        "data version": str(extracted["data_version"]),
        "parent": f"version {begun['parent']}, {begun['parent_sha256'][:16]}",
        "policy (SHA-256)": str(begun["policy"]),
        "drift": str(extracted.get("drift", {}).get("words", "not counted")),
        **_not_tried(extracted),
        "assurance": str(decided["assurance"]),
        **_approval(decided.get("approval")),
    }
    records = attempts_done(run)
    write_report(
        folder,
        reference=run.ref,
        decision=Decision(decided["decision"]),
        attempts=[_picture(run, number, record) for number, record in enumerate(records)],
        facts=facts,
        written_at=written_at,
        words=OF_GENERATORS if run.at.params.generator else OF_CLASSIFIERS,
    )


def _not_tried(extracted: Mapping[str, Any]) -> dict[str, str]:
    """Name the rungs that were left out, and why."""
    found = [f"{one['method']}: {one['why']}" for one in left_out(extracted)]
    return {"not tried": "; ".join(found)} if found else {}


def _approval(stated: Mapping[str, Any] | None) -> dict[str, str]:
    """Say why persons were asked, and what each said."""
    if stated is None:
        return {}
    said = [f"{one['answer']} by {one['reviewer']}: {one['reason']}" for one in stated["answers"]]
    waits = f"none of {stated['persons']} so far"
    return {
        "sent to a person because": "; ".join(stated["reasons"]),
        "answers": "; ".join(said) or waits,
    }


def _picture(run: Run, number: int, record: dict[str, Any]) -> AttemptPicture:
    path = scores_path(run, number)
    none = np.array([])
    arrays = dict.fromkeys(SCORES, none) | (load_file(path) if path.is_file() else {})
    released = record["decision"] == Decision.RELEASED  # what others draw may show the forgotten
    measured = measurements_of(record) if "measurements" in record else {}
    null = measured.get("null_auc")
    return AttemptPicture(
        name=str(record["method"]),
        exact=bool(record["exact"]),
        decision=Decision(record["decision"]),
        verdicts=verdicts_of(record),
        measurements=measured,
        controls=[Control(**control) for control in record.get("controls", [])],
        forget_scores=arrays["forget"],
        holdout_scores=arrays["holdout"],
        champion_forget_scores=arrays["champion_forget"],
        null_band=(null.low, null.high) if null else (0.0, 1.0),
        limits=limits_of(run, measured),
        classes=loading.classes(run.at.ws),
        class_accuracy_before=arrays["class_before"],
        class_accuracy_after=arrays["class_after"],
        effect=": ".join(record.get("effect", {}).values()),
        not_measured=record.get("not_measured", ()),
        sheet=arrays["sheet"] if released and "sheet" in arrays else np.zeros(0, np.uint8),
    )
