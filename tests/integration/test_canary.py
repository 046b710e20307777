"""After COMPLETE nothing of a person is left: in no file, no MLflow record, no remote, no version.

The search is first seen to find him, where he must be, before anything is erased.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ledger.domain import State
from systems.data import decoded, loading
from systems.data.sharding import load_dataset
from systems.settings.workspace import Workspace, write_templates
from tasks.attest import attest_erasure
from tasks.data.importing import take_in
from tasks.purge import finish_purging
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tests.canary import PIXELS, SUBJECT, Canary, a_canary, found_below, found_in
from tests.integration.buckets import bucket_on_loopback
from tests.integration.small_runs import again, asked, begun, go_on, noted, small
from tests.integration.test_importing_more import NAMES
from tests.tampering import LONG

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
    """A small workspace with one more person, who then wrote himself into more than data."""
    ws = Workspace.at(root)
    write_templates(ws)
    tree = yaml.safe_load(ws.params.read_text())
    tree["remote"]["url"] = url
    ws.params.write_text(yaml.safe_dump(tree))
    at = opened(str(small(root)))
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
