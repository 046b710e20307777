"""The whole sentence: deletion requests become a judged, promoted, audited model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import CHEAP, COMMAND, Answer, Lethe, MakeLethe, installed
from tests.end_to_end.traces import Canary, canary_of, files_below, holding, naming, people_of

REFUSED, INCONCLUSIVE, DENIED, ALARM = 10, 11, 12, 30
DIGITS = 1797  # images in scikit-learn's set
PEOPLE = 10  # with about a dozen images each, enough for the loosest limits
LADDER = [
    {"method": "famr", "settings": {"epochs": 5, "learning_rate": 0.001}},
    {"method": "finetune", "settings": {"epochs": 2}},
    {"method": "retrain"},
]
POLICY = {**CHEAP, "attempts": 4, "ladder": LADDER}


@dataclass(frozen=True)
class Told:
    """A workspace in which ten people were forgotten. home: Prefect's own folder for that."""

    lethe: Lethe
    request: str
    canary: Canary
    answer: Answer
    home: Path

    @property
    def bundle(self) -> Path:
        """The sealed evidence."""
        return Path(self.answer.json["evidence"])

    @property
    def statement(self) -> dict[str, Any]:
        """What was sealed."""
        found: dict[str, Any] = json.loads((self.bundle / "statement.json").read_text())
        return found


@pytest.fixture(scope="module")
def told(
    make_lethe: MakeLethe, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Told:
    """Forget with the installed command, and the server that Prefect starts for it."""
    lethe = make_lethe("told")
    people = people_of(lethe.root, "train", PEOPLE)
    canary = canary_of(lethe.root, people)
    request = lethe.submit(*subjects(people))
    home = tmp_path_factory.mktemp("home")
    own = {**environment, "PREFECT_HOME": str(home), "TMPDIR": str(lethe.temporary)}
    del own["PREFECT_API_URL"]
    policy = lethe.write_policy(POLICY)
    words = ["--json", "--workspace", str(lethe.root), "forget", request, "--policy", policy]
    answer = installed(own, COMMAND, *words)
    assert answer.code == 0, answer.err
    return Told(lethe, request, canary, answer, home)


def subjects(people: list[str]) -> list[str]:
    return [word for person in people for word in ("--subject", person)]


class TestTenPeople:
    """What a released run leaves behind."""

    def test_the_last_rung_at_the_latest_is_released(self, told: Told) -> None:
        found = told.answer.json
        *refused, released = found["attempts"]
        methods = ["famr", "finetune", "retrain", "retrain"]
        assert [a["method"] for a in found["attempts"]] == methods[: len(found["attempts"])]
        assert all(attempt["decision"] != "released" for attempt in refused)
        assert released["decision"] == found["decision"] == "released"
        assert found["assurance"] == ("A3" if released["method"] == "retrain" else "A2")
        assert {verdict["gate"] for verdict in released["verdicts"]} == set(CHEAP["gates"])

    def test_the_judged_bytes_are_served(self, told: Told) -> None:
        champion = told.lethe.champion()
        assert champion["version"] == told.answer.json["champion"]["version"] == 2
        assert champion["sha256"] == told.statement["candidate"]["sha256"]
        assert told.statement["decision"] == "released"
        assert told.statement["parent"]["version"] == 1

    def test_the_request_is_purging_until_the_old_weights_are_gone(self, told: Told) -> None:
        assert told.lethe("show", told.request).json["state"] == "purging"
        kept = [copy for copy in told.answer.json["copies"] if copy["status"] != "removed"]
        assert [copy["where"] for copy in kept] == ["model registry"]
        assert "version 1" in kept[0]["what"]
        assert kept[0]["status"].startswith("kept until ")

    def test_no_example_of_theirs_is_left_in_the_workspace(self, told: Told) -> None:
        assert holding(told.canary, told.lethe.root, told.lethe.temporary, told.home) == []

    def test_nobody_is_named_outside_the_sealed_store(self, told: Told) -> None:
        """I4: not in MLflow, evidence, log, tables, artifacts, Prefect's database or the output."""
        root = told.lethe.root
        assert (told.home / "prefect.db").stat().st_size > 0
        assert naming(told.canary, *visible(root), told.home, told.lethe.temporary) == []
        assert not [name for name in told.canary.ids if name in told.answer.out + told.answer.err]

    def test_the_search_finds_what_there_is_to_find(self, template: Path, told: Told) -> None:
        """The searches above are no test unless they find the same people before the erasure."""
        assert holding(told.canary, template / "data")
        assert holding(told.canary, template / "remote")
        assert naming(told.canary, template / "artifacts" / "bank")

    def test_nothing_in_mlflows_folder_is_a_pickle(self, told: Told) -> None:
        names = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".npy", ".npz"}
        files = list(files_below(told.lethe.root / "mlruns", told.lethe.root / "artifacts"))
        assert [path for path in files if path.suffix in names] == []
        assert [path for path in files if is_pickle(path.read_bytes())] == []

    def test_an_erased_person_is_unknown(self, told: Told) -> None:
        answer = told.lethe("submit", "--subject", told.canary.subjects[0], code=DENIED)
        assert answer.json["state"] == "denied"


def visible(root: Path) -> Iterator[Path]:
    """Give every place but the data and the sealed store."""
    apart = {"data", "remote", "keys", ".dvc"}
    yield from (path for path in root.iterdir() if path.is_dir() and path.name not in apart)
    yield root / ".dvc" / "tmp"


def is_pickle(content: bytes) -> bool:
    """Recognise pickles of protocol 2 to 5, and the archives that torch makes of them."""
    return (content[:1] == b"\x80" and content[1:2] in b"\2\3\4\5") or content[:4] == b"PK\3\4"


class TestEvidence:
    """What an auditor needs is the bundle, the public key and the command."""

    def test_it_verifies_offline_away_from_the_workspace(
        self, told: Told, environment: dict[str, str], tmp_path: Path
    ) -> None:
        bundle, key = tmp_path / "bundle", tmp_path / "public.pem"
        shutil.copytree(told.bundle, bundle)
        shutil.copy(told.lethe.root / "records" / "public.pem", key)
        words = [COMMAND, "--json", "verify", str(bundle), "--key", str(key)]
        answer = installed(environment, *without_network(), *words, cwd=tmp_path)
        assert (answer.code, answer.json["problems"]) == (0, [])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "public.pem"]

    def test_another_key_does_not_fit(self, told: Told, tmp_path: Path, template: Path) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        key = tmp_path / "other.pem"
        key.write_bytes(Ed25519PrivateKey.generate().public_key().public_bytes(*form))
        answer = told.lethe("verify", str(told.bundle), "--key", str(key), code=ALARM)
        assert any("statement" in problem for problem in answer.json["problems"])

    def test_a_changed_byte_is_named_in_whichever_file(self, told: Told, tmp_path: Path) -> None:
        names = [str(path.relative_to(told.bundle)) for path in files_below(told.bundle)]
        assert {"statement.json", "statement.sig", "log.jsonl", "policy.yaml"} < set(names)
        for number, name in enumerate(names):
            bundle = tmp_path / str(number)
            shutil.copytree(told.bundle, bundle)
            flip(bundle / name, (bundle / name).stat().st_size // 2)
            answer = told.lethe("verify", str(bundle), code=ALARM)
            assert any(name in problem for problem in answer.json["problems"]), (name, answer.out)

    def test_a_missing_and_an_added_file_are_named(self, told: Told, tmp_path: Path) -> None:
        shutil.copytree(told.bundle, tmp_path / "bundle")
        (tmp_path / "bundle" / "report.html").unlink()
        (tmp_path / "bundle" / "better-report.html").write_text("all is well")
        found = told.lethe("verify", str(tmp_path / "bundle"), code=ALARM).json["problems"]
        for name in (" report.html", "better-report.html"):
            assert any(name in f" {problem}" for problem in found)

    def test_a_changed_byte_of_the_log_is_named_by_its_entry(
        self, told: Told, make_lethe: MakeLethe
    ) -> None:
        lethe = make_lethe("log", told.lethe.root)
        log = lethe.root / "records" / "log.jsonl"
        good = log.read_bytes()
        lines = good.splitlines(keepends=True)
        for seq in (1, len(lines) // 2, len(lines)):
            flip(log, len(b"".join(lines[: seq - 1])) + len(lines[seq - 1]) // 2)
            (problem,) = lethe("verify", "--log", code=ALARM).json["problems"]
            assert f"{seq}" in problem.split()
            log.write_bytes(good)
        log.write_bytes(b"".join(lines[:-1]))
        assert "cut" in lethe("verify", "--log", code=ALARM).err
        assert "cut" in lethe("forget", "--all", code=ALARM).err


def flip(path: Path, place: int) -> None:
    """Change one bit of one byte, and leave text text."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def without_network() -> list[str]:
    """Give a prefix under which there is no network, where that can be had."""
    prefix = ["unshare", "--net"]
    can = not os.geteuid() and shutil.which(prefix[0])
    works = can and not subprocess.run([*prefix, "true"], check=False).returncode
    return prefix if works else []


class TestMlflow:
    """The run as a reviewer meets it in MLflow."""

    @pytest.fixture
    def client(self, told: Told) -> Any:
        from tasks import tracking

        return tracking.client(told.lethe.root / "mlruns")

    def runs(self, client: Any, told: Told) -> tuple[Any, list[Any]]:
        (experiment,) = [e for e in client.search_experiments() if e.name == "lethe"]
        found = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
        (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
        return parent, [run for run in found if run is not parent]

    def test_one_run_with_a_child_for_each_attempt(self, client: Any, told: Told) -> None:
        parent, children = self.runs(client, told)
        attempts = told.answer.json["attempts"]
        assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
        assert [child.data.params["method"] for child in children] == [
            attempt["method"] for attempt in attempts
        ]
        assert [child.data.tags["lethe.verdict"] for child in children] == [
            attempt["decision"] for attempt in attempts
        ]
        assert {run.info.status for run in (parent, *children)} == {"FINISHED"}

    def test_settings_losses_and_measurements(self, client: Any, told: Told) -> None:
        _, children = self.runs(client, told)
        finetune = children[1]
        assert finetune.data.params["epochs"] == "2"
        history = client.get_metric_history(finetune.info.run_id, "loss")
        assert [point.step for point in history] == [1, 2]
        for name in ("forget_auc", "forget_auc_low", "forget_auc_high", "accuracy_drop"):
            assert name in finetune.data.metrics

    def test_data_and_decision(self, client: Any, told: Told) -> None:
        parent, _ = self.runs(client, told)
        tags, statement = parent.data.tags, told.statement
        assert tags["lethe.run"] == told.answer.json["run"]
        assert tags["lethe.requests"] == told.request
        assert tags["lethe.policy"] == statement["policy_sha256"]
        assert (tags["lethe.verdict"], tags["lethe.assurance"]) == (
            statement["decision"],
            statement["assurance"],
        )
        inputs = {use.dataset.name: use.dataset for use in parent.inputs.dataset_inputs}
        assert set(inputs) == {"training set", "forget set"}
        profile = json.loads(inputs["forget set"].profile)
        assert profile["num_rows"] == statement["forget_set"]["train"]
        assert profile["digest"] == statement["forget_set"]["commitment"]

    def test_the_evidence_is_attached_as_it_was_sealed(self, client: Any, told: Told) -> None:
        parent, _ = self.runs(client, told)
        (bundle,) = client.list_artifacts(parent.info.run_id)
        copy = told.lethe.root / "mlruns" / "artifacts" / parent.info.run_id / "artifacts"
        assert bundle.path == told.bundle.name
        assert contents(copy / bundle.path) == contents(told.bundle)
        assert {"report.html", "expectations/measurements/index.html"} < set(contents(told.bundle))

    def test_the_version_links_all_of_it(self, client: Any, told: Told) -> None:
        model = client.get_registered_model("lethe")
        assert {alias: int(n) for alias, n in model.aliases.items()} == {"champion": 2}
        parent, _ = self.runs(client, told)
        found = client.get_model_version("lethe", "2")
        assert found.run_id == parent.info.run_id
        expected = {
            "lethe.run": told.answer.json["run"],
            "lethe.parent": "1",
            "lethe.data_version": told.statement["forget_set"]["data_version"],
            "lethe.policy": told.statement["policy_sha256"],
            "lethe.verdict": "released",
            "lethe.sha256": told.statement["candidate"]["sha256"],
        }
        assert expected.items() <= found.tags.items()


def contents(folder: Path) -> dict[str, bytes]:
    """Read a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in files_below(folder)}


def test_one_person_more_is_inconclusive_but_for_exact_retraining(
    told: Told, make_lethe: MakeLethe
) -> None:
    """A dozen examples decide nothing: only lineage can prove that one person is forgotten."""
    lethe = make_lethe("second", told.lethe.root)
    person = people_of(lethe.root, "train", 1)
    canary = canary_of(lethe.root, person)
    found = lethe.forget(lethe.submit(*subjects(person)), policy=POLICY).json
    *approximate, exact = found["attempts"]
    assert {attempt["decision"] for attempt in approximate} == {"inconclusive"}
    assert [attempt["method"] for attempt in approximate] == ["famr", "finetune"]
    assert (exact["method"], exact["decision"], found["assurance"]) == ("retrain", "released", "A3")
    outcome = {verdict["gate"]: verdict["outcome"] for verdict in exact["verdicts"]}
    assert outcome["forgetting"] == "INCONCLUSIVE"
    assert lethe.champion()["version"] == 3
    versions = lethe("list", "versions").json["versions"]
    assert [version["tainted"] for version in versions] == [True, True, False]
    assert holding(canary, lethe.root) == holding(told.canary, lethe.root) == []
    assert lethe("verify", found["evidence"]).json["ok"]


def test_the_untouched_champion_is_never_released(lethe: Lethe) -> None:
    request = lethe.submit(*subjects(people_of(lethe.root, "train", PEOPLE)))
    policy = lethe.write_policy(POLICY)
    words = ["judge", "--request", request, "--version", "1", "--policy", policy]
    assert lethe(*words, code=None).code in (REFUSED, INCONCLUSIVE)


def test_a_refused_run_changes_nothing_and_can_be_tried_again(lethe: Lethe) -> None:
    """I8: the champion and the data are as they were, the request waits, another run is free."""
    request = lethe.submit(*subjects(people_of(lethe.root, "train", 1)))
    before = lethe.champion(), contents(lethe.root / "data"), contents(lethe.root / "remote")
    only = {**CHEAP, "ladder": [{"method": "finetune", "settings": {"epochs": 1}}]}
    impossible = {**only, "gates": {**CHEAP["gates"], "integrity": {"classes": 11}}}
    for policy, code in ((only, INCONCLUSIVE), (impossible, REFUSED)):
        found = lethe.forget(request, policy=policy, code=code).json
        assert found["states"] == {request: "accepted"}
        assert found["assurance"] == "A0"
        assert lethe("verify", found["evidence"]).json["ok"]
        now = lethe.champion(), contents(lethe.root / "data"), contents(lethe.root / "remote")
        assert now == before
        assert list((lethe.root / "artifacts" / "candidates").iterdir()) == []
    assert len(lethe("show", request).json["runs"]) == 2
    assert lethe.forget(request).json["decision"] == "released"
    assert len(lethe("list", "versions").json["versions"]) == 2


def test_what_nothing_can_serve_any_more_holds_up_nobody(lethe: Lethe) -> None:
    """Asked for twice, and erased by the first: the second waits, and goes with the next run."""
    person, other = people_of(lethe.root, "train", 2)
    first, second = (lethe.submit("--subject", person) for _ in range(2))
    assert lethe.forget(first).json["decision"] == "released"
    answer = lethe.forget(second, code=DENIED)
    assert "matches no example" in answer.err
    assert lethe("show", second).json["state"] == "accepted"
    third = lethe.submit("--subject", other)
    assert lethe.forget("--all").json["states"] == dict.fromkeys((second, third), "purging")


def test_requests_that_together_are_all_of_the_data(lethe: Lethe) -> None:
    people = people_of(lethe.root, "train", 1000)
    half = len(people) // 2
    requests = [lethe.submit(*subjects(part)) for part in (people[:half], people[half:])]
    assert "expected some to be left" in lethe.forget(*requests, code=DENIED).err
    states = {r["request"]: r["state"] for r in lethe("list", "requests").json["requests"]}
    assert states == dict.fromkeys(requests, "accepted")
    assert list((lethe.root / "artifacts" / "candidates").iterdir()) == []


def test_examples_that_were_never_trained_on_are_purged_without_unlearning(lethe: Lethe) -> None:
    person = people_of(lethe.root, "holdout", 1)
    canary = canary_of(lethe.root, person)
    found = lethe.forget(request := lethe.submit(*subjects(person))).json
    assert (found["decision"], found["assurance"], found["attempts"]) == ("purged", "A1", [])
    assert found["states"] == {request: "complete"}
    assert lethe.champion()["version"] == 1
    assert holding(canary, lethe.root) == []
    assert naming(canary, *visible(lethe.root)) == []


def test_without_days_of_grace_a_request_is_complete_and_stays_so(lethe: Lethe) -> None:
    """I5 and I7: no copy remains, the old weights included, and an import leaves them out."""
    lethe.change("model", "grace_days", 0)
    person = people_of(lethe.root, "train", 1)
    canary = canary_of(lethe.root, person)
    found = lethe.forget(request := lethe.submit(*subjects(person))).json
    assert found["states"] == {request: "complete"}
    assert [v["version"] for v in lethe("list", "versions").json["versions"]] == [2]
    weights = [p for p in files_below(lethe.root / "mlruns") if p.suffix == ".safetensors"]
    assert len(weights) == 1
    assert not (lethe.root / "keys" / "requests" / f"{request}.key").exists()
    assert lethe("purge", request).json["copies"] == []
    assert lethe("verify", "--log").json["ok"]

    again = restored(lethe)
    init = ["init", "--epochs", "1", "--shadows", "4"]
    examples = sum(again(*init).json["examples"].values())
    assert examples == DIGITS - lethe("show", request).json["examples"]
    assert holding(canary, again.root) == []


def restored(lethe: Lethe) -> Lethe:
    """Make an empty workspace that has the keys and the suppression list of another."""
    root = lethe.root.with_name("restored")
    shutil.copytree(lethe.root / "keys", root / "keys")
    (root / "records").mkdir()
    for name in ("suppression.jsonl", "public.pem"):
        shutil.copy(lethe.root / "records" / name, root / "records" / name)
    shutil.copy(lethe.root / "params.yaml", root)
    return Lethe(root, lethe.temporary / "restored", lethe.context)
