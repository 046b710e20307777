"""SIGTERM, as `systemctl stop` sends it: one line, exit code 20, nothing half done."""

from __future__ import annotations

from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from systems.settings.workspace import Workspace, write_templates
from tests.end_to_end.commandline import Answer, Lethe
from tests.end_to_end.driver import AtCall, stop
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import people_of

AGAIN = 20
INIT = ("init", "--shadows", "8", "--epochs", "1")


def assert_one_line(answer: Answer) -> None:
    """Assert that it says what to do, and shows no traceback."""
    said = "interrupted; the same command goes on with it"
    assert answer.json == {"error": said, "exit_code": AGAIN}
    assert answer.err.strip().splitlines()[-1] == f"lethe: {said}"
    assert "Traceback" not in answer.err and "prefect" not in answer.err.lower()


def stopped(lethe: Lethe, function: str, *words: str) -> None:
    """Stop a command at a call of that function."""
    assert_one_line(lethe(*words, code=AGAIN, killer=AtCall(function, end=stop)))


@pytest.mark.long
def test_init_is_undone_before_the_data_are_in_and_goes_on_after(
    tmp_path: Path, context: ForkServerContext
) -> None:
    lethe = Lethe(tmp_path / "workspace", tmp_path / "tmp", context)
    write_templates(Workspace(lethe.root))
    before = {path: path.read_bytes() for path in lethe.root.iterdir()}
    stopped(lethe, "systems.data.importing:save_manifest", *INIT)
    assert {path: path.read_bytes() for path in lethe.root.iterdir()} == before
    stopped(lethe, "tasks.train:note_trained", *INIT)  # within a flow of Prefect's
    stopped(lethe, "unlearning.bank.shadows:write_arrays", *INIT)  # while others train shadows
    found = lethe(*INIT).json
    assert (found["champion"]["version"], found["shadows"]) == (1, 8)
    assert lethe("verify", "--log").json["ok"]


@pytest.mark.long
def test_forget_and_train_go_on(lethe: Lethe) -> None:
    request = lethe.submit("--subject", *people_of(lethe.root, "train", 1))
    stopped(lethe, "tasks.train:note_trained", "train", "--without", request)
    assert lethe("train", "--without", request).json["test_accuracy"] > 0
    policy = lethe.write_policy(CHEAP)
    lethe.adopt(policy)
    stopped(lethe, "tasks.unlearn:write_json", "forget", request, "--policy", policy)
    assert lethe("show", request).json["state"] == "unlearning"
    assert lethe("forget", request, "--policy", policy).json["decision"] == "released"
    begun = [entry for entry in lethe.entries() if entry["event"] == "run_started"]
    assert len(begun) == 1
    assert lethe("verify", "--log").json["ok"]
