"""`lethe doctor` reaches for what a workspace names outside of itself, and says how to mend it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli.work import queries
from ledger import durable
from systems.settings.workspace import Workspace
from tests.integration import small_runs
from tests.integration.buckets import aws_on_loopback


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_runs.small(tmp_path_factory.mktemp("reaching") / "workspace")


@pytest.fixture
def ws(workspace: Path, tmp_path: Path) -> Workspace:
    return small_runs.copied(workspace, tmp_path / "copy").ws


def hint(ws: Workspace, name: str) -> str:
    (found,) = [
        check["hint"] for check in queries.doctor(ws.root)["checks"] if check["name"] == name
    ]
    return str(found)


def test_what_is_there_is_well(ws: Workspace) -> None:
    assert [hint(ws, name) for name in ("remote", "witnesses", "cluster")] == ["", "", ""]


def test_a_remote_that_was_lost_is_told(ws: Workspace) -> None:
    shutil.rmtree(ws.remote)
    assert "lacks the data version's listing" in hint(ws, "remote")


def test_a_remote_that_does_not_answer_is_told(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket is not there, on a server that is."""
    config = ws.dvc / "config"
    config.write_text(config.read_text().replace("'../remote'", "s3://gone/shop"))
    with aws_on_loopback(monkeypatch):
        assert "dvc remote" in hint(ws, "remote")


def test_a_witness_that_saw_nothing_and_a_cluster_that_is_away_are_told(
    ws: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    durable.write(ws.root / "service.yaml", f"witness:\n  at: [{tmp_path}/none]\n".encode())
    ws.params.write_text(
        ws.params.read_text().replace("cluster: null", "cluster: tcp://127.0.0.1:9")
    )
    assert "has nothing of this workspace" in hint(ws, "witnesses")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert "compute.cluster tcp://127.0.0.1:9: does not answer" in hint(ws, "cluster")
