"""A tracking server on this machine: versions are registered, promoted and erased there too."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import torch

from ledger.errors import OutsideWorkspace
from systems.copies import Status
from systems.registry import models, server, tracking
from systems.registry.erasure import copies, erase_version, unverifiable
from systems.registry.models import ModelVersion
from systems.settings.ownership import mark_place
from systems.settings.workspace import Workspace
from tests.integration.buckets import bucket_on_loopback
from unlearning.errors import InfrastructureError, UsageError
from unlearning.networks import Recipe, build, save

NAME = "faces"
RECIPE = Recipe(network="conv-small", classes=10, channels=1, size=8, mean=(0.5,), std=(0.25,))
PATIENCE = 120  # seconds until MLflow's server has made its database on a busy machine


@contextmanager
def mlflow_server(folder: Path, *options: str) -> Iterator[str]:
    """Give the address of a server with its own database, ended by its process group."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = f"sqlite:///{folder / 'server.db'}"
    line = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    started = subprocess.Popen(
        [*line, "--workers", "1", "--backend-store-uri", database, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}", started)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(started.pid, 15)
        started.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            urlopen(f"{url}/health", timeout=5).close()
        except URLError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("MLflow's server did not come up")


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    with (
        pytest.MonkeyPatch.context() as patch,
        bucket_on_loopback(patch, versioned=True) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def url(bucket: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    options = ("--default-artifact-root", "s3://lethe/mlflow", "--no-serve-artifacts")
    with mlflow_server(folder, *options) as address:
        yield address


@dataclasses.dataclass(frozen=True)
class Site:
    """A workspace whose registry is on the server."""

    ws: Workspace
    name: str

    @property
    def mlruns(self) -> Path:
        return self.ws.mlruns

    def register(self, seed: int, **tags: str) -> ModelVersion:
        weights = self.ws.root / f"{seed}.safetensors"
        save(build(RECIPE, torch.Generator().manual_seed(seed)), weights)
        return models.register(self.mlruns, self.name, weights, dataclasses.asdict(RECIPE), tags)


@pytest.fixture
def make_site(tmp_path: Path, url: str):
    def make(folder: str = "site", name: str = NAME) -> Site:
        ws = Workspace.at(tmp_path / folder)
        ws.records.mkdir(parents=True)
        mark_place(ws)
        server.bind(ws.mlruns, url)
        return Site(ws, f"{name}-{tmp_path.name}")

    return make


def stored(bucket: Any, model_id: str) -> list[str]:
    """Every version of every object of a stored model; markers count."""
    pages = bucket.get_paginator("list_object_versions").paginate(Bucket="lethe", Prefix="mlflow/")
    kinds = (page.get(kind, ()) for page in pages for kind in ("Versions", "DeleteMarkers"))
    return [row["Key"] for rows in kinds for row in rows if model_id in row["Key"]]


def test_a_version_is_on_the_server_and_serves_from_there(make_site, bucket, url) -> None:
    import mlflow
    import numpy as np

    site = make_site()
    first = site.register(1, **{"lethe.run": "init"})
    models.promote(site.mlruns, site.name, first.version, expected_parent=None)
    assert models.champion(site.mlruns, site.name) == models.version(site.mlruns, site.name, 1)
    assert any(key.endswith("weights.safetensors") for key in stored(bucket, first.model_id))
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    served = mlflow.pyfunc.load_model(f"models:/{site.name}@champion")
    images = np.zeros((2, 1, 8, 8), dtype=np.uint8)
    network = build(RECIPE, torch.Generator().manual_seed(1)).eval()
    expected = network(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(served.predict(images), expected, rtol=1e-5)


def test_registering_twice_makes_one_version_there(make_site) -> None:
    site = make_site()
    assert site.register(1, **{"lethe.run": "r1"}) == site.register(1, **{"lethe.run": "r1"})
    assert len(models.versions(site.mlruns, site.name)) == 1


def test_erasing_removes_every_version_of_every_object(make_site, bucket) -> None:
    site = make_site()
    first, second = (site.register(n, **{"lethe.run": f"r{n}"}) for n in (1, 2))
    models.promote(site.mlruns, site.name, second.version, expected_parent=None)
    # What a versioned bucket keeps of an object that was written twice and then removed.
    key = next(key for key in stored(bucket, first.model_id) if key.endswith(".safetensors"))
    bucket.put_object(Bucket="lethe", Key=key, Body=b"again")
    bucket.delete_object(Bucket="lethe", Key=key)
    assert unverifiable(site.mlruns, first) is None
    found = erase_version(site.mlruns, site.name, first.version)
    assert [copy.status for copy in found] == [Status.REMOVED]
    assert stored(bucket, first.model_id) == []
    assert stored(bucket, second.model_id)
    assert [v.version for v in models.versions(site.mlruns, site.name)] == [second.version]
    assert erase_version(site.mlruns, site.name, first.version) == []


def test_weights_on_the_server_that_belong_to_no_version_are_told(make_site) -> None:
    site = make_site()
    first = site.register(1, **{"lethe.run": "init"})
    tracking.client(site.mlruns).delete_model_version(site.name, str(first.version))
    shutil.rmtree(site.mlruns / "artifacts")
    told = copies(site.mlruns, {first.sha256})
    assert [copy.status for copy in told] == [Status.REMAINS]
    assert "tracking server" in told[0].what


def test_nothing_of_another_workspace_is_changed(make_site) -> None:
    """Two workspaces, one server: a name belongs to whoever had it first."""
    site, other = make_site("one"), make_site("other")
    first = site.register(1, **{"lethe.run": "init"})
    with pytest.raises(UsageError, match=r"model\.name: .* by another"):
        other.register(2, **{"lethe.run": "init"})
    with pytest.raises(UsageError, match=r"model\.name: .* by another"):
        erase_version(other.mlruns, other.name, first.version)
    assert [v.sha256 for v in models.versions(site.mlruns, site.name)] == [first.sha256]


def test_a_copy_of_the_workspace_changes_nothing_there(make_site, tmp_path) -> None:
    site = make_site()
    first = site.register(1, **{"lethe.run": "init"})
    shutil.copytree(site.ws.root, tmp_path / "copy")
    copy = Site(Workspace.at(tmp_path / "copy"), site.name)
    with pytest.raises(OutsideWorkspace, match="was copied or restored"):
        erase_version(copy.mlruns, copy.name, first.version)
    with pytest.raises(OutsideWorkspace, match="was copied or restored"):
        models.promote(copy.mlruns, copy.name, first.version, expected_parent=None)
    assert models.verified(models.version(site.mlruns, site.name, first.version))


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="does not answer"):
        server.bind(tmp_path / "mlruns", "http://127.0.0.1:9")
    assert not (tmp_path / "mlruns").exists()


def test_an_address_with_a_password_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds a password"):
        server.bind(tmp_path / "mlruns", "http://me:secret@127.0.0.1:9")


def test_what_the_server_stores_for_itself_cannot_be_seen_gone(tmp_path: Path) -> None:
    """Such a server may keep them in a bucket with versions: somebody must look."""
    store = ("--serve-artifacts", "--artifacts-destination", str(tmp_path / "store"))
    with mlflow_server(tmp_path, *store) as address:
        ws = Workspace.at(tmp_path / "site")
        ws.records.mkdir(parents=True)
        mark_place(ws)
        server.bind(ws.mlruns, address)
        site = Site(ws, NAME)
        first = site.register(1, **{"lethe.run": "init"})
        assert list((tmp_path / "store").rglob("*.safetensors"))
        assert "only its keeper can list" in str(unverifiable(site.mlruns, first))
        erase_version(site.mlruns, site.name, first.version)
        assert not list((tmp_path / "store").rglob("*.safetensors"))
