"""The door to the benchmarks, tried on a package of two that are written here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows import cli
from flows.cli.work import benching
from unlearning.errors import InfrastructureError, UnknownName, UsageError

QUICK = """
import argparse, json, pathlib
parser = argparse.ArgumentParser(prog="quick")
parser.add_argument("--seeds", type=int)
parser.add_argument("--into", type=pathlib.Path)
parser.add_argument("--plain", action="store_true")
def main():
    args = parser.parse_args()
    table = [{"row": seed} for seed in range(args.seeds)]
    print("1 of 1 done")
    args.into.write_text(json.dumps({"rows": table if args.plain else {"table": table}}))
    print(args.into)  # where record.write( would put it
"""

BROKEN = """
def main():
    raise SystemExit("no space left")  # before record.write(
"""

TABLES = """
def main():
    pass
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "toybench"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name, source in (("quick", QUICK), ("broken", BROKEN), ("tables", TABLES)):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("")
        (folder / name / "study.py").write_text(source)
        (folder / name / "__main__.py").write_text(
            f"from toybench.{name}.study import main\nmain()\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(benching, "PACKAGE", "toybench")
    return tmp_path


def test_a_benchmark_is_what_runs_by_itself_and_writes_a_result(package: Path) -> None:
    assert benching.names() == ["broken", "quick"]


def test_ours_are_found_and_what_only_prepares_or_formats_is_none() -> None:
    assert {"cost", "gates", "methods", "whole_runs"} <= set(benching.names())
    assert not {"readme", "trials", "record", "tune"} & set(benching.names())


@pytest.mark.parametrize("plain", [True, False])
def test_the_rows_that_were_written_are_given(
    package: Path, plain: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    into = package / "quick.json"
    options = ["--seeds", "2", "--into", str(into), *(["--plain"] if plain else [])]
    found = benching.bench("quick", options)
    assert found == {"rows": [{"row": 0}, {"row": 1}], "result": str(into)}
    assert "1 of 1 done" in capfd.readouterr().err


def test_an_unknown_name_lists_what_there_is(package: Path) -> None:
    with pytest.raises(UnknownName, match="'slow' is unknown; known are broken, quick"):
        benching.bench("slow", [])


def test_a_wrong_option_is_one_line(package: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="quick: unrecognized arguments: --colour"):
        benching.bench("quick", ["--colour"])
    assert capfd.readouterr().err == ""


def test_a_benchmark_that_fails_says_its_last_words(package: Path) -> None:
    with pytest.raises(InfrastructureError, match="ended with 1: no space left"):
        benching.bench("broken", [])


def test_the_command_prints_one_object_and_ends_with_2_on_a_wrong_name(
    package: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "ENVIRONMENT", {})
    into = package / "quick.json"
    with pytest.raises(SystemExit) as left:
        cli.main(["bench", "quick", "--seeds", "1", "--into", str(into), "--json"])
    assert not left.value.code
    assert json.loads(capfd.readouterr().out) == {"rows": [{"row": 0}], "result": str(into)}
    with pytest.raises(SystemExit) as left:
        cli.main(["bench", "slow"])
    assert left.value.code == 2
    assert len(capfd.readouterr().err.splitlines()) == 1
