"""One small workspace, made once by `lethe init` and copied; one Prefect server; one run."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from flows.cli import ENVIRONMENT
from systems.settings.workspace import TEMPLATES, Workspace, write_templates
from tests.end_to_end import driver
from tests.end_to_end.commandline import COMMAND, SECONDS, Answer, Lethe, installed, subjects
from tests.end_to_end.policies import POLICY
from tests.end_to_end.traces import Canary, canary_of, people_of

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


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
        env={
            **os.environ,
            "PREFECT_HOME": str(prefect_home),
            "PREFECT_SERVER_API_PORT": str(port),  # its pages ask this one, whatever --port says
        },
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
        **ENVIRONMENT,
        **os.environ,
        **ONE_THREAD,
        "PREFECT_HOME": str(prefect_home),
        "PREFECT_API_URL": prefect_api,
    }


@pytest.fixture(scope="session")
def context(environment: dict[str, str]) -> ForkServerContext:
    """Give processes that begin with the heavy packages loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(driver.HEAVY))
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


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings with which little is trained: how much, no page says."""
    folder = tmp_path_factory.mktemp("templates") / "templates"
    shutil.copytree(TEMPLATES, folder)
    tree = yaml.safe_load((folder / "params.yaml").read_text())
    tree["training"]["epochs"], tree["bank"] = 8, {**tree["bank"], "shadows": 8, "workers": 1}
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    return folder


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
        return Lethe(root, folder / "tmp", context)

    return make


@pytest.fixture
def lethe(make_lethe: MakeLethe) -> Iterator[Lethe]:
    """Give a fresh copy of the workspace."""
    made = make_lethe("lethe")
    yield made
    for running in made.started:
        running.kill()


PEOPLE = 10  # with about a dozen images each, enough for the loosest limits


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


@pytest.fixture(scope="session")
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
    lethe.adopt(policy)
    words = ["--json", "--workspace", str(lethe.root), "forget", request, "--policy", policy]
    answer = installed(own, COMMAND, *words)
    assert answer.code == 0, answer.err
    return Told(lethe, request, canary, answer, home)
