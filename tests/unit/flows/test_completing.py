"""The shell is offered commands, options and values, at once and by nobody's id."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from benchmarks.larger_than_memory.study import LINEAR
from flows.cli import app, completing
from flows.cli.work.registered import REGISTERED
from unlearning.methods import METHODS
from unlearning.networks import NETWORKS

ASK = """
import sys
from flows.cli import main
try:
    main()
finally:
    heavy = {"torch", "numpy", "mlflow", "prefect", "dvc", "sqlalchemy", "pyarrow"}
    print(*sorted(heavy & set(sys.modules)), file=sys.stderr, end="")
"""


def logged(seq: int, event: str, **body: object) -> str:
    return json.dumps({"seq": seq, "event": event, "body": body})


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Three requests, of which one has ended, a run and two versions; an entry is half written."""
    lines = [logged(1, "initialised", version=1)]
    lines += [logged(n, "submitted", request=f"req-{n:012x}", state="accepted") for n in (2, 3, 4)]
    lines += [logged(5, "run_started", run="run-00000000000a", requests=["req-000000000002"])]
    lines += [logged(6, "step", version=2)]
    lines += [logged(7, "moved", request="req-000000000002", state="complete"), '{"seq": 8, "ev']
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "log.jsonl").write_text("\n".join(lines))
    return tmp_path


def asked(shell: str, line: str, workspace: Path) -> list[str]:
    """What a shell is offered for what was typed; nothing heavy may be imported for it."""
    words = line.split()
    place = len(words) - (not line.endswith(" "))
    known = {"LETHE_WORKSPACE": str(workspace), "_LETHE_COMPLETE": f"complete_{shell}"}
    known |= {"COMP_WORDS": line, "COMP_CWORD": str(place), "_TYPER_COMPLETE_ARGS": line}
    known |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    ran = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, **known},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == ""
    return ran.stdout.splitlines()


def test_bash_is_offered_commands_options_and_values(workspace: Path) -> None:
    assert asked("bash", "lethe rest", workspace) == ["restore", "restore-drill"]
    assert asked("bash", "lethe submit --ju", workspace) == ["--jurisdiction"]
    both = ["req-000000000004", "req-000000000003"]
    assert asked("bash", "lethe forget ", workspace) == both


def test_zsh_and_fish_are_told_what_a_value_is(workspace: Path) -> None:
    (zsh,) = asked("zsh", "lethe abort ", workspace)
    assert '"run-00000000000a":"of 1"' in zsh
    assert asked("fish", "lethe show req-000000000002", workspace) == ["req-000000000002\tcomplete"]


def test_a_workspace_named_after_the_command_is_read(workspace: Path, tmp_path: Path) -> None:
    line = f"lethe taint --workspace {workspace} "
    assert asked("bash", line, tmp_path / "elsewhere") == ["2", "1"]


def test_without_a_log_nothing_is_offered(tmp_path: Path) -> None:
    assert asked("bash", "lethe forget ", tmp_path) == [""]


def test_what_is_offered_is_what_there_is() -> None:
    """Read from sources or kept beside them, since the registries would load torch."""
    assert [name for name, _ in completing.methods("")] == list(METHODS)
    assert list(completing.NETWORKS) == sorted({*NETWORKS} - {LINEAR})
    assert set(completing.KINDS) == {*REGISTERED, "requests", "versions", "backups"}
    assert ("gdpr-de", "law") in completing.laws("gdpr-d")
    assert "gates" in {name for name, _ in completing.benchmarks("")}


def test_of_a_long_log_the_end_is_read(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line of what is read may be half of one."""
    monkeypatch.setattr(completing, "NEWEST", 300)
    context = typer.Context(typer.main.get_command(app))
    context.params["workspace"] = workspace
    offered = completing.requests(context, "req")
    assert ("req-000000000002", "complete") in offered and len(offered) < 3
