"""Machines as users have them: a proxy, no home, a server that is gone, odd paths, odd modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from ledger import keys
from ledger.requests import Ledger
from systems.data import versions
from systems.registry import tracking
from systems.settings.workspace import Workspace, write_templates
from tests.unit.project.test_project import declared

ROOT = Path(__file__).parents[2]
PACKAGES = ("benchmarks", "flows", "ledger", "systems", "tasks", "unlearning")
NOBODY = "http://127.0.0.1:9"  # the port that discards; nothing listens

FLOW = """
import os, sys, time
from flows.cli import ENVIRONMENT, problems
from systems.settings.quiet import quiet_environment
quiet_environment()
os.environ.update(ENVIRONMENT)
from prefect import flow

@flow(persist_result=False)
def small():
    return "went through"

try:
    print(small())
except Exception as problem:
    print(problems.explain(problem))
"""


def ran(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("PREFECT_HOME", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", sorted(declared() | declared("dev")))
def test_what_the_project_declares_is_installed(name: str) -> None:
    """No test skips for want of a package: an environment without it is made again by `make`."""
    assert version(name)


@pytest.mark.long
def test_a_flow_runs_behind_a_proxy_and_without_a_home(tmp_path: Path) -> None:
    """The proxy would refuse what Prefect says to its own server on this machine."""
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOBODY)
    named = {"HOME": "/dev/null/home", "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = ran("-c", FLOW, folder=tmp_path, **proxies, **named)
    assert done.stdout == "went through\n", done.stderr[-2000:]
    assert (tmp_path / f"lethe-{os.getuid()}" / "prefect").is_dir()


def test_a_server_that_is_gone_is_one_line(tmp_path: Path) -> None:
    named = {"PREFECT_API_URL": f"{NOBODY}/api", "PREFECT_HOME": str(tmp_path)}
    done = ran("-c", FLOW, folder=tmp_path, PYTHONPATH=str(ROOT), **named)
    assert done.stdout.startswith(f"(20, 'prefect: no server answers at {NOBODY}/api, which")


@pytest.mark.parametrize("name", ["what? #1, a%20b", "Müller & Söhne 日本"])
def test_a_workspace_may_lie_anywhere(tmp_path: Path, name: str) -> None:
    """Ledger and registry lie in it, not beside it under half of its name."""
    ws = Workspace.at(tmp_path / name / "workspace")
    write_templates(ws)
    keys.create_keys(ws.keys, ws.records)
    for _ in range(2):
        assert Ledger.open(ws.records, ws.keys).check().ok
        assert tracking.experiment(ws.mlruns) == "1"
    assert (ws.records / "ledger.db").is_file()
    assert (ws.mlruns / "mlflow.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    tracking._client.cache_clear()


@pytest.mark.parametrize("name", ["what? #1, a%20b", "Müller & Söhne 日本"])
def test_data_in_such_a_workspace_are_versioned_and_pushed(tmp_path: Path, name: str) -> None:
    ws = Workspace.at(tmp_path / name / "workspace")
    write_templates(ws)
    versions.create(ws, None)
    ws.data.mkdir()
    (ws.data / "dataset.json").write_text("{}")
    version = versions.commit(ws)
    assert (ws.remote / "files" / "md5" / version[:2] / f"{version[2:]}.dir").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of the user's, with modules and packages that are called as ours are."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("tasks", "flows", "systems"):
        (folder / f"{name}.py").write_text("raise SystemExit('a module of the user was imported')")
    for name in ("ledger", "unlearning", "benchmarks"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('a package of the user')")
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel of this checkout installs, built without a network."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name in ("pyproject.toml", "README.md", "LICENSE", "lethe.py"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "results")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    offline = ("--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(target))
    built = ran("-m", "pip", "wheel", *offline, str(source), folder=source)
    assert built.returncode == 0, built.stderr
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(target)
    (described,) = target.glob("*.dist-info/entry_points.txt")
    assert "lethe = lethe:main" in described.read_text()
    return target


def test_modules_of_the_users_are_not_taken_for_ours(theirs: Path, installed: Path) -> None:
    """On PYTHONPATH before ours, and in the current folder; from a wheel and from a checkout."""
    for home in (installed, ROOT):
        path = os.pathsep.join(map(str, (theirs, home)))
        done = ran("-m", "lethe", "list", "requests", folder=theirs, PYTHONPATH=path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("lethe: theirs: is no workspace")


def test_nor_in_worker_processes(theirs: Path, installed: Path) -> None:
    """They begin with the main module, which the command's script makes import `lethe` first."""
    script = theirs / "script"
    script.write_text(
        "import multiprocessing\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from lethe import main\n"
        "from unlearning.digests import digest_of\n"
        "if __name__ == '__main__':\n"
        "    spawn = multiprocessing.get_context('spawn')\n"
        "    with ProcessPoolExecutor(1, spawn) as pool:\n"
        "        print(pool.submit(digest_of, [1]).result() == digest_of([1]))\n"
    )
    path = os.pathsep.join(map(str, (theirs, installed)))
    done = ran(str(script), folder=theirs, PYTHONPATH=path)
    assert done.stdout == "True\n", done.stderr[-2000:]
