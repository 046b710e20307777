"""How `lethe verify` checks a bundle: its seal, then its measurements by judging them again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.chain import Verification
from ledger.evidence import STATEMENT, verify_bundle
from systems.settings.policy import load_policy
from tasks.running.records import measurements_of
from unlearning.judging.verdicts import decide, gates_of, judge


def verify_evidence(folder: Path, public: Ed25519PublicKey) -> Verification:
    """Verify a bundle offline, and that the gates say of its measurements what it says they said.

    The judging is done with the policy in the bundle and needs neither the data nor the networks.
    """
    sealed = verify_bundle(folder, public)
    if not sealed.ok:
        return sealed
    statement = json.loads((folder / STATEMENT).read_text(encoding="utf-8"))
    problems = tuple(_contradictions(statement, folder / "policy.yaml"))
    count = len(statement["attempts"])
    words = f"{count} attempts: judged again from their measurements"
    return Verification((*sealed.checked, words), problems)


def _contradictions(statement: Mapping[str, Any], policy: Path) -> Iterator[str]:
    rules = load_policy(policy)
    if rules.digest != statement["policy_sha256"]:
        yield f"policy.yaml: SHA-256 {rules.digest[:16]}, expected the one of the statement"
    gates = gates_of(rules.gates)
    for number, attempt in enumerate(statement["attempts"], 1):
        if "measurements" not in attempt:  # it diverged and was never measured
            continue
        measured = measurements_of(attempt)
        level = measured["forget_level"].value if "forget_level" in measured else None
        if level != rules.level:
            yield f"attempt {number}: intervals of level {level}, the policy asks for {rules.level}"
        verdicts = judge(measured, gates)
        found = {verdict.gate: str(verdict.outcome) for verdict in verdicts}
        said = {verdict["gate"]: verdict["outcome"] for verdict in attempt["verdicts"]}
        if found != said:
            yield f"attempt {number}: the gates say {found}, the statement {said}"
        decision = str(decide(verdicts, exact=bool(attempt["exact"])))
        if decision != attempt["decision"]:
            yield f"attempt {number}: is {decision}, the statement says {attempt['decision']}"
