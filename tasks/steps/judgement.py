"""Judging a candidate outside a run: one made elsewhere, a registered version, the champion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks import models
from tasks.judging import basis_of, judge_candidate
from tasks.policy import load_policy
from tasks.steps.attempts import as_json
from tasks.steps.extraction import find, likewise, refusal
from tasks.steps.originals import recipe_of
from tasks.steps.references import class_out, geometry_notes
from tasks.steps.running import Opened
from tasks.steps.workdata import cut, ensure_bank, parts_of
from unlearning import networks
from unlearning.errors import RequestDenied, UsageError
from unlearning.gates.deployed import check_exporters, forms_of
from unlearning.judging import gates_of
from unlearning.shadows import load_bank


def judge_for(at: Opened, request: str, weights: Path, policy: Path) -> dict[str, Any]:
    """Judge weights by a request. They are never taken as exact: only our own run can prove that.

    The file is read first, so that one of the wrong kind is refused before anything is computed.
    """
    networks.load(weights, recipe_of(at))
    rules = load_policy(policy)
    gates = gates_of(rules.gates)
    check_exporters(forms_of(gates))
    champion = models.champion(at.ws.mlruns, at.params.model.name)
    if champion is None:
        raise UsageError("no champion: expected one from `lethe init`; run it first")
    selectors = [at.ledger.selector(request)]
    ids = find(at.ws, selectors)
    reason = refusal(at, ids)
    if reason:
        raise RequestDenied(f"request {request}: {reason}")
    split = cut(parts_of(at), ids, likewise=likewise(selectors))
    apart = class_out(at, ids["train"], split, gates)
    bank = load_bank(ensure_bank(at, recipe_of(at)))
    basis = basis_of(models.verified(champion), split, bank, [made.weights for made in apart])
    judged, _ = judge_candidate(weights, basis, gates, level=rules.level, exact=False)
    return {**as_json(judged), **geometry_notes(split, gates, apart)}
