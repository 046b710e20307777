"""Judging: an attempt of a run, or any candidate outside of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ledger import adoptions
from ledger.domain import State
from ledger.replay.attempts import earlier_attempts
from ledger.replay.judgements import ERROR, JUDGEMENT, judgements, levels_outside
from ledger.replay.lineage import releases
from systems.registry import models
from systems.registry.models import ModelVersion
from systems.settings.policy import EXACT, JUDGEMENTS, Policy, load_policy
from tasks import adopt
from tasks.extract import find, likewise, refusal
from tasks.references import apart, class_out, cost_of, geometry_notes
from tasks.running.champion import sealed_champion
from tasks.running.computing import asking
from tasks.running.opened import Opened
from tasks.running.parts import cut, ensure_bank, split_of
from tasks.running.records import utc_now
from tasks.running.run import Run, level, write_json
from tasks.running.vouching import named
from tasks.train import recipe_of
from tasks.unlearn import (
    Attempt,
    begun_record,
    present,
    record_path,
    scores_path,
    weights_path,
)
from unlearning import networks
from unlearning.bank.files import write_arrays
from unlearning.bank.shadows import load_bank
from unlearning.contracts import Gate
from unlearning.digests import sha256_file
from unlearning.domain import TRAIN, Decision, Outcome, Split
from unlearning.errors import InfrastructureError, RequestDenied
from unlearning.gates.deployed import check_exporters, forms_of
from unlearning.gates.elsewhere import Elsewhere
from unlearning.judging.candidates import (
    Basis,
    Judged,
    JudgedBy,
    Pictures,
    basis_of,
    judge_candidate,
)
from unlearning.judging.effects import failed
from unlearning.judging.mates import erased_mates
from unlearning.judging.verdicts import gates_of


def judge_attempt(run: Run, attempt: Attempt) -> str:
    """Measure the candidate, ask every gate, and give the decision on it."""
    run.move(State.JUDGING, f"-{attempt.number}")
    body = run.once(f"judged-{attempt.number}", lambda: _judge(run, attempt))
    return str(body["decision"])


def _judge(run: Run, attempt: Attempt) -> dict[str, Any]:
    path, record = record_path(run, attempt.number), begun_record(run, attempt.number)
    if record["sha256"] is None:
        judged = _failed(str(record["error"]))
    else:
        judged = _judge_weights(run, attempt)
    write_json(path, record | judged)
    outcomes = {verdict["gate"]: verdict["outcome"] for verdict in judged["verdicts"]}
    return {"decision": judged["decision"], "verdicts": outcomes, "sha256": record["sha256"]}


def _failed(problem: str) -> dict[str, Any]:
    verdict = {"gate": "integrity", "outcome": str(Outcome.FAILED), "reason": problem}
    return {
        "decision": str(Decision.REFUSED),
        "verdicts": [verdict],
        "effect": _plain(failed(problem)),
    }


def _judge_weights(run: Run, attempt: Attempt) -> dict[str, Any]:
    judged_by, notes = _judge_of(run)
    judged, arrays = judged_by(
        present(run, weights_path(run, attempt.number)),
        gates=gates_of(run.policy().gates),
        level=level(run),
        exact=attempt.exact,
    )
    write_arrays(scores_path(run, attempt.number), dict(arrays))
    return {**as_json(judged), **notes}


def _judge_of(run: Run) -> tuple[JudgedBy, Mapping[str, Any]]:
    """Give who judges all attempts of a run, and notes on it for their records.

    The parent, the forget set and the policy of a run never change; a run that goes on after a
    crash computes it again.
    """
    key = f"basis {run.ref}"
    if key not in run.at.kept:
        run.at.kept[key] = _make_judge(run)
    found: tuple[JudgedBy, Mapping[str, Any]] = run.at.kept[key]
    return found


def _make_judge(run: Run) -> tuple[JudgedBy, Mapping[str, Any]]:
    gates, ids = gates_of(run.policy().gates), run.forget_ids()
    judged_by, notes = _laid_out(run.at, run.parent(), split_of(run), gates, ids)
    for kind in notes.keys() & {"class_out_models", "models_apart"}:
        run.once(kind.replace("_", "-"), partial(dict, notes[kind]))
    return judged_by, notes


def _laid_out(
    at: Opened,
    champion: ModelVersion,
    split: Split,
    gates: Sequence[Gate],
    ids: Mapping[str, Sequence[str]],
) -> tuple[JudgedBy, dict[str, Any]]:
    """Train what gates compare with; give who judges candidates by it, with notes on it.

    ids: to forget, by split.
    """
    if at.params.generator is not None:
        from tasks.generated.judging import laid_out

        return laid_out(at, champion, split, gates, ids)
    weights = models.verified(champion)
    folder = ensure_bank(at, networks.load(weights).recipe)
    without = class_out(at, ids[TRAIN], split, gates)
    mates = erased_mates(networks.load(weights), split)
    alone = apart(at, ids[TRAIN], gates, mates)
    notes = dict(geometry_notes(split, gates, without))
    if alone:
        notes["models_apart"] = cost_of(alone)
    basis = basis_of(
        weights,
        split,
        load_bank(folder),
        [made.weights for made in without],
        mates=mates,
        apart=[made.weights for made in alone],
        ask=asking(at),
    )
    return partial(_by_answers, basis=basis), {**notes, "bank": named(at, folder)}


def _by_answers(
    candidate: Path, *, basis: Basis, gates: Sequence[Gate], level: float, exact: bool
) -> tuple[Judged, dict[str, np.ndarray]]:
    """Judge a classifier by what it answers."""
    judged, pictures = judge_candidate(candidate, basis, gates, level=level, exact=exact)
    return judged, as_arrays(pictures)


def as_arrays(pictures: Pictures) -> dict[str, np.ndarray]:
    """Give the arrays by name."""
    return {field.name: getattr(pictures, field.name) for field in dataclasses.fields(pictures)}


def as_json(judged: Judged) -> dict[str, Any]:
    """Give a judgement in the form in which it is recorded and printed."""
    return {
        "decision": str(judged.decision),
        "verdicts": [_plain(verdict) for verdict in judged.verdicts],
        "controls": [_plain(control) for control in judged.controls],
        "measurements": [_plain(measured) for measured in judged.measured.values()],
        "accuracy": dict(judged.accuracy),
        "effect": _plain(judged.effect),
    }


def _plain(value: Any) -> dict[str, Any]:
    """Numbers that JSON cannot hold become null: missing evidence stays visible as missing."""
    fields = dataclasses.asdict(value)
    return {
        k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in fields.items()
    }


def judge_for(at: Opened, request: str, weights: Path, policy: Path) -> dict[str, Any]:
    """Judge weights by a request. They are never taken as exact: only our own run can prove that.

    The file is read first, so that one of the wrong kind is refused before anything is computed.
    Each answer is an entry of the log before anybody sees it, and RequestDenied is raised once the
    policy in force admits no more of them. All candidates share the error of the request's runs.
    """
    _require_kind(at, weights)
    rules, candidate = load_policy(policy), sha256_file(weights)
    adopt.check_task(rules, at.params)
    gates = gates_of(rules.gates)
    check_exporters(forms_of(gates))
    if at.params.generator is None and not _made_here(at, candidate):
        gates = (*gates, Elsewhere(examples=rules.elsewhere))
    champion = sealed_champion(at)
    selectors = [at.ledger.selector(request)]
    asked = _asked(at, request)
    ids = find(at.ws, selectors)
    reason = refusal(at, ids)
    if reason:
        raise RequestDenied(f"request {request}: {reason}")
    level = _level_outside(at, rules, request, candidate)
    split = cut(at, ids, likewise=likewise(selectors))
    judged_by, notes = _laid_out(at, champion, split, gates, ids)
    judged, _ = judged_by(weights, gates=gates, level=level, exact=False)
    body = {
        "request": request,
        "candidate": candidate,
        "champion": champion.sha256,
        "policy": rules.digest,
        "decision": str(judged.decision),
        "level": level,
    }
    at.ledger.record(JUDGEMENT, body, key=f"{request}/{JUDGEMENT}-{asked + 1}", now=utc_now())
    return {**as_json(judged), **notes, "judgements": asked + 1}


def _made_here(at: Opened, candidate: str) -> bool:
    """Say whether it is a version that a run made and that served here, by the log.

    The first version may be a file that was brought (`lethe init --weights`).
    """
    made = (one for one in releases(at.ledger.log.entries()) if one.run is not None)
    return any(one.sha256 == candidate for one in made)


def _require_kind(at: Opened, weights: Path) -> None:
    """Refuse a file that is none of what the workspace's champion is."""
    if at.params.generator is None:
        networks.load(weights, recipe_of(at))
        return
    from tasks.generated.models import require_like

    require_like(at, weights)


def _asked(at: Opened, request: str) -> int:
    """Give how often a request was asked about; RequestDenied if that was often enough."""
    asked = judgements(at.ledger.log.entries(), [request]).get(request, 0)
    if asked >= (allowed := _allowed(at)):
        raise RequestDenied(
            f"request {request}: got {asked} judgements of candidates from outside, expected fewer "
            f"than the policy's {allowed}: each answer tells of the forget set; serve it with "
            f"`lethe forget {request}`, or adopt a policy with more judgements with "
            f"{adopt.POLICY.how}"
        )
    return asked


def _allowed(at: Opened) -> int:
    """Give the limit of the policy in force, whatever policy a candidate is judged by."""
    held = adoptions.in_force(at.ledger.log.entries())
    if held is None:
        return JUDGEMENTS
    return load_policy(adoptions.kept(at.ws.policies, held.sha256)).judgements


def _level_outside(at: Opened, rules: Policy, request: str, candidate: str) -> float:
    """Give the level that a candidate is judged at: bytes that were judged before have theirs.

    RequestDenied where nothing is left, InfrastructureError while a run shares out what is.
    """
    entries = at.ledger.log.entries()
    known = levels_outside(entries, request)
    if candidate in known:
        return known[candidate]
    if any(request in held for held in at.ledger.unfinished_runs().values()):
        raise InfrastructureError(
            f"request {request}: a run over it shares out what error is left, expected none "
            "unfinished: judge again when it has ended, or see `lethe list requests`"
        )
    earlier = earlier_attempts(entries, [request], sealed_champion(at).sha256, EXACT)
    level = rules.level_outside(dataclasses.replace(earlier, outside=len(known) + 1))
    if level is None:
        raise RequestDenied(
            f"request {request}: its candidates may err in {ERROR:.0%} together, and earlier ones "
            f"have spent it, expected some left: serve it with `lethe forget {request}`, whose "
            "exact rungs spend none"
        )
    return level
