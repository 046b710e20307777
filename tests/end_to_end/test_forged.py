"""Whoever has the signing key can sign anything; what the log says otherwise gives him away.

Each bundle here is genuine but for one change, sealed again with the workspace's own key.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.cli.work.verifying import Expected, verify_evidence
from ledger import evidence
from ledger.intoto.envelopes import sealed
from ledger.keys import load_public_keys, load_signing_key
from systems.settings.workspace import Workspace
from tasks.keeping.verified import verify_records
from tests.end_to_end.conftest import MakeLethe, Told
from unlearning.digests import canonical_json

Statement = dict[str, Any]


def verified(told: Told, bundle: Path, expected: Expected = Expected()) -> dict[str, Any]:  # noqa: B008
    key = load_public_keys(told.lethe.root / "records" / "public.pem")
    return verify_evidence(bundle, key, expected)


def resealed(told: Told, folder: Path, change: Callable[[Statement], object]) -> Path:
    """Change a statement and sign it, as an insider would; later ones would give it away."""
    shutil.rmtree(folder / evidence.ERASURE, ignore_errors=True)
    statement = json.loads((folder / evidence.STATEMENT).read_bytes())
    change(statement)
    del statement["files"]
    (folder / evidence.SIGNATURE).unlink()
    evidence.seal(folder, statement, load_signing_key(told.lethe.root / "keys"))
    return folder


@pytest.fixture
def bundle(told: Told, tmp_path: Path) -> Path:
    return Path(shutil.copytree(told.bundle, tmp_path / "bundle"))


def first_attempt(**changes: Any) -> Callable[[Statement], object]:
    return lambda statement: statement["attempts"][0].update(changes)


def without_measurements(statement: Statement) -> None:
    del statement["attempts"][0]["measurements"]


def better_measurements(statement: Statement) -> None:
    for row in statement["attempts"][0]["measurements"]:
        row["value"] = row["low"] = row["high"] = 0.5


def passed(statement: Statement) -> None:
    for verdict in statement["attempts"][0]["verdicts"]:
        verdict["outcome"] = "PASSED"


FORGED: dict[str, tuple[Callable[[Statement], object], str]] = {
    "famr is exact": (first_attempt(exact=True), "exact"),
    "another method": (first_attempt(method="retrain"), "attempt 1: method"),
    "another seed": (first_attempt(seed=1), "attempt 1: seed"),
    "other settings": (first_attempt(settings={}), "attempt 1: settings"),
    "another attempt's weights": (first_attempt(sha256="ab" * 32), "attempt 1: sha256"),
    "an attempt that was released": (first_attempt(decision="released"), "attempt 1: decision"),
    "gates that passed": (passed, "attempt 1: verdicts"),
    "no measurements": (without_measurements, "attempt 1: measurements"),
    "better measurements": (better_measurements, "attempt 1: measurements"),
    "an attempt fewer": (lambda s: s["attempts"].pop(0), "attempts: got"),
    "another candidate": (lambda s: s.update(candidate={"sha256": "ab" * 32}), "candidate"),
    "another decision": (lambda s: s.update(decision="refused"), "decision"),
    "a higher assurance": (lambda s: s.update(assurance="A9"), "assurance"),
    "another request": (lambda s: s.update(requests=["req-000000000000"]), "requests"),
    "another run": (lambda s: s.update(run="run-000000000000"), "policy"),
    "another parent": (lambda s: s["parent"].update(version=9), "parent"),
    "another policy": (lambda s: s.update(policy_sha256="12" * 32), "policy"),
    "other params": (lambda s: s.update(params_sha256="12" * 32), "params"),
    "attempts before it": (
        lambda s: s.update(earlier_attempts={"attempts": 1, "approximate": 1}),
        "earlier_attempts",
    ),
    "a count of drift": (lambda s: s["forget_set"]["drift"].update(releases=1), "forget_set"),
    "judgements that were not": (lambda s: s.update(judgements={"req-0": 1}), "judgements"),
    "another level": (lambda s: s.update(forget_level=0.5), "forget_level"),
    "limits that held": (lambda s: s.update(limit_expectations=None), "limit_expectations"),
    "another day": (lambda s: s.update(decided_at="2020-01-01T00:00:00+00:00"), "decided_at"),
    "a value less": (lambda s: s.pop("forget_set"), "forget_set: is missing"),
}


@pytest.mark.parametrize("name", list(FORGED))
def test_a_signed_statement_that_its_log_contradicts_is_found(
    told: Told, bundle: Path, name: str
) -> None:
    change, said = FORGED[name]
    found = verified(told, resealed(told, bundle, change))
    assert not found["ok"]
    assert any(said in problem for problem in found["problems"]), found["problems"]


def test_measurements_that_were_bettered_everywhere_are_not_the_logs(
    told: Told, bundle: Path
) -> None:
    records = json.loads((bundle / "attempts.json").read_bytes())
    better_measurements({"attempts": records})
    (bundle / "attempts.json").write_text(json.dumps(records))
    found = verified(told, resealed(told, bundle, better_measurements))
    assert any("what the log's decision was made on" in line for line in found["problems"])


def test_a_looser_policy_in_the_bundle_is_not_the_one_in_force(told: Told, bundle: Path) -> None:
    text = (bundle / "policy.yaml").read_text()
    (bundle / "policy.yaml").write_text(f"{text}# looser\n")
    found = verified(told, resealed(told, bundle, lambda statement: None))
    assert any("policy.yaml: SHA-256" in line for line in found["problems"])


def in_steps(bundle: Path, step: str, change: Callable[[Any], object], key: Any) -> Path:
    """Change what is stated on a step, and sign it."""
    (path,) = bundle.rglob(f"steps/*-{step}.*")
    payload = json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))
    change(payload)
    path.write_bytes(sealed(canonical_json(payload), key))
    return path


def test_a_step_that_is_stated_otherwise_than_the_log_has_it_is_named(
    told: Told, bundle: Path
) -> None:
    key = load_signing_key(told.lethe.root / "keys")
    path = in_steps(bundle, "judge-1", lambda p: p["subject"].pop(), key)
    assert any(path.name in line for line in verified(told, bundle)["problems"]), "its file differs"
    found = verified(told, resealed(told, bundle, lambda statement: None))["problems"]
    assert found == [f"steps/{path.name}: subject: is not what the log says of this step"]


def test_a_bundle_without_its_steps_is_none_of_before(told: Told, bundle: Path) -> None:
    """Neither by leaving them out, nor by calling itself one of before: the log says what it is."""
    shutil.rmtree(bundle / "steps")
    found = verified(told, resealed(told, bundle, lambda statement: None))["problems"]
    assert len(found) > 5 and all("is missing" in line for line in found)
    older = verified(told, resealed(told, bundle, lambda s: s.update(type="lethe/evidence/1")))
    assert any("type: is not what the log says" in line for line in older["problems"])


def test_an_excerpt_that_hides_its_beginning_is_found(told: Told, bundle: Path) -> None:
    lines = (bundle / "log.jsonl").read_bytes().splitlines(keepends=True)
    (bundle / "log.jsonl").write_bytes(b"".join(lines[1:]))
    found = verified(told, resealed(told, bundle, lambda statement: None))
    assert any("does not begin with entry 1" in line for line in found["problems"])


def test_it_says_what_it_is_about_and_whether_that_is_what_was_asked(
    told: Told, bundle: Path, tmp_path: Path
) -> None:
    found, statement = verified(told, bundle), told.statement
    assert found["ok"], found["problems"]
    assert (found["run"], found["requests"]) == (statement["run"], [told.request])
    assert (found["decision"], found["sealed_at"]) == ("released", statement["decided_at"])
    assert found["candidate"] == statement["candidate"]["sha256"]
    champion = Path(told.answer.json["champion"]["weights"])
    for asked, ok in (
        (Expected(request=told.request, candidate=champion, head=statement["log_head"]), True),
        (Expected(request="req-000000000000"), False),
        (Expected(candidate=bundle / "policy.yaml"), False),
        (Expected(head="ab" * 32), False),
    ):
        assert verified(told, bundle, asked)["ok"] is ok


def test_the_erasure_is_stated_once_it_has_happened(told: Told, bundle: Path) -> None:
    """Each statement names the log's entry that it ends with: the decision, then the purge."""
    assert told.statement["assurance"] == told.answer.json["assurance"]
    found = verified(told, bundle)
    assert found["erased_at"] > found["sealed_at"]
    assert found["completed_at"] is None  # replaced weights are kept for days of grace
    resealed(told, bundle / "erasure", lambda statement: statement["copies"].pop())
    assert any("erasure/statement.json: copies" in p for p in verified(told, bundle)["problems"])
    shutil.rmtree(bundle / "erasure")
    found = verified(told, bundle)
    assert (found["ok"], found["erased_at"]) == (True, None)


def test_what_was_emptied_or_cut_beside_the_log_is_found(told: Told, make_lethe: MakeLethe) -> None:
    root = make_lethe("emptied", told.lethe.root).root
    ws, records = Workspace.at(root), root / "records"
    assert verify_records(ws, None).ok
    assert "has no entry" in verify_records(ws, "ab" * 32).problems[0]
    for place, said in (
        (records / "suppression.jsonl", "suppression.jsonl: SHA-256 got e3b0c44298fc"),
        (records / "sealed", "sealed/"),
        (records / "policies", "policies/"),
        (records / "params", "params/"),
        (ws.evidence / told.answer.json["run"] / "erasure", "erasure/statement.json: got no file"),
    ):
        aside = place.rename(root / "aside")
        assert any(said in line for line in verify_records(ws, None).problems), said
        aside.rename(place)
    log = ws.log.read_bytes().splitlines(keepends=True)
    for name in (records / "ledger.db", root / "keys" / "head.json"):
        name.unlink()
    ws.log.write_bytes(b"".join(log[:-3]))
    assert any("it was cut" in line for line in verify_records(ws, None).problems)
