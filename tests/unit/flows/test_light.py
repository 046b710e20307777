"""What is wrong in the settings is said before seconds go into importing torch."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger import keys
from ledger.lines import InFile
from ledger.log import Log
from systems.settings.workspace import Workspace, write_templates
from tests.bare import bare

ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "prefect", "mlflow", "dvc", "great_expectations", "pandas"}
COMMANDS = [
    "plan",
    "forget --all",
    "train",
    "train --shadows 8",
    "purge req-1",
    "judge --request req-1 --version 1",
    "audit --request req-1",
    "tune --method finetune",
]
SCRIPT = f"""
import sys
from flows.cli import main
for words in {COMMANDS!r}:
    try:
        main(["--workspace", sys.argv[1], *words.split()])
    except SystemExit as ended:
        print(ended.code, *sorted({HEAVY!r} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("learning_rate: 0.1", "learning_rate: high"), ("schedule: one_cycle", "schedule: cosin")],
)
def test_a_wrong_setting_is_refused_before_torch_is_imported(
    tmp_path: Path, right: str, wrong: str
) -> None:
    ws = Workspace.at(tmp_path)
    write_templates(ws)
    keys.create_keys(ws.keys, ws.records)
    settings = ws.params.read_text()
    assert right in settings
    ws.params.write_text(settings.replace(right, wrong))
    line = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["2"] * len(COMMANDS), done.stderr
    name = right.split(":", maxsplit=1)[0]
    assert done.stderr.count(f"training.{name}: got") == len(COMMANDS)


def test_without_an_extra_the_commands_are_listed() -> None:
    done = bare("--help", check=True)
    assert "verify" in done.stdout and "forget" in done.stdout


def test_without_an_extra_a_log_is_verified(tmp_path: Path) -> None:
    keys.create_keys(tmp_path, tmp_path)
    log, key = tmp_path / "log.jsonl", str(tmp_path / "public.pem")
    now = datetime(2026, 6, 10, tzinfo=UTC)
    Log.open(InFile(log), keys.load_signing_key(tmp_path)).append("noted", {}, key="k", now=now)
    done = bare("verify", str(log), "--log", "--key", key)
    assert (done.returncode, done.stderr) == (0, "") and "ok: True" in done.stdout


def test_without_the_extra_a_run_says_which(tmp_path: Path) -> None:
    done = bare("--workspace", str(tmp_path), "init", "--data", "digits")
    assert done.returncode == 20 and done.stderr.count("\n") == 1
    assert 'pip install "lethe[run]"' in done.stderr
    assert list(tmp_path.iterdir()) == []
