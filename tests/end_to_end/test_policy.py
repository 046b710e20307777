"""A run goes by the policy in force, and every change of that is an entry of the signed log."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledger import evidence
from ledger.keys import load_signing_key
from tests.end_to_end.commandline import Lethe, subjects
from tests.end_to_end.conftest import MakeLethe
from tests.end_to_end.driver import AtEntry
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.test_bad_input import assert_one_line, digests
from tests.end_to_end.traces import people_of

KILLED, USAGE, ALARM = -9, 2, 30
AUC = "gates.forgetting.limits_by_size[0].auc"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def loosened(lethe: Lethe) -> Path:
    """Change a limit of policy.yaml, as one may who dislikes a refusal."""
    path = lethe.root / "policy.yaml"
    tree = yaml.safe_load(path.read_text())
    tree["gates"]["forgetting"]["limits_by_size"][0]["auc"] = 0.6
    path.write_text(yaml.safe_dump(tree))
    return path


def purge_request(lethe: Lethe) -> str:
    """Ask for what was never trained on: a whole run in seconds, without unlearning."""
    return lethe.submit(*subjects(people_of(lethe.root, "holdout", 1)))


def check_named(lethe: Lethe, name: str, *, code: int) -> dict[str, Any]:
    checks = lethe("doctor", code=code).json["checks"]
    return next(check for check in checks if check["name"] == name)


def test_an_edited_policy_is_refused_until_it_is_adopted(lethe: Lethe) -> None:
    request = purge_request(lethe)
    (first,) = lethe("policy").json["history"]
    policy = loosened(lethe)
    got, expected = sha256(policy)[:16], first["sha256"][:16]
    before = digests(lethe)
    for words in ([], ["--policy", str(policy)]):
        answer = lethe("forget", request, *words, code=USAGE)
        assert_one_line(answer, "policy.yaml", got, expected, "lethe policy --adopt FILE")
        assert digests(lethe) == before
    assert got in check_named(lethe, "policy", code=20)["hint"]
    assert lethe("plan", request).json["policy"] == {"sha256": sha256(policy), "in_force": False}
    shown = lethe("policy").json
    assert (shown["sha256"], shown["on_disk_in_force"]) == (first["sha256"], False)
    assert shown["differs"] == [f"{AUC}: 0.55 -> 0.6 (looser)"]

    adopt = ["policy", "--adopt", str(policy), "--reason", "fewer people ask than we thought"]
    adopted = lethe(*adopt).json
    assert (adopted["adopted"], adopted["on_disk_in_force"]) == (True, True)
    assert (adopted["sha256"], adopted["differs"]) == (sha256(policy), [])
    (*_, change) = lethe("policy").json["history"]
    assert change["reason"] == "fewer people ask than we thought"
    assert change["changes"] == [f"{AUC}: 0.55 -> 0.6 (looser)"]
    (entry,) = [e for e in lethe.entries() if e["seq"] == change["entry"]]
    assert (entry["event"], entry["body"]["sha256"]) == ("policy_adopted", sha256(policy))
    assert lethe("verify", "--log").json["ok"]
    assert check_named(lethe, "policy", code=0)["ok"]
    assert lethe("plan", request).json["policy"]["in_force"]

    before = digests(lethe)
    assert lethe(*adopt).json["adopted"] is False
    assert digests(lethe) == before

    found = lethe("forget", request).json
    assert found["decision"] == "purge"
    assert lethe("verify", found["evidence"]).json["ok"]


def test_another_file_becomes_the_workspaces_policy_and_the_old_one_is_kept(lethe: Lethe) -> None:
    old = (lethe.root / "policy.yaml").read_bytes()
    path = Path(lethe.write_policy(CHEAP))
    lethe.adopt(str(path))
    assert (lethe.root / "policy.yaml").read_bytes() == path.read_bytes()
    kept = lethe.root / "records" / "policies" / f"{hashlib.sha256(old).hexdigest()}.yaml"
    assert kept.read_bytes() == old
    # It was in force once, which is not enough.
    answer = lethe("forget", purge_request(lethe), "--policy", str(kept), code=USAGE)
    assert_one_line(answer, kept.name, sha256(path)[:16])


def test_a_run_that_was_killed_goes_on_with_the_policy_it_began_with(lethe: Lethe) -> None:
    request, begun_with = purge_request(lethe), sha256(lethe.root / "policy.yaml")
    lethe("forget", request, code=KILLED, killer=AtEntry("begun", logged=True))
    lethe.adopt(lethe.write_policy(CHEAP))
    found = lethe("forget", request).json
    statement = json.loads((Path(found["evidence"]) / "statement.json").read_text())
    assert statement["policy_sha256"] == begun_with != lethe("policy").json["sha256"]
    assert lethe("verify", found["evidence"]).json["ok"]


def test_a_policy_changed_under_a_run_is_an_alarm(lethe: Lethe) -> None:
    request = lethe.submit(*subjects(people_of(lethe.root, "train", 1)))
    lethe("forget", request, code=KILLED, killer=AtEntry("begun", logged=True))
    (copy,) = lethe.root.glob("artifacts/candidates/run-*/policy.yaml")
    shutil.copy(loosened(lethe), copy)
    answer = lethe("forget", request, code=ALARM)
    assert_one_line(answer, "policy.yaml", sha256(copy)[:16], "records/policies")
    assert lethe.champion()["version"] == 1


def test_a_workspace_from_before_says_how_to_adopt(lethe: Lethe) -> None:
    """Its log has no such entry; here one whose log is begun anew stands for it.

    Such a log vouches for no champion either, so that nothing runs on it before a backup is back.
    """
    for name in ("records/log.jsonl", "records/ledger.db", "keys/head.json"):
        (lethe.root / name).unlink()
    request = lethe.submit(*subjects(people_of(lethe.root, "holdout", 1)))
    answer = lethe("forget", request, code=ALARM)
    assert_one_line(answer, "champion", "the log knows no release", "restore records/")
    shown = lethe("policy").json
    assert (shown["sha256"], shown["on_disk_in_force"], shown["history"]) == (None, False, [])
    lethe("policy", "--adopt", str(lethe.root / "policy.yaml"), "--reason", "as it always was")
    assert lethe("policy").json["on_disk_in_force"]


@pytest.fixture(scope="module")
def bundle(make_lethe: MakeLethe) -> tuple[Lethe, Path]:
    """A workspace, and the evidence of a run under its first policy."""
    lethe = make_lethe("bundle")
    return lethe, Path(lethe("forget", purge_request(lethe)).json["evidence"])


class TestBundle:
    """What whoever verifies learns of the policy from the bundle alone."""

    def test_it_names_the_entry_that_adopted_the_policy(self, bundle: tuple[Lethe, Path]) -> None:
        lethe, folder = bundle
        statement = json.loads((folder / "statement.json").read_text())
        (entry,) = [e for e in lethe.entries() if e["event"] == "policy_adopted"]
        assert statement["policy_adopted"] == {
            "at": entry["at"],
            "reason": "the first policy, at init",
            "seq": entry["seq"],
            "entry": entry["hash"],
        }
        assert statement["policy_sha256"] == entry["body"]["sha256"]
        assert statement["policy_sha256"] == sha256(folder / "policy.yaml")

    def test_a_swapped_policy_fails(self, bundle: tuple[Lethe, Path], tmp_path: Path) -> None:
        lethe, folder = bundle
        shutil.copytree(folder, tmp_path / "bundle")
        (tmp_path / "bundle" / "policy.yaml").write_text(yaml.safe_dump(CHEAP))
        answer = lethe("verify", str(tmp_path / "bundle"), code=ALARM)
        assert any("policy.yaml" in problem for problem in answer.json["problems"])

    def test_nor_does_the_signing_key_help(
        self, bundle: tuple[Lethe, Path], tmp_path: Path
    ) -> None:
        """Sealed anew over another policy, the bundle still holds the log of that time."""
        lethe, folder = bundle
        swapped = tmp_path / "bundle"
        shutil.copytree(folder, swapped)
        (swapped / "policy.yaml").write_text(yaml.safe_dump(CHEAP))
        statement = json.loads((swapped / "statement.json").read_text())
        statement["policy_sha256"] = sha256(swapped / "policy.yaml")
        (swapped / evidence.SIGNATURE).unlink()
        evidence.seal(swapped, statement, load_signing_key(lethe.root / "keys"))
        problems = lethe("verify", str(swapped), code=ALARM).json["problems"]
        assert any("was in force when the run began" in problem for problem in problems)
