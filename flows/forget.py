"""A deletion request becomes a judged, promoted, audited model.

Between the tasks travel a workspace's path and a run's reference; what they found is in the run's
journal, so that a run which was killed goes on from its last finished step.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from tasks.steps import attempts, erasure, evidence, extraction, releasing, running, tracing
from tasks.steps.attempts import Attempt
from tasks.steps.running import Run

step = task(cache_policy=NO_CACHE, persist_result=False)  # our journal remembers, Prefect does not

claim = step(running.begin)
extract_forget_set = step(extraction.extract)
expect_sound_data = step(extraction.expect_data)
track = step(tracing.start)
unlearn = step(attempts.produce)
judge = step(attempts.judge)
trace_attempt = step(tracing.trace_attempt)
expect_limits = step(evidence.expect_limits)
seal_evidence = step(evidence.seal)
trace_run = step(tracing.trace_run)
promote = step(releasing.promote)
suppress = step(erasure.suppress)
erase = step(erasure.erase)
purge = step(erasure.purge)


@flow(name="forget", validate_parameters=False, persist_result=False)
def forget(
    workspace: str,
    requests: Sequence[str],
    policy: str,
    method: str | None = None,
) -> dict[str, Any]:
    """Extract the forget set, unlearn, judge, seal, promote, erase; or leave the champion alone."""
    # (1) Claim the requests, or go on with the run that a crash left over them.
    run = claim(workspace, requests, Path(policy), method)

    # (2) Extract the forget set from the verified data version, and check both.
    forget_set = extract_forget_set(run)
    expect_sound_data(run)
    track(run)

    # (3) Climb the ladder: unlearn, measure, judge, until a candidate is released.
    while forget_set["train"] and (attempt := attempts.next_attempt(run)):
        try_one(run, attempt)
    if attempts.attempts_done(run):
        expect_limits(run)

    # (4) Seal before release: a crash between the two must leave evidence without a release,
    #     never a release without evidence.
    decision = evidence.decide(run)["decision"]
    seal_evidence(run)
    trace_run(run)

    # (5) Promote by compare-and-set on the parent, or leave the champion as it is.
    if decision == evidence.RELEASED:
        promote(run)

    # (6) Erase the examples from every copy that can be reached, and list what remains.
    if decision in evidence.ERASING:
        suppress(run)
        erase(run)
        purge(run)
    else:
        running.give_back(run, decision)
    return summary(run)


def try_one(run: Run, attempt: Attempt) -> None:
    """Make one candidate and judge it."""
    unlearn(run, attempt)
    judge(run, attempt)
    trace_attempt(run, attempt)


def summary(run: Run) -> dict[str, Any]:
    """Complete the requests of which no copy remains, say what came of the run, and close it."""
    decided = run.done("decided") or {}
    tried = attempts.attempts_done(run)
    requests = run.requests
    erases = decided["decision"] in evidence.ERASING
    remaining = erasure.finish_purging(run.at, requests) if erases else []
    found = {
        "run": run.ref,
        "requests": list(requests),
        "attempts": [_short(record) for record in tried],
        "decision": decided["decision"],
        "assurance": decided["assurance"],
        "champion": running.as_champion(run.at),
        "evidence": str(run.bundle),
        "copies": [*(run.done("purged") or {}).get("copies", []), *remaining],
        "states": {ref: str(run.at.ledger.request(ref).state) for ref in requests},
    }
    running.close(run)  # last: what a crash leaves undone before, the same command does again
    return found


def _short(record: dict[str, Any]) -> dict[str, Any]:
    kept = ("method", "settings", "seconds", "decision", "verdicts", "controls", "effect", "error")
    geometry = ("class_out_models", "not_measured")
    return {key: record[key] for key in (*kept, *geometry) if key in record}
