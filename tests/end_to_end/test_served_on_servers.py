"""From a posted event to a released model with log, inbox and runs in PostgreSQL, data in S3."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledger import lines
from ledger.databases.postgresql import engine_at
from systems.settings.workspace import Workspace, write_templates
from tests.end_to_end.commandline import Lethe
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.test_served import Service, served
from tests.integration import postgresql
from tests.integration.buckets import bucket_on_loopback
from tests.integration.test_tracking_server import mlflow_server

PASSWORD = "hunter2-and-more"
"""The server trusts whoever comes; that the password is told nowhere can be seen all the same."""


@dataclass(frozen=True)
class OnServers(Lethe):
    """A workspace whose log lies in a database."""

    def entries(self) -> list[dict[str, Any]]:
        """Read the log where it lies."""
        where = lines.lines_of(self.root / "records", self.environment["LETHE_DATABASE_URL"])
        return [json.loads(line) for line in where.read().splitlines()]


@dataclass(frozen=True)
class Stores:
    """What the workspace's processes are told, and boto3's client of the bucket."""

    environment: dict[str, str]
    bucket: Any


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """PostgreSQL for Lethe, MLflow and Prefect; a bucket; MLflow's server: all on the loopback."""
    with ExitStack() as held:
        server = held.enter_context(postgresql.server())
        url, mlflow, prefect = (postgresql.database(server) for _ in range(3))
        patch = held.enter_context(pytest.MonkeyPatch.context())
        bucket = held.enter_context(bucket_on_loopback(patch, versioned=True))
        aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        backend = ("--backend-store-uri", mlflow.replace("postgresql:", "postgresql+psycopg:"))
        store = ("--default-artifact-root", "s3://lethe/mlflow", "--no-serve-artifacts")
        folder = tmp_path_factory.mktemp("server")
        address = held.enter_context(mlflow_server(folder, *store, *backend))
        told = {
            "LETHE_DATABASE_URL": url.replace("lethe@", f"lethe:{PASSWORD}@"),
            "MLFLOW_TRACKING_URI": address,
            "PREFECT_API_DATABASE_CONNECTION_URL": prefect.replace(
                "postgresql:", "postgresql+asyncpg:"
            ),
        }
        yield Stores(aws | told, bucket)
        engine_at(told["LETHE_DATABASE_URL"]).dispose()


@pytest.fixture(scope="module")
def service(
    stores: Stores,
    context: ForkServerContext,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("on-servers")
    lethe = OnServers(folder / "workspace", folder / "tmp", context, environment=stores.environment)
    write_templates(Workspace(lethe.root))
    lethe.change("bank", "workers", 1)
    lethe.change("remote", "url", "s3://lethe/data")
    (lethe.root / "policy.yaml").write_text(yaml.safe_dump(CHEAP))
    lethe("init", "--shadows", "8", "--epochs", "8")
    with served(lethe, environment, stores.environment, people=10) as made:
        yield made


def test_a_posted_request_is_released_with_nobody_touching_anything(
    service: Service, stores: Stores, tmp_path: Path
) -> None:
    lethe, root = service.lethe, service.lethe.root
    ref = service.post()
    service.until(lambda: service.served(ref), "it is served")
    assert sum(key.endswith("/promoted") for key in service.logged()) == 1
    assert lethe.champion()["version"] == 2
    assert lethe("verify", "--log").json["ok"]

    in_files = ("records/log.jsonl", "records/ledger.db", "inbox/inbox.db", "mlruns/mlflow.db")
    assert [name for name in in_files if (root / name).exists()] == []
    listed = stores.bucket.list_objects_v2(Bucket="lethe")["Contents"]
    kept = {found["Key"].partition("/")[0] for found in listed}
    assert {"data", "mlflow"} <= kept
    told = [path for path in root.rglob("*") if path.is_file() and contains(path, PASSWORD)]
    assert told == []

    exported = tmp_path / "log.jsonl"
    assert lethe("log", "--export", str(exported)).json["entries"] == len(service.logged())
    alone = Lethe(tmp_path / "nowhere", tmp_path / "tmp", lethe.context)
    words = ("verify", str(exported), "--log", "--key", str(root / "records" / "public.pem"))
    assert alone(*words).json["ok"]


def contains(path: Path, text: str) -> bool:
    return text.encode() in path.read_bytes()
