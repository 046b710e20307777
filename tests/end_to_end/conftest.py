"""One small workspace, made once by `lethe init` and copied; `lethe` as processes of their own."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from flows.cli import PREFECT
from tasks.settings import Workspace, write_templates
from tests.end_to_end import driver

SECONDS = 240  # for one command; the longest takes ten on an idle machine
COMMAND = str(Path(sys.executable).with_name("lethe"))
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# The cheap rung cannot be released with the few examples of one person, retraining can. Margins
# are wide: these networks are trained for seconds and differ by several per cent.
CHEAP: dict[str, Any] = {
    "attempts": 3,
    "ladder": [{"method": "finetune", "settings": {"epochs": 1}}, {"method": "retrain"}],
    "gates": {
        "integrity": {"classes": 2},
        "utility": {"margin": 0.25, "class_margin": 0.5, "class_examples": 200},
        "forgetting": {
            "smallest_bank": 8,
            "limits_by_size": [
                {"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05}
            ],
        },
    },
}


@dataclass(frozen=True)
class Answer:
    """What a command ended with. code: negative for the signal that killed it."""

    code: int
    out: str
    err: str

    @cached_property
    def json(self) -> dict[str, Any]:
        """Read the one JSON object on standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Running:
    """A command under way."""

    process: ForkServerProcess
    output: Path

    def end(self, seconds: float = SECONDS) -> Answer:
        """Wait for it, end all that it started, and give its answer."""
        self.process.join(seconds)
        late = self.process.exitcode is None
        self.kill()
        self.process.join()
        assert not late, f"still running after {seconds} s"
        code = self.process.exitcode
        assert code is not None
        return Answer(code, *((self.output / name).read_text() for name in ("out", "err")))

    def kill(self) -> None:
        """Send SIGKILL to its whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)


@dataclass(frozen=True)
class Lethe:
    """A workspace, and the command line over it. temporary: where its processes put their own."""

    root: Path
    temporary: Path
    context: ForkServerContext
    started: list[Running] = field(default_factory=list)

    def start(self, *arguments: str, killer: driver.Killer | None = None) -> Running:
        """Begin a command; standard output and error go to files."""
        output = self.temporary / f"call-{len(self.started)}"
        output.mkdir(parents=True)
        words = ["--workspace", str(self.root), "--json", *arguments]
        process = self.context.Process(
            target=driver.run,
            args=(words, output, {"TMPDIR": str(self.temporary)}, killer),
        )
        process.start()
        self.started.append(Running(process, output))
        return self.started[-1]

    def __call__(
        self, *arguments: str, code: int | None = 0, killer: driver.Killer | None = None
    ) -> Answer:
        """Run a command to its end, which must be this exit code (None: any)."""
        answer = self.start(*arguments, killer=killer).end()
        assert code in (None, answer.code), answer.err[-3000:] or answer.out[-3000:]
        return answer

    def submit(self, *arguments: str) -> str:
        """Submit a request that is accepted; give its reference."""
        return str(self("submit", *arguments).json["request"])

    def forget(
        self, *arguments: str, policy: dict[str, Any] = CHEAP, code: int | None = 0, **rest: Any
    ) -> Answer:
        """Run `lethe forget` under a policy."""
        path = self.write_policy(policy)
        return self("forget", *arguments, "--policy", path, code=code, **rest)

    def write_policy(self, policy: dict[str, Any]) -> str:
        """Write a policy to a file; give its path."""
        path = self.temporary / "policy.yaml"
        path.write_text(yaml.safe_dump(policy))
        return str(path)

    def entries(self) -> list[dict[str, Any]]:
        """Read the log."""
        lines = (self.root / "records" / "log.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def champion(self) -> dict[str, Any]:
        """Give the served version, as `lethe list versions` shows it."""
        versions = self("list", "versions").json["versions"]
        return next(v for v in versions if "champion" in v["aliases"])

    def change(self, section: str, key: str, value: Any) -> None:
        """Change one of the workspace's settings."""
        path = self.root / "params.yaml"
        tree = yaml.safe_load(path.read_text())
        tree[section][key] = value
        path.write_text(yaml.safe_dump(tree))


def installed(environment: Mapping[str, str], *words: str, cwd: Path | None = None) -> Answer:
    """Run a command line that holds the installed command, and end all that it started."""
    running = subprocess.Popen(
        words,
        cwd=cwd,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = running.communicate(timeout=SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    return Answer(running.returncode, out, err)


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Prefect's database lies."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_api(prefect_home: Path) -> Iterator[str]:
    """Run one Prefect server on the loopback; starting one for each flow takes seconds each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    server = subprocess.Popen(
        [*command, "--port", str(port)],
        env={**os.environ, "PREFECT_HOME": str(prefect_home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api/health")
        yield f"http://127.0.0.1:{port}/api"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(address: str) -> None:
    for _ in range(SECONDS * 5):
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise TimeoutError(f"{address} does not answer")


@pytest.fixture(scope="session")
def environment(prefect_home: Path, prefect_api: str) -> dict[str, str]:
    """What every process of these tests is told.

    One thread: networks of this size gain nothing from two, and lose much on a busy machine.
    """
    return {
        **PREFECT,
        **os.environ,
        **ONE_THREAD,
        "PREFECT_HOME": str(prefect_home),
        "PREFECT_API_URL": prefect_api,
    }


@pytest.fixture(scope="session")
def context(environment: dict[str, str]) -> ForkServerContext:
    """Give processes that begin with the heavy packages loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(driver.HEAVY)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        forkserver.ensure_running()
    return context


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, context: ForkServerContext) -> Path:
    """Make a workspace: digits, a few epochs, the smallest bank, trained by one process."""
    folder = tmp_path_factory.mktemp("template")
    made = Lethe(folder / "workspace", folder / "tmp", context)
    write_templates(Workspace(made.root))
    made.change("bank", "workers", 1)
    made("init", "--shadows", "8", "--epochs", "8")
    return made.root


class MakeLethe(Protocol):
    """Copies a workspace, the template unless another is given."""

    def __call__(self, name: str, source: Path | None = None) -> Lethe: ...


@pytest.fixture(scope="session")
def make_lethe(
    template: Path, context: ForkServerContext, tmp_path_factory: pytest.TempPathFactory
) -> MakeLethe:
    """Give workspaces that tests may change."""

    def make(name: str, source: Path | None = None) -> Lethe:
        folder, source = tmp_path_factory.mktemp(name), source or template
        root = folder / "workspace"
        shutil.copytree(source, root)
        _relocate(root / "mlruns" / "mlflow.db", str(source), str(root))
        return Lethe(root, folder / "tmp", context)

    return make


def _relocate(database: Path, old: str, new: str) -> None:
    """Change the absolute addresses that MLflow writes, to which a copy would go on writing."""
    places = {
        "experiments": "artifact_location",
        "runs": "artifact_uri",
        "logged_models": "artifact_location",
        "model_versions": "storage_location",
    }
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        for table, column in places.items():
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (old, new))


@pytest.fixture
def lethe(make_lethe: MakeLethe) -> Iterator[Lethe]:
    """Give a fresh copy of the workspace."""
    made = make_lethe("lethe")
    yield made
    for running in made.started:
        running.kill()
