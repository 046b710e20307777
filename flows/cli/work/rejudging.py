"""A bundle's decision made again, from what it holds: its policy, its log, its measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.cli.work.approved import answer_to, misasked, question_of
from ledger.chain import Entry
from ledger.replay.approvals import miscounted
from ledger.replay.attempts import Attempts, Earlier, earlier_attempts
from ledger.replay.bundles import Bundle
from ledger.replay.chances import Under
from ledger.replay.drift import Line, drift_of
from ledger.replay.judgements import ERROR
from ledger.replay.statements import Journal
from systems.settings.chances import not_tried
from systems.settings.params import Params, read_params
from systems.settings.policy import EXACT, Policy, Rung, load_policy
from tasks.running.records import measurements_of
from unlearning import counting
from unlearning.digests import sha256_file
from unlearning.errors import LetheError
from unlearning.judging.verdicts import assurance, decide, decide_run, gates_of, judge
from unlearning.terms import Decision


def judged_again(bundle: Bundle, folder: Path) -> list[str]:
    """Say where a genuine bundle's decision does not follow from its measurements and its policy.

    It needs neither the data nor the networks.
    """
    try:
        return list(_judged_again(bundle, folder))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
        return [f"statement.json: cannot be judged again ({type(problem).__name__}): not our form"]


def _judged_again(bundle: Bundle, folder: Path) -> Iterator[str]:
    """Where gates, ladder and level of the bundle's policy do not give what is stated."""
    statement, entries = bundle.first.statement, bundle.first.entries
    try:
        rules, gates = _rules_of(statement, folder)
    except LetheError as problem:
        yield str(problem)
        return
    begun = Journal(statement["run"], entries)
    earlier = _earlier(begun, entries)
    if statement["earlier_attempts"] != _as_counted(earlier):
        yield f"earlier_attempts: got {statement['earlier_attempts']}, the log has {earlier}"
    yield from _overspent(begun, entries, earlier)
    drift, only = _drift(begun, entries, rules), statement["only_method"]
    yield from _within_budget(statement, drift)
    counted = rules.hopeless or "chances" in statement["forget_set"]
    params = read_params(folder / "params.yaml")
    yield from _other_conditions(begun, entries, params)
    chances = _chances(begun, entries, rules, params) if counted else []
    if statement["forget_set"].get("chances", []) != chances:
        yield "forget_set.chances: are not those that the log has by then"
    without = not_tried(chances)
    level = rules.level_after(earlier, only, without=without)
    exact_only = drift["exact_only"] or "only_exact" in statement["forget_set"]
    rungs = rules.rungs(earlier, only, exact_only=exact_only, without=without)
    yield from _climbed(statement["attempts"], rungs, rules)
    yield from _misnamed(begun, rungs, rules)
    attempts = statement["attempts"]
    for number, attempt in enumerate(
        counting.counted(attempts, len(attempts), "judging again", "attempts"), 1
    ):
        yield from (f"attempt {number}: {line}" for line in _attempt(attempt, gates, level))
    asked = question_of(statement, rules)
    yield from misasked(asked, begun)
    least = rules.approval.skew.examples if rules.approval.skew else None
    yield from miscounted(Line.of(entries), statement["run"], least)
    yield from _decision(statement, None if asked is None else answer_to(begun))


def _rules_of(statement: Mapping[str, Any], folder: Path) -> tuple[Policy, Sequence[Any]]:
    """Read the bundle's policy and params; LetheError unless they are those that it names."""
    rules = load_policy(folder / "policy.yaml")
    read_params(folder / "params.yaml")
    for kind in ("policy", "params"):
        got = sha256_file(folder / f"{kind}.yaml")
        if got != statement[f"{kind}_sha256"]:
            raise LetheError(f"{kind}.yaml: SHA-256 {got[:16]}, expected the statement's")
    return rules, gates_of(rules.gates)


def _earlier(journal: Journal, entries: Sequence[Entry]) -> Earlier:
    begun = journal.find("begun")
    before = [entry for entry in entries if begun and entry.seq < begun.seq]
    body = journal.body("begun")
    requests = journal.body("started").get("requests", ())
    found = earlier_attempts(before, requests, str(body.get("parent_sha256")), EXACT)
    told = "spent" in body.get("earlier", {}) or any(map(_counts_error, before))
    return found if told else replace(found, spent=None)


def _counts_error(entry: Entry) -> bool:
    """Whether a run's first step counts what earlier ones spent, as all do after the first."""
    earlier = entry.body.get("earlier")
    return isinstance(earlier, Mapping) and "spent" in earlier


def _as_counted(earlier: Earlier) -> dict[str, Any]:
    return {k: v for k, v in vars(earlier).items() if k != "spent" or v is not None}


def _overspent(journal: Journal, entries: Sequence[Entry], earlier: Earlier) -> Iterator[str]:
    """Where a request's candidates, this run's included, may err more than all may together."""
    attempts = Attempts(entries, EXACT)
    for request in journal.body("started").get("requests", ()):
        spent = attempts.error_spent(request)
        if earlier.spent is not None and spent > max(ERROR, earlier.spent):
            yield f"attempts: may err in {spent:.2%}, expected at most {ERROR:.0%} over a request"


def _drift(journal: Journal, entries: Sequence[Entry], rules: Policy) -> dict[str, Any]:
    """Count again what was spent of the drift budget when the forget set was extracted."""
    found, version = journal.find("extracted"), journal.body("begun")["parent"]
    before = [entry for entry in entries if found and entry.seq < found.seq]
    extracted = journal.body("extracted")
    spent = drift_of(before, version, EXACT)
    return rules.drift.told(spent, extracted["train"], extracted["training_set"])


def _chances(
    journal: Journal, entries: Sequence[Entry], rules: Policy, params: Params
) -> list[dict[str, Any]]:
    """Count again what became of each rung before the forget set was extracted.

    Older runs, by policies that did not ask, counted nothing and left no rung out, or counted what
    was tried under other conditions too. How often a perfect retrain would pass is the run's own
    word: to simulate it takes the bank and the data.
    """
    begun, extracted = journal.body("begun"), journal.body("extracted")
    before = [entry for entry in entries if entry.seq < _seq(journal, "extracted")]
    train, likewise = extracted["train"], extracted["likewise"]
    under = Under(params.conditions, str(begun.get("params")), int(begun["parent"]), EXACT)
    known = under if "conditions" in extracted else None
    most = extracted.get("most")
    return rules.chances(before, train, likewise=likewise, most=most, under=known)


def _other_conditions(journal: Journal, entries: Sequence[Entry], params: Params) -> Iterator[str]:
    """Where a run notes other conditions than its params', or none though runs before it did."""
    told = journal.body("extracted").get("conditions")
    before = (e.body for e in entries if e.seq < _seq(journal, "extracted"))
    noted = any("conditions" in body and "chances" in body for body in before)
    if told != params.conditions and (told is not None or noted):
        yield f"forget_set.conditions: got {told}, expected those of params.yaml"


def _seq(journal: Journal, step: str) -> int:
    found = journal.find(step)
    return found.seq if found else 0


def _within_budget(statement: Mapping[str, Any], drift: Mapping[str, Any]) -> Iterator[str]:
    if statement["forget_set"]["drift"] != drift:
        yield f"forget_set.drift: got {statement['forget_set']['drift']}, the log has {drift}"
    tried = [attempt["method"] for attempt in statement["attempts"]]
    if drift["exact_only"] and not EXACT.issuperset(tried):
        yield f"attempts: got {', '.join(tried)}, expected exact methods: {drift['words']}"


def _climbed(
    attempts: Sequence[Mapping[str, Any]], rungs: Sequence[Rung], rules: Policy
) -> Iterator[str]:
    """Where the attempts are not the policy's rungs in order; an exact last one may come twice."""
    most = len(rungs) + (bool(rungs) and rungs[-1].method in EXACT)
    if len(attempts) > min(most, rules.attempts):
        yield f"attempts: got {len(attempts)}, the policy admits {min(most, rules.attempts)}"
        return
    for number, attempt in enumerate(attempts, 1):
        rung = rungs[min(number, len(rungs)) - 1]
        used = attempt["settings"]
        if attempt["method"] != rung.method or not _within(rung.settings, used):
            yield f"attempt {number}: is not the policy's rung, {rung.method} with its settings"
        if number < len(attempts) and attempt["decision"] == "released":
            yield f"attempt {number}: was released, expected no other after it"


def _misnamed(journal: Journal, rungs: Sequence[Rung], rules: Policy) -> Iterator[str]:
    """Where an attempt stands in the log as another rung, as which it would be counted later."""
    number = 0
    while rungs and (made := journal.find(f"unlearned-{number}")):
        name = rules.named(rungs[min(number, len(rungs) - 1)])
        if made.body.get("rung", name) != name:  # older logs name none
            yield f"attempt {number + 1}: the log has it as another rung"
        number += 1


def _within(asked: Mapping[str, Any], used: object) -> bool:
    """Whether the settings that were used are those asked for, where any were."""
    if not isinstance(used, Mapping):
        return False
    return all(
        _within(value, used.get(name)) if isinstance(value, Mapping) else used.get(name) == value
        for name, value in asked.items()
    )


def _attempt(attempt: Mapping[str, Any], gates: Sequence[Any], level: float) -> Iterator[str]:
    """Where an attempt's verdicts and decision do not follow from its measurements."""
    exact = attempt["method"] in EXACT
    if attempt["exact"] is not exact:
        yield f"exact: got {attempt['exact']}, but {attempt['method']} is {exact or 'not'} exact"
    if "measurements" not in attempt:
        if attempt["sha256"] is not None or attempt["decision"] != "refused":
            yield f"is {attempt['decision']} without measurements, expected refused"
        return
    measured = measurements_of(attempt)
    got = measured["forget_level"].value if "forget_level" in measured else None
    if got != level:
        yield f"intervals of level {got}, the policy asks for {level}"
    verdicts = judge(measured, gates)
    found = {verdict.gate: str(verdict.outcome) for verdict in verdicts}
    said = {verdict["gate"]: verdict["outcome"] for verdict in attempt["verdicts"]}
    if found != said:
        yield f"the gates say {found}, the statement {said}"
    decision = str(decide(verdicts, exact=exact))
    if decision != attempt["decision"]:
        yield f"is {decision}, the statement says {attempt['decision']}"


def _decision(statement: Mapping[str, Any], by_persons: Decision | None) -> Iterator[str]:
    """Where the decision is not what the attempts make it, or the persons who were asked."""
    attempts = statement["attempts"]
    expected = statement["limit_expectations"] or {}
    tried = [attempt["decision"] for attempt in attempts]
    decision = by_persons or decide_run(tried, limits_hold=expected.get("success") is True)
    if decision != statement["decision"]:
        yield f"decision: is {statement['decision']}, but the attempts make it {decision}"
    last = attempts[-1] if attempts else {"method": None, "sha256": None}
    level = assurance(decision, exact=last["method"] in EXACT)
    if level != statement["assurance"]:
        yield f"assurance: is {statement['assurance']}, but the decision gives {level}"
    wanted = last["sha256"] if decision == "released" else None
    if statement["candidate"]["sha256"] != wanted:
        yield f"candidate: is not {wanted}, which the decision is on"
