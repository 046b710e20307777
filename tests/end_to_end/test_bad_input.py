"""Bad input: one clear line, the exit code of the contract, and nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.end_to_end.commandline import COMMAND, SECONDS, Answer, Lethe, installed, subjects
from tests.end_to_end.conftest import MakeLethe
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import files_below, people_of

USAGE, REFUSED, DENIED, AGAIN, ALARM = 2, 10, 12, 20, 30


@pytest.fixture(scope="module")
def shared(make_lethe: MakeLethe) -> Lethe:
    """One workspace for all that must leave it as it was, with a request that is accepted."""
    lethe = make_lethe("bad-input")
    lethe.submit("--subject", *people_of(lethe.root, "train", 1))
    return lethe


@pytest.fixture
def unchanged(shared: Lethe) -> Iterator[Lethe]:
    """Give the workspace, and find it as it was."""
    before = digests(shared)
    yield shared
    assert digests(shared) == before


def digests(lethe: Lethe, *, log: bool = True) -> dict[str, str]:
    """Digest what a workspace is: every file but locks, databases and DVC's notes to itself.

    The inbox's key is drawn anew whenever nothing waits any more.
    """
    root = lethe.root
    databases = {"ledger.db", "mlflow.db", "inbox.db", "inbox.key"}
    apart = {"lock", "registry.lock", "head.json"} | databases | (set() if log else {"log.jsonl"})
    found = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_below(root)
        if path.name not in apart and not path.is_relative_to(root / ".dvc" / "tmp")
    }
    return found | {"registry": json.dumps(lethe("list", "versions").json)}


def accepted(lethe: Lethe) -> str:
    """Give the request that waits."""
    (request,) = (
        found["request"]
        for found in lethe("list", "requests").json["requests"]
        if found["state"] == "accepted"
    )
    return str(request)


def assert_one_line(answer: Answer, *words: str) -> None:
    """Assert that a failure is one line for people and one object for programs, both naming it."""
    assert answer.err.count("\n") == 1, answer.err
    line = answer.err.strip()
    assert line.startswith("lethe: ")
    assert all(word in line for word in words), line
    assert answer.json["error"] in line
    assert answer.json["exit_code"] == answer.code


class TestDenied:
    """What no unlearning can serve is recorded as denied, and changes nothing else."""

    def submit(self, lethe: Lethe, *selection: str) -> Answer:
        before, entries = digests(lethe, log=False), len(lethe.entries())
        answer = lethe("submit", *selection, code=DENIED)
        sealed = f"records/sealed/{answer.json['request']}.bin"
        after = {name: d for name, d in digests(lethe, log=False).items() if name != sealed}
        after = {name: d for name, d in after.items() if answer.json["request"] not in name}
        assert after == before
        (entry,) = lethe.entries()[entries:]
        assert (entry["event"], entry["body"]["state"]) == ("submitted", "denied")
        (line,) = answer.err.strip().splitlines()
        assert answer.json["reason"] in line
        assert answer.json["state"] == "denied"
        return answer

    def test_an_unknown_subject(self, shared: Lethe) -> None:
        answer = self.submit(shared, "--subject", "nobody@nowhere")
        assert "matches no example" in answer.err
        assert "nobody" not in answer.err + answer.out

    def test_a_class_without_examples(self, shared: Lethe) -> None:
        assert "matches no example" in self.submit(shared, "--class", "eleven").err

    def test_all_of_the_data(self, shared: Lethe) -> None:
        people = people_of(shared.root, "train", 1000)
        assert "expected some to be left" in self.submit(shared, *subjects(people)).err


class TestData:
    """Shards that are not what was stored stop a run, and the champion stays."""

    @pytest.fixture
    def run(self, lethe: Lethe) -> tuple[Lethe, str, Path]:
        lethe.adopt(lethe.write_policy(CHEAP))
        request = lethe.submit("--subject", *people_of(lethe.root, "train", 1))
        return lethe, request, next(files_below(lethe.root / "data" / "shards"))

    def test_a_corrupted_shard(self, run: tuple[Lethe, str, Path]) -> None:
        lethe, request, shard = run
        good = shard.read_bytes()
        half = len(good) // 2
        shard.write_bytes(good[:half] + bytes([good[half] ^ 1]) + good[half + 1 :])
        before = digests(lethe, log=False)
        assert_one_line(lethe.forget(request, code=ALARM), f"shards/{shard.name}", "SHA-256")
        self.assert_served_as_before(lethe, before)
        shard.write_bytes(good)
        assert lethe.forget(request).json["decision"] == "released"

    def test_a_shard_that_is_nowhere(self, run: tuple[Lethe, str, Path]) -> None:
        lethe, request, shard = run
        digest = hashlib.md5(shard.read_bytes(), usedforsecurity=False).hexdigest()
        copies = [p for p in files_below(lethe.root) if p.parts[-2:] == (digest[:2], digest[2:])]
        assert len(copies) == 2
        for path in (*copies, shard):
            path.unlink()
        before = digests(lethe, log=False)
        answer = lethe.forget(request, code=AGAIN)
        *_, line = answer.err.splitlines(keepends=True)  # DVC reports the failed transfer before
        assert_one_line(Answer(answer.code, answer.out, line), f"shards/{shard.name}", "remote")
        self.assert_served_as_before(lethe, before)

    def test_a_shard_that_only_the_remote_has(self, run: tuple[Lethe, str, Path]) -> None:
        lethe, request, shard = run
        shard.unlink()
        shutil.rmtree(lethe.root / ".dvc" / "cache")
        assert lethe.forget(request).json["decision"] == "released"

    def assert_served_as_before(self, lethe: Lethe, before: dict[str, str]) -> None:
        after = digests(lethe, log=False)
        added = {name for name in after if name not in before}
        assert all(name.startswith("artifacts/candidates/") for name in added)
        assert {name: after.get(name) for name in before} == before
        assert lethe("verify", "--log").json["ok"]


class TestWeights:
    """A file that is no network is refused before anything is computed."""

    def judge(self, lethe: Lethe, file: Path, code: int) -> Answer:
        request = accepted(lethe)
        return lethe("judge", "--request", request, "--candidate", str(file), code=code)

    def test_truncated(self, unchanged: Lethe, tmp_path: Path) -> None:
        (weights,) = unchanged.root.glob("mlruns/**/weights.safetensors")
        file = tmp_path / "cut.safetensors"
        file.write_bytes(weights.read_bytes()[:-100])
        assert_one_line(self.judge(unchanged, file, ALARM), "cut.safetensors")

    @pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
    def test_a_pickle(self, unchanged: Lethe, tmp_path: Path, name: str) -> None:
        torch.save({"weight": torch.zeros(3)}, tmp_path / name)
        assert_one_line(self.judge(unchanged, tmp_path / name, USAGE), name, "safetensors")

    def test_not_there(self, unchanged: Lethe, tmp_path: Path) -> None:
        answer = self.judge(unchanged, tmp_path / "none.safetensors", USAGE)
        assert_one_line(answer, "none.safetensors")


class TestPolicy:
    """A policy that could release anything is none: it is neither gone by nor adopted."""

    @pytest.mark.parametrize("gates", [None, {}, {"integrity": {"classes": 2}}])
    def test_without_gates(self, unchanged: Lethe, gates: Any) -> None:
        for answer in self.refused(unchanged, {**CHEAP, "gates": gates}):
            assert_one_line(answer, "policy.yaml", "gates")

    @pytest.mark.parametrize(
        "change", [{"ladder": []}, {"ladder": [{"method": "wish"}]}, {"attempts": 0}, {"gate": {}}]
    )
    def test_that_is_none(self, unchanged: Lethe, change: dict[str, Any]) -> None:
        for answer in self.refused(unchanged, {**CHEAP, **change}):
            assert_one_line(answer)

    def refused(self, lethe: Lethe, policy: dict[str, Any]) -> Iterator[Answer]:
        path = lethe.write_policy(policy)
        yield lethe("forget", accepted(lethe), "--policy", path, code=USAGE)
        yield lethe("policy", "--adopt", path, "--reason", "why not", code=USAGE)


@pytest.mark.long
def test_a_class_that_is_empty_by_now(lethe: Lethe) -> None:
    """Who asks for it again is served by the run that forgot it."""
    found = lethe.forget(lethe.submit("--class", "3")).json
    assert found["decision"] == "released"
    again = lethe("submit", "--class", "3").json
    assert (again["state"], again["examples"], again["run"]) == ("purging", 0, found["run"])


def test_a_method_that_diverges_is_refused_and_the_next_rung_follows(lethe: Lethe) -> None:
    request = lethe.submit("--subject", *people_of(lethe.root, "train", 1))
    wild = [
        {"method": "famr", "settings": {"epochs": 2, "learning_rate": 1e20}},
        {"method": "finetune", "settings": {"epochs": 2, "learning_rate": 1e20}},
    ]
    ladder = [*wild, {"method": "retrain"}]
    found = lethe.forget(request, policy={**CHEAP, "ladder": ladder}).json
    assert found["decision"] == "released"
    *diverged, retrained = found["attempts"]
    for attempt in diverged:
        assert attempt["decision"] == "refused"
        assert "diverged" in attempt["error"]
        (verdict,) = attempt["verdicts"]
        assert (verdict["gate"], verdict["outcome"]) == ("integrity", "FAILED")
    assert (len(diverged), retrained["method"]) == (2, "retrain")
    assert lethe("verify", found["evidence"]).json["ok"]


def test_the_second_of_two_at_once_is_sent_away(lethe: Lethe) -> None:
    people = people_of(lethe.root, "train", 2)
    first, second = (lethe.submit("--subject", person) for person in people)
    policy = lethe.write_policy(CHEAP)
    lethe.adopt(policy)
    running = lethe.start("forget", first, "--policy", policy)
    deadline = time.monotonic() + SECONDS
    while not any(entry["key"].endswith("/begun") for entry in lethe.entries()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert_one_line(lethe("forget", second, code=AGAIN), "another lethe is at work")
    assert running.end().code == 0
    assert lethe("show", second).json["state"] == "accepted"


class TestCommandLine:
    """What cannot be meant is said in a line."""

    @pytest.mark.parametrize(
        ("words", "named"),
        [
            (["forget", "req-000000000000"], "req-000000000000"),
            (["show", "req-000000000000"], "req-000000000000"),
            (["forget", "--all", "--bogus"], "--bogus"),
            (["forge"], "forge"),
            (["forget"], "--all"),
            (["forget", "--all", "--method", "wish"], "wish"),
            (["forget", "--all", "--policy", "none.yaml"], "none.yaml"),
            (["submit", "--subject", "a", "--class", "b"], "--subject"),
            (["submit", "--where", "colour=red"], "colour"),
            (["submit", "--subject", "a", "--received-at", "soon"], "soon"),
            (["submit", "--subject", "a", "--jurisdiction", "mars"], "jurisdiction"),
            (["judge", "--request", "req-000000000000", "--version", "7"], "7"),
            (["list", "wishes"], "wishes"),
            (["policy", "--adopt", "none.yaml", "--reason", "new"], "none.yaml"),
            (["policy", "--adopt", "policy.yaml"], "--reason"),
            (["policy", "--adopt", "policy.yaml", "--reason", " "], "--reason"),
            (["policy", "--reason", "new"], "--adopt"),
            (["init"], "workspace"),
            (["init", "--epochs", "1"], "workspace"),
            (["train", "--shadows", "9"], "bank.shadows: got 9, expected an even number"),
            (["train", "--shadows", "2"], "bank.shadows: got 2, expected"),
            (["train", "--shadows", "6"], "bank.shadows: got 6, expected at least 8"),
            (["train", "--seed", "-1"], "--seed: got -1, expected 0 to"),
            (["tune", "--method", "finetune", "--seed", "-1"], "--seed: got -1, expected 0 to"),
            (["tune", "--method", "finetune", "--trials", "0"], "got 0 trials"),
            (["tune", "--method", "finetune", "--budget", "nan"], "a budget of nan"),
            (["tune", "--method", "finetune", "--examples", "0"], "got --examples 0"),
        ],
    )
    def test_what_cannot_be_meant(self, unchanged: Lethe, words: list[str], named: str) -> None:
        assert_one_line(unchanged(*words, code=USAGE), named)

    def test_a_folder_that_is_no_workspace(self, shared: Lethe, tmp_path: Path) -> None:
        elsewhere = Lethe(tmp_path / "nothing", shared.temporary / "elsewhere", shared.context)
        assert_one_line(elsewhere("forget", "--all", code=USAGE), "nothing", "lethe init")
        assert not elsewhere.root.exists()


@pytest.mark.parametrize("words", [["submit", "--subject", "person/0001"], ["forget", "--all"]])
def test_a_read_only_workspace(
    unchanged: Lethe, environment: dict[str, str], words: list[str]
) -> None:
    command = [COMMAND, "--json", "--workspace", str(unchanged.root), *words]
    answer = installed(environment, *read_only(unchanged.root), *command)
    assert answer.code == AGAIN, answer.err
    assert_one_line(answer, "workspace", "read-only")


def read_only(root: Path) -> list[str]:
    """Give a prefix under which a folder cannot be written, also not by root."""
    if os.geteuid():
        pytest.skip("needs root, to mount the folder read-only in a namespace of its own")
    mount = f"mount --bind {root} {root} && mount -o remount,bind,ro {root}"
    prefix = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("needs the right to mount")
    return prefix


@pytest.mark.long
def test_a_bank_whose_answers_were_turned_around_judges_nobody(lethe: Lethe) -> None:
    """A shadow's logits are reversed, and the index made to fit: the log names another one."""
    from unlearning.bank.files import readable, write_arrays, write_index

    (bank,) = (lethe.root / "artifacts" / "bank").iterdir()
    index, shadow = (bank / "bank.json").read_bytes(), bank / "shadow-003.safetensors"
    arrays = readable(shadow)
    assert arrays is not None
    write_arrays(shadow, {**arrays, "logits": -arrays["logits"]})
    request = lethe.submit("--subject", *people_of(lethe.root, "train", 1))
    assert_one_line(lethe("plan", request, code=ALARM), bank.name, "shadow-003")
    write_index(bank, json.loads(index))
    assert_one_line(lethe.forget(request, code=ALARM), bank.name, "lethe train --shadows")
    hints = {c["name"]: c["hint"] for c in lethe("doctor", code=AGAIN).json["checks"] if c["hint"]}
    assert list(hints) == ["bank"] and "its index has SHA-256" in hints["bank"]

    bank.rename(lethe.temporary / "aside")
    lethe("train", "--shadows", "8")
    assert (bank / "bank.json").read_bytes() != index  # without whoever asked to be forgotten
    digest = hashlib.sha256((bank / "bank.json").read_bytes()).hexdigest()
    found = lethe.forget(request).json
    statement = json.loads((Path(found["evidence"]) / "statement.json").read_text())
    assert statement["bank"] == {"name": bank.name, "sha256": digest}
    assert statement["manifest_sha256"] == statement["forget_set"]["manifest"]
