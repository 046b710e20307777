"""After COMPLETE nothing of a person is left: in no file, no MLflow record, no remote, no version.

The search is first seen to find him, where he must be, before anything is erased.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from flows.cli.work.moving import move
from ledger.domain import State
from systems.data import decoded, loading
from systems.data.sharding import load_dataset
from systems.registry import store
from systems.settings.recording import DATABASE_URL
from systems.settings.workspace import Workspace, write_templates
from tasks import promote
from tasks.attest import attest_erasure
from tasks.data.importing import take_in
from tasks.purge import finish_purging
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tests.canary import PIXELS, SUBJECT, Canary, a_canary, found_below, found_in
from tests.integration import postgresql, whole_commands
from tests.integration.buckets import bucket_on_loopback
from tests.integration.small_runs import again, asked, begun, go_on, noted, small
from tests.integration.test_importing_more import NAMES
from tests.tampering import LONG
from unlearning import networks
from unlearning.networks import Recipe

REMOTES = ["inside", "folder", *(["bucket"] if LONG else []), "versioned bucket"]
"""In CI the bucket that keeps versions alone: whoever is in none of these is in no plain one."""


@pytest.fixture(params=REMOTES)
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str | None, Any]]:
    """Give the remote's URL, and a client if it is a bucket."""
    if "bucket" not in request.param:
        yield (None if request.param == "inside" else str(tmp_path / "remote")), None
        return
    with pytest.MonkeyPatch.context() as patch:
        versioned = request.param.startswith("versioned")
        with bucket_on_loopback(patch, versioned=versioned) as client:
            yield "s3://lethe/data", client


def with_canary(root: Path, url: str | None, canary: Canary, folder: Path) -> Opened:
    """A small workspace with one more person."""
    ws = Workspace.at(root)
    write_templates(ws)
    tree = yaml.safe_load(ws.params.read_text())
    tree["remote"]["url"] = url
    ws.params.write_text(yaml.safe_dump(tree))
    return taken_in(opened(str(small(root))), canary, folder)


def taken_in(at: Opened, canary: Canary, folder: Path) -> Opened:
    """One more person, who then wrote himself into more than data."""
    rows = {
        "image": [canary.image()],
        "label": [3],
        "subject_id": [canary.subject],
        "example_id": [f"{canary.subject}/1"],
    }
    pq.write_table(pa.table(rows), folder / "canary.parquet")
    take_in(at, folder / "canary.parquet", NAMES, as_written=False)
    (folder / "canary.parquet").unlink()
    decoded.pictures(at.ws, load_dataset(at.ws))  # as where they are too many for memory
    return opened(at.root)


def outside(at: Opened, canary: Canary, folder: Path, client: Any) -> None:
    """Copies that Lethe did not make, in a folder and, if there is one, below a bucket's prefix."""
    name = f"notes/{canary.subject}/1.txt"
    (folder / name).parent.mkdir(parents=True)
    for path, content in ((name, canary.subject.encode()), ("copy.png", canary.image())):
        (folder / path).write_bytes(content)
        if client is not None:
            client.put_object(Bucket="lethe", Key=f"outside/{path}", Body=content)
    (folder / "others.txt").write_text("stays")
    by_name = "names: ['notes/{example}.txt']"
    lines = [f"  - {{name: here, at: {folder}, {by_name}}}"]
    lines += [f"  - {{name: there, at: 's3://lethe/outside', {by_name}}}"] if client else []
    (at.ws.root / "service.yaml").write_text("\n".join(["connectors:", *lines, ""]))


def in_bucket(client: Any, canary: Canary) -> set[str]:
    """Search every version of every object."""
    found: set[str] = set()
    for version in client.list_object_versions(Bucket="lethe").get("Versions", ()):
        named = {"Key": version["Key"], "VersionId": version["VersionId"]}
        body = client.get_object(Bucket="lethe", **named)["Body"].read()
        found |= found_in(body + version["Key"].encode(), canary)
    return found


def test_nothing_is_left_of_him(remote: tuple[str | None, Any], tmp_path: Path) -> None:
    (url, client), canary = remote, a_canary()
    at = with_canary(tmp_path / "workspace", url, canary, tmp_path)
    outside(at, canary, tmp_path / "outside", client)
    before = found_below(tmp_path, canary)
    places = {place.split("/")[1] for place, _ in before}
    assert {"data", ".dvc", "artifacts"} <= places
    assert {what for place, what in before if place.startswith("outside/")} == {SUBJECT, PIXELS}
    assert {what for _, what in before} == {SUBJECT, PIXELS}
    if client is not None:
        assert in_bucket(client, canary) == {SUBJECT, PIXELS}

    run = begun(at, asked(at, canary.subject), noted)
    run.once("decided", lambda: {"decision": "purge", "assurance": "A0", "records": []})
    run.once("sealed", lambda: {"statement": "0" * 64})
    go_on(run)
    run = again(run)
    attest_erasure(run)
    finish_purging(run.at, run.requests)
    run.at.ledger.finish_run(run.ref, now=utc_now())

    assert run.at.ledger.request(run.requests[0]).state is State.COMPLETE
    assert found_below(tmp_path, canary) == set()
    left = {path.name for path in (tmp_path / "outside").rglob("*")}
    assert left == {"notes", "others.txt"}
    assert loading.counts(at.ws)["train"] > 0
    if client is not None:
        assert in_bucket(client, canary) == set()


def learned_by_heart(canary: Canary, number: int, path: Path) -> None:
    """Write a network; the first one, 0, has the person's pixels in its weights."""
    recipe = Recipe(network="conv-small", mean=(0.3,), std=(0.3,), **whole_commands.RECIPE)
    network = networks.build(recipe, torch.Generator().manual_seed(number))
    largest = max(network.parameters(), key=torch.Tensor.numel).data.view(-1)
    if number == 0:
        pixels = (canary.pattern.astype(np.float32) / np.float32(255)).ravel()
        largest[: pixels.size] = torch.from_numpy(pixels)
    networks.save(network, path)


def dumped(url: str) -> bytes:
    """A dump of a database; nothing where this machine has no program to make one."""
    found = shutil.which("pg_dump")
    there = [Path(found)] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))
    return subprocess.check_output([there[-1], url]) if there else b""


def in_database(url: str, canary: Canary) -> set[str]:
    """Search every column of every row, and a dump, in which bytes are in hexadecimal."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        cells = [
            cell if isinstance(cell, bytes) else str(cell).encode()
            for (name,) in tables
            for row in connection.execute(f"SELECT * FROM {name}")  # type: ignore[call-overload]
            for cell in row
        ]
    dump = dumped(url)
    words = re.findall(rb"\\\\x([0-9a-f]+)", dump)
    pieces = [*cells, dump, *(bytes.fromhex(word.decode()) for word in words)]
    return {what for piece in pieces for what in found_in(piece, canary)}


def test_nothing_is_left_of_him_in_models_banks_and_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Released for him, with a first version that knows him by heart, and a bank with his columns.

    The log and the inbox lie in PostgreSQL.
    """
    for module, name in ((store, "_save"), (promote, "candidate_of")):
        monkeypatch.setattr(module, name, getattr(module, name))  # which a command replaces
    canary, root = a_canary(), tmp_path / "workspace"
    ws = whole_commands.workspace(root, partial(learned_by_heart, canary))
    with postgresql.server() as server:
        url = postgresql.database(server)
        monkeypatch.setenv(DATABASE_URL, url)
        move(root)
        at = taken_in(opened(str(root)), canary, tmp_path)
        bank = ws.bank / "one"
        bank.mkdir(parents=True)
        index = {
            "ids": [f"{canary.subject}/1"],
            "plan": {"shadows": 0, "data_version": ""},
            "sha256": {},
        }
        (bank / "bank.json").write_text(json.dumps(index))
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE planted (words text, content bytea)")
            row = (f"about {canary.subject}", canary.image())
            connection.execute("INSERT INTO planted VALUES (%s, %s)", row)
        asked(at, canary.subject)
        (ws.root / "first.safetensors").unlink()
        before = {(place.split("/")[0], what) for place, what in found_below(root, canary)}
        assert {("mlruns", PIXELS), ("artifacts", SUBJECT), ("data", PIXELS)} <= before
        assert in_database(url, canary) == {SUBJECT, PIXELS}
        with psycopg.connect(url) as connection:
            connection.execute("DROP TABLE planted")

        whole_commands.forget(root)

        (request,) = opened(str(root)).ledger.requests(None, utc_now())
        assert request.state is State.COMPLETE
        assert found_below(tmp_path, canary) == set()
        assert in_database(url, canary) == set()
