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
from random import Random
from socket import socket
from typing import Any
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
from tasks.keeping.verified import verify_records
from tests.integration.buckets import bucket_on_loopback
from tests.integration.releasing import Releasing, begun, untrained
from tests.tampering import LONG, Report
from tests.unanswered import Between, Fault, between
from unlearning.digests import sha256_file
from unlearning.errors import InfrastructureError, LetheError, UsageError
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
        # Its workers for jobs are six processes more, of which these tests ask nothing.
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
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
        except OSError:
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
    assert unverifiable(site.mlruns, first.model_id) is None
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
        assert "only its keeper can list" in str(unverifiable(site.mlruns, first.model_id))
        erase_version(site.mlruns, site.name, first.version)
        assert not list((tmp_path / "store").rglob("*.safetensors"))


class TestFailing:
    """500, or done and the reply lost, at one call of a release or from one on."""

    FAULTS = tuple(
        Fault(0, lost=lost, lasting=lasting) for lost in (False, True) for lasting in (False, True)
    )

    @pytest.fixture
    def failing(self, url: str, tmp_path: Path) -> Iterator[Between]:
        """The server behind a proxy; what fails is asked a second time, and at once."""
        patience = {"MAX_RETRIES": "1", "BACKOFF_FACTOR": "0", "BACKOFF_JITTER": "0"}
        with (
            pytest.MonkeyPatch.context() as patch,
            untrained(tmp_path),
            between(url) as found,
        ):
            for name, value in patience.items():
                patch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
            yield found

    def test_wherever_it_fails_the_same_command_ends_in_one_release(
        self, failing: Between, bucket: Any, tmp_path: Path, record_property: Report
    ) -> None:
        """At every call where `make proof` asks; else at one of each kind, drawn by a seed."""
        calls = self.undisturbed(failing, bucket, tmp_path)
        tried = [one for kind in self.FAULTS for one in self.tried(kind, calls)]
        for number, fault in enumerate(tried):
            name = f"at-{number}-{tmp_path.name}"
            site = begun(tmp_path / name, failing.address, name)
            with failing.failing(fault):
                told = refused(site)
                assert len(failing.calls) >= fault.n, told
            where = f"{fault}, {calls[fault.n - 1]}: {told}"
            assert_whole(site, where)
            site.again()
            assert_released(site, bucket, where)
            shutil.rmtree(site.ws.root)
        record_property("n", len(tried))

    def tried(self, kind: Fault, calls: list[str]) -> list[Fault]:
        """Of a question a lost reply is a refusal: the server is as it was."""
        every = [n for n, call in enumerate(calls, 1) if changes(call) or not kind.lost]
        made = [n for n in every if kind.lost and calls[n - 1].endswith("model-versions/create")]
        drawn = every if LONG else made or [Random(str(kind)).choice(every)]
        return [dataclasses.replace(kind, n=n) for n in drawn]

    def undisturbed(self, failing: Between, bucket: Any, folder: Path) -> list[str]:
        """Release once without a fault; give the calls that it takes."""
        site = begun(folder / "whole", failing.address, f"whole-{folder.name}")
        with failing.failing(None):
            site.again()
            calls = list(failing.calls)
        assert_released(site, bucket, "undisturbed")
        return calls


def changes(call: str) -> bool:
    """Whether a call may change what the server has."""
    return not call.startswith("GET ") and not call.endswith("/search")


def refused(site: Releasing) -> str | None:
    """What the command says when the server fails it: one line that names the server; or None."""
    try:
        site.again()
    except LetheError as problem:
        assert problem.exit_code == InfrastructureError.exit_code, problem
        assert "\n" not in str(problem) and "try again" in str(problem)
        return str(problem)
    return None


def assert_whole(site: Releasing, where: str) -> None:
    """What serves is the first version, or the one that the log's sealed decision names."""
    serving = models.champion(site.ws.mlruns, site.name)
    assert serving is not None, where
    assert serving.version == 1 or serving.sha256 == sha256_file(site.candidate), where
    assert verify_records(site.ws, None).ok, where


def assert_released(site: Releasing, bucket: Any, where: str) -> None:
    """The candidate serves and is alone, one log tells so, and nothing is there twice."""
    mlruns = site.ws.mlruns
    (version,) = models.versions(mlruns, site.name)
    assert version.sha256 == sha256_file(site.candidate), where
    assert version.aliases == ("champion",), where
    (promoted,) = (e.body for e in site.entries() if e.key.endswith("/promoted"))
    assert promoted["version"] == version.version, where
    assert [str(request.state) for request in site.requests()] == ["complete"], where
    assert verify_records(site.ws, None).ok, where
    api, home = tracking.client(mlruns), tracking.experiment(mlruns)
    assert [m.model_id for m in api.search_logged_models([home])] == [version.model_id], where
    assert len(api.search_runs([home])) == 1, where
    assert stored(bucket, version.model_id), where
    kept = {path.parts[-4] for path in mlruns.rglob("*.safetensors")}
    assert kept == {version.model_id}, where
