"""MLflow's own pages, looked at: what the printed address opens, and how a run reads there."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import socket

import pytest
import torch

from systems.registry import models, tracking, views
from systems.registry.logged import DatasetUse, Table
from systems.report.notes import Named, Standing, Told, Tried, run_note, version_note
from systems.settings.workspace import Workspace
from tests import browser
from tests.integration.test_tracking_server import RECIPE, wait_for
from unlearning.domain import Outcome, Verdict
from unlearning.networks import build, save

pytestmark = [browser.needed]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@dataclasses.dataclass(frozen=True)
class Site:
    """MLflow's pages on a database with one run, its attempt and one version."""

    address: str
    page: str
    run: str
    folder: Path

    def opened(self, where: str) -> str:
        return browser.opened(f"{self.address}/{where.lstrip('/')}", self.folder)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("pages")
    ws = Workspace.at(folder / "workspace")
    ws.mlruns.mkdir(parents=True)
    run = told_run(ws)
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [sys.executable, "-m", "flows.service.mlflow_pages", str(ws.root), "127.0.0.1"]
    process = subprocess.Popen(
        [*line, str(port), str(os.getpid())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}", process)
        page = views.page_of_runs(ws.mlruns)
        yield Site(f"http://127.0.0.1:{port}", page, run, folder / "profile")
    finally:
        process.kill()
        process.wait()


def told_run(ws: Workspace) -> str:
    """Log a run as a flow does; give its id."""
    numbers = dict.fromkeys(views.NUMBERS, 0.5)
    run = tracking.start_run(ws.mlruns, "run-1", key="r", tags={"lethe.verdict": "released"})
    child = tracking.start_run(ws.mlruns, "attempt 1: famr", key="r/1", parent=run)
    home = tracking.experiment(ws.mlruns)
    picture = ws.root / "aucs.png"
    picture.write_bytes(PNG)
    passed = Verdict("utility", Outcome.PASSED, "well <b>enough</b>")
    note = run_note(
        Told(
            run="run-1",
            requests=("req-1",),
            forget={"train": 3},
            parent=Named("version 1", views.page_of_version("lethe", 1)),
            tried=[Tried(Named("1: famr", views.page_of_run(home, child)), "released", [passed])],
            decision="released",
            assurance="A2",
            figure=views.address_of_file(run, "aucs.png"),
        )
    )
    tracking.log(ws.mlruns, child, metrics=numbers, params={"method": "famr"})
    other = tracking.start_run(ws.mlruns, "attempt 2: retrain", key="r/2", parent=run)
    higher = dict.fromkeys(views.NUMBERS, 0.6)
    tracking.log(ws.mlruns, other, metrics=higher, params={"method": "retrain"})
    tracking.log(
        ws.mlruns,
        run,
        metrics=numbers,
        tags={views.NOTE: note},
        artifacts=[picture],
        datasets=[DatasetUse("forget set", "ab" * 20, 3, "forget")],
        tables=[Table("verdicts", ("gate", "outcome"), [("utility", "PASSED")])],
    )
    save(build(RECIPE, torch.Generator().manual_seed(1)), ws.root / "w.safetensors")
    recipe = dataclasses.asdict(RECIPE)
    made = models.register(ws.mlruns, "lethe", ws.root / "w.safetensors", recipe, {}, run)
    models.promote(ws.mlruns, "lethe", made.version, expected_parent=None)
    known = version_note(Standing(Named("version 1"), since=None))
    models.describe(ws.mlruns, "lethe", {1: known}, known)
    return run


def test_the_printed_address_opens_the_runs_with_the_numbers_that_count(site: Site) -> None:
    shown = site.opened(site.page)
    assert ">run-1<" in shown
    for column in ("attack_auc", "test_accuracy", "utility_loss", "lethe.verdict"):
        assert f">{column}<" in shown, column
    assert "share key" not in shown  # MLflow's words for a view that it does not know
    assert "its attempts are the runs inside it" in shown


def test_attempts_are_side_by_side(site: Site) -> None:
    home = re.findall(r"experiments/(\d+)", site.page)[0]
    shown = site.opened(views.address(home, "lethe-attempts"))
    assert ">attempt 1: famr<" in shown and ">run-1<" not in shown
    charts = site.opened(f"{views.address(home, 'lethe-attempts')}&compareRunsMode=CHART")
    assert "Attempts side by side" in charts and "Parallel Coordinates" in charts


def test_a_run_reads_on_its_own(site: Site) -> None:
    home = re.findall(r"experiments/(\d+)", site.page)[0]
    shown = site.opened(views.page_of_run(home, site.run))
    assert "<strong>Released</strong> in place of" in shown
    assert 'href="#/models/lethe/versions/1"' in shown
    assert "well <b>" not in shown
    assert f'src="{views.address_of_file(site.run, "aucs.png")}"'.replace("&", "&amp;") in shown
    assert "forget set" in shown


def test_the_registry_shows_alias_and_description(site: Site) -> None:
    shown = site.opened("#/models/lethe")
    assert "champion" in shown and "Never served." in shown
    version = site.opened(views.page_of_version("lethe", 1))
    assert "Never served." in version and "champion" in version
