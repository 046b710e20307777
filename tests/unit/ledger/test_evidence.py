"""A sealed bundle is believed as it was sealed, and every change to it is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.adoptions import ADOPTED, adoptions, as_stated, objections
from ledger.chain import Verification
from ledger.errors import AlreadySealed
from ledger.evidence import read_sealed, refuse_other_folder, seal
from ledger.keyring import keyring_of
from ledger.lines import InFile
from ledger.log import Log
from unlearning.digests import canonical_json
from unlearning.errors import InfrastructureError, UsageError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = keyring_of(KEY.public_key())
POLICY = "12" * 32  # digest of the policy that the run goes by


def verdicts(**outcomes: str) -> list[dict[str, str]]:
    return [
        {"gate": gate, "outcome": outcome, "reason": "measured"}
        for gate, outcome in outcomes.items()
    ]


def statement(folder: Path, **changes: Any) -> dict[str, Any]:
    attempt = {"exact": False, "verdicts": verdicts(utility="PASSED", forgetting="PASSED")}
    log = Log.open(InFile(folder / "log.jsonl"), PUBLIC)
    (adoption,) = adoptions(log.entries())
    return {
        "run": "run-1",
        "decision": "released",
        "candidate": {"sha256": "ab" * 32},
        "attempts": [attempt],
        "policy_sha256": POLICY,
        "policy_adopted": as_stated(adoption),
        "log_head": log.head,
        **changes,
    }


@pytest.fixture
def unsealed(tmp_path: Path) -> Path:
    """A run's folder: measurements, a plot and the log, whose first entry is of no account."""
    folder = tmp_path / "run-1"
    (folder / "plots").mkdir(parents=True)
    (folder / "measurements.json").write_text('[{"name":"auc","value":0.51}]')
    (folder / "plots" / "scores.png").write_bytes(b"picture")
    write_log(folder, counted, adopted(POLICY), begun(POLICY))
    return folder


def write_log(folder: Path, *entries: tuple[str, dict[str, Any], str]) -> None:
    """Write a log of these entries: event, body and key."""
    (folder / "log.jsonl").unlink(missing_ok=True)
    log = Log.open(InFile(folder / "log.jsonl"), KEY)
    for event, body, key in entries:
        log.append(event, body, key=key, now=NOW)


counted: tuple[str, dict[str, Any], str] = ("counted", {"number": 0}, "count/0")


def adopted(digest: str, number: int = 1) -> tuple[str, dict[str, Any], str]:
    return ADOPTED, {"sha256": digest, "reason": "a test"}, f"policy/{number}"


def begun(digest: str) -> tuple[str, dict[str, Any], str]:
    return "step", {"policy": digest}, "run-1/begun"


@pytest.fixture
def bundle(unsealed: Path) -> Path:
    seal(unsealed, statement(unsealed), KEY)
    return unsealed


def verified(folder: Path) -> Verification:
    return read_sealed(folder, PUBLIC).verification


def policy_problems(folder: Path) -> list[str]:
    sealed = read_sealed(folder, PUBLIC)
    assert sealed.verification.ok, sealed.verification.problems
    found = objections(sealed.statement, sealed.entries)
    return [problem for problem in found if not problem.startswith("params")]


def altered(folder: Path, **changes: Any) -> None:
    path = folder / "statement.json"
    path.write_bytes(canonical_json({**json.loads(path.read_bytes()), **changes}))


def test_a_sealed_bundle_verifies(bundle: Path):
    report = verified(bundle)
    assert report.ok and report.problems == ()
    assert len(report.checked) == 3
    files = read_sealed(bundle, PUBLIC).statement["files"]
    assert set(files) == {"measurements.json", "plots/scores.png", "log.jsonl"}


def test_sealing_again_is_no_change_unless_the_content_is_another(bundle: Path):
    before = (bundle / "statement.json").stat().st_mtime_ns
    seal(bundle, statement(bundle), KEY)
    assert (bundle / "statement.json").stat().st_mtime_ns == before
    with pytest.raises(AlreadySealed, match="run-1"):
        seal(bundle, statement(bundle, decision="refused"), KEY)
    (bundle / "measurements.json").write_text("[]")
    with pytest.raises(AlreadySealed):
        seal(bundle, statement(bundle), KEY)


def test_a_crash_between_statement_and_signature_is_sealed_over(bundle: Path):
    (bundle / "statement.sig").rename(bundle / ".abc.part")
    assert not verified(bundle).ok
    seal(bundle, statement(bundle, sealed_at="2026-06-11"), KEY)
    assert verified(bundle).ok


def test_the_altered_value_of_a_statement_is_named(bundle: Path):
    altered(bundle, candidate={"sha256": "cd" * 32})
    report = verified(bundle)
    assert report.problems == ("statement.json: candidate.sha256: is not the sealed value",)


def test_added_and_removed_values_are_named(bundle: Path):
    altered(bundle, note="trust me", candidate={})
    problems = verified(bundle).problems
    assert "statement.json: note: was added after sealing" in problems
    assert any("candidate.sha256: is missing" in problem for problem in problems)


def test_an_altered_file_is_named_with_both_digests(bundle: Path):
    (bundle / "measurements.json").write_text('[{"name":"auc","value":0.50}]')
    (problem,) = verified(bundle).problems
    assert problem.startswith("file measurements.json: sha256 got ")
    assert "expected " in problem


def test_missing_added_and_linked_files_are_named(bundle: Path, tmp_path: Path):
    (bundle / "plots" / "scores.png").unlink()
    (bundle / "plots" / "other.png").write_bytes(b"another")
    (tmp_path / "outside.json").write_bytes((bundle / "measurements.json").read_bytes())
    (bundle / "measurements.json").unlink()
    (bundle / "measurements.json").symlink_to(tmp_path / "outside.json")
    assert verified(bundle).problems == (
        "file measurements.json: is a link, expected a plain file",
        "file plots/other.png: is not part of what was sealed",
        "file plots/scores.png: is missing",
    )


def test_a_later_statement_has_none_after_it_and_a_file_is_no_folder(bundle: Path, tmp_path: Path):
    (bundle / "completion").symlink_to(tmp_path / "nowhere")
    assert verified(bundle).problems == ("file completion: is not part of what was sealed",)
    later = bundle / "erasure"
    later.mkdir()
    (later / "log.jsonl").write_bytes((bundle / "log.jsonl").read_bytes())
    log = Log.open(InFile(later / "log.jsonl"), PUBLIC)
    seal(later, {"run": "run-1", "log_head": log.head}, KEY)
    assert verified(later).ok
    (later / "completion").mkdir()
    (later / "completion" / "evil.html").write_text("a word")
    assert verified(later).problems == (
        "file completion/evil.html: is not part of what was sealed",
    )


def test_no_byte_of_statement_signature_or_log_can_be_changed_unnoticed(bundle: Path):
    """Every 7th byte: 7 shares no factor with the 64 of a digest, so every field is met."""
    for name in ("statement.json", "statement.sig", "log.jsonl"):
        content = (bundle / name).read_bytes()
        for position in range(0, len(content), 7):
            changed = bytearray(content)
            changed[position] ^= 1
            (bundle / name).write_bytes(bytes(changed))
            report = verified(bundle)
            assert not report.ok
            assert any(name in problem for problem in report.problems)
        (bundle / name).write_bytes(content)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"a":NaN}', b'{"a":"\\ud800"}', b"\xff", b"[" * 100_000]
)
def test_rubbish_in_place_of_a_statement_is_a_finding_and_no_crash(bundle: Path, content: bytes):
    for name in ("statement.sig", "statement.json"):
        (bundle / name).write_bytes(content)
        assert not verified(bundle).ok


def test_the_given_key_decides_and_a_key_in_the_bundle_does_not(unsealed: Path):
    other = Ed25519PrivateKey.generate()
    seal(unsealed, statement(unsealed), other)
    assert "statement.sig" in verified(unsealed).problems[0]


def test_the_log_excerpt_may_begin_late_but_must_end_at_the_head(unsealed: Path):
    log = unsealed / "log.jsonl"
    first, second, third = log.read_bytes().splitlines(keepends=True)
    whole = statement(unsealed)
    log.write_bytes(second + third)
    seal(unsealed, whole, KEY)
    assert verified(unsealed).ok
    for lines in (second, first + third, b""):
        log.write_bytes(lines)
        (unsealed / "statement.sig").unlink()
        seal(unsealed, whole, KEY)
        (problem,) = verified(unsealed).problems[:1]
        assert problem.startswith("log.jsonl")


def test_only_plain_files_are_sealed(unsealed: Path):
    (unsealed / "link").symlink_to(unsealed / "measurements.json")
    with pytest.raises(UsageError, match="link"):
        seal(unsealed, statement(unsealed), KEY)


def test_what_is_no_bundle_is_no_alarm_and_what_is_left_of_one_is(bundle: Path):
    for elsewhere in (bundle / "nowhere", bundle.parent):
        with pytest.raises(UsageError, match="is no bundle"):
            refuse_other_folder(elsewhere)
    for name in ("statement.json", "statement.sig"):
        (bundle / name).unlink()
        refuse_other_folder(bundle)
        assert not verified(bundle).ok


def test_a_full_disk_leaves_the_folder_unsealed(unsealed: Path, monkeypatch: pytest.MonkeyPatch):
    content = statement(unsealed)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(InfrastructureError):
        patch.setattr("os.fsync", full)
        seal(unsealed, content, KEY)
    assert not list(unsealed.glob("statement.*"))


OTHER = "34" * 32


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ((counted, begun(POLICY)), "none was in force when the run began with entry 2"),
        (
            (counted, begun(POLICY), adopted(POLICY)),
            "which entry 3 adopted only later",
        ),
        (
            (adopted(POLICY), adopted(OTHER, 2), begun(POLICY)),
            f"{OTHER[:16]} was in force when the run began with entry 3",
        ),
        ((adopted(POLICY), begun(OTHER)), f"the run began with {OTHER[:16]}"),
        ((counted, adopted(POLICY)), "no entry tells that run-1 began"),
    ],
)
def test_a_policy_that_was_not_in_force_when_the_run_began_is_found(
    unsealed: Path, entries: tuple[tuple[str, dict[str, Any], str], ...], said: str
):
    """Signatures, chain and digests are sound each time: only the order of events is not."""
    stated = statement(unsealed)
    write_log(unsealed, *entries)
    head = Log.open(InFile(unsealed / "log.jsonl"), PUBLIC).head
    seal(unsealed, {**stated, "log_head": head}, KEY)
    problems = policy_problems(unsealed)
    assert any(said in problem for problem in problems), problems
    assert all(problem.startswith("policy") for problem in problems)


def test_a_later_change_of_the_policy_does_not_touch_a_run_that_has_begun(unsealed: Path):
    write_log(unsealed, adopted(OTHER), adopted(POLICY, 2), begun(POLICY), adopted(OTHER, 3))
    log = Log.open(InFile(unsealed / "log.jsonl"), PUBLIC)
    held = as_stated(adoptions(log.entries())[1])
    assert (held["seq"], held["reason"]) == (2, "a test")
    whole = {"attempts": [], "decision": "refused", "run": "run-1", "log_head": log.head}
    seal(unsealed, {**whole, "policy_sha256": POLICY, "policy_adopted": held}, KEY)
    assert policy_problems(unsealed) == []


@pytest.mark.parametrize("change", [{"seq": 1}, {"reason": "better"}, {"at": "2026-06-09"}])
def test_the_statement_names_the_entry_that_adopted_its_policy(
    unsealed: Path, change: dict[str, Any]
):
    stated = statement(unsealed)
    seal(unsealed, {**stated, "policy_adopted": {**stated["policy_adopted"], **change}}, KEY)
    (problem,) = policy_problems(unsealed)
    assert problem == "policy_adopted: is not what entry 2 of the log says"
