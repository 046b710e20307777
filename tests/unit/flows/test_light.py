"""What is wrong in the settings is said before seconds go into importing torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ledger import keys
from systems.settings.workspace import Workspace, write_templates

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
