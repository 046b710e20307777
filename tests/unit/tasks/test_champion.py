"""The champion is the log's last release, over its bytes, untainted; all else is an alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger import keys
from ledger.replay.lineage import FIRST, releases, taints
from ledger.requests import Ledger
from systems.registry import models
from systems.registry.models import ModelVersion
from systems.settings.workspace import Workspace, write_templates
from tasks.claim import cut_off
from tasks.running.champion import TAINTED, sealed_champion, standing
from tasks.running.opened import Opened
from tests.unit.submitted import accepted
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError, UsageError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
Serve = Callable[..., None]


@pytest.fixture
def at(tmp_path: Path) -> Opened:
    """A workspace whose log knows three releases: 1, then 2 in its place, then 4."""
    ws = Workspace.at(tmp_path / "workspace")
    write_templates(ws)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    made = Opened(str(ws.root))
    for number in (1, 2, 3, 4):
        weights_of(ws, number).write_bytes(bytes([number]))
    release(made.ledger, FIRST, version_of(ws, 1), None)
    release(made.ledger, "run-a/promoted", version_of(ws, 2), 1)
    release(made.ledger, "run-b/promoted", version_of(ws, 4), 2)
    return made


def weights_of(ws: Workspace, number: int) -> Path:
    return ws.root / f"{number}.safetensors"


def version_of(ws: Workspace, number: int, parent: int | None = None, **tags: str) -> ModelVersion:
    """Give a version as the registry would."""
    path = weights_of(ws, number)
    tags |= {} if parent is None else {"lethe.parent": str(parent)}
    return ModelVersion("lethe", number, sha256_file(path), path, "m", None, tags, ("champion",))


def release(ledger: Ledger, key: str, found: ModelVersion, parent: int | None) -> None:
    body: dict[str, Any] = {"version": found.version, "sha256": found.sha256}
    body |= {} if parent is None else {"parent": parent}
    ledger.record(FIRST if key == FIRST else "step", body, key=key, now=NOW)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Let a version have the alias."""

    def put(found: ModelVersion | None) -> None:
        monkeypatch.setattr(models, "champion", lambda *_: found)

    return put


def test_the_last_release_serves(at: Opened, serve: Serve) -> None:
    serve(version_of(at.ws, 4, parent=2))
    assert sealed_champion(at).version == 4


@pytest.mark.parametrize(("number", "parent"), [(1, None), (2, 1), (3, 2)])
def test_an_older_version_or_a_stranger_is_an_alarm(
    at: Opened, serve: Serve, number: int, parent: int | None
) -> None:
    serve(version_of(at.ws, number, parent=parent))
    with pytest.raises(IntegrityError) as caught:
        sealed_champion(at)
    assert f"version {number} serves" in str(caught.value)
    assert "point the alias `champion` back to version 4" in str(caught.value)
    assert caught.value.exit_code == 30


def test_an_alias_that_is_gone_is_an_alarm(at: Opened, serve: Serve) -> None:
    serve(None)
    with pytest.raises(IntegrityError, match=r"no version serves.*back to version 4"):
        sealed_champion(at)


def test_other_bytes_another_parent_and_a_taint_are_alarms(at: Opened, serve: Serve) -> None:
    good = version_of(at.ws, 4, parent=2)
    for wrong, said in (
        (replace(good, sha256=version_of(at.ws, 3).sha256), "its SHA-256 is"),
        (version_of(at.ws, 4, parent=1), "its parent is 1"),
        (version_of(at.ws, 4), "its parent is None"),
        (version_of(at.ws, 4, parent=2, **{f"{TAINTED}run-c": "2026"}), "tainted by run-c"),
    ):
        serve(wrong)
        with pytest.raises(IntegrityError, match=said):
            sealed_champion(at)


def test_altered_bytes_are_an_alarm(at: Opened, serve: Serve) -> None:
    serve(version_of(at.ws, 4, parent=2))
    weights_of(at.ws, 4).write_bytes(b"others")
    with pytest.raises(IntegrityError, match="version 4 of lethe: got weights"):
        sealed_champion(at)


def test_before_the_first_there_is_none(tmp_path: Path, serve: Serve) -> None:
    ws = Workspace.at(tmp_path)
    write_templates(ws)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    weights_of(ws, 1).write_bytes(b"1")
    empty = Opened(str(ws.root))
    serve(None)
    assert standing(empty) is None
    with pytest.raises(UsageError, match="lethe init"):
        sealed_champion(empty)
    serve(version_of(ws, 1))
    with pytest.raises(IntegrityError, match="the log knows no release"):
        standing(empty)
    release(empty.ledger, FIRST, version_of(ws, 1), None)
    assert sealed_champion(empty).version == 1
    serve(None)
    assert standing(empty) is None  # `init` was cut off just before the alias, and goes on


def test_releases_that_do_not_follow_each_other_are_an_alarm(at: Opened) -> None:
    release(at.ledger, "run-c/promoted", version_of(at.ws, 3), 2)
    with pytest.raises(IntegrityError, match="in place of version 2, expected version 4"):
        releases(at.ledger.log.entries())


def test_a_version_is_tainted_by_every_release_after_it(at: Opened) -> None:
    made = releases(at.ledger.log.entries())
    by = {number: [release.run for release in taints(number, made)] for number in (1, 2, 3, 4, 5)}
    assert by == {1: ["run-a", "run-b"], 2: ["run-b"], 3: ["run-b"], 4: [], 5: []}


def begin(at: Opened, candidate: str, decision: str = "released", parent: int = 4) -> str:
    """Take a run to where its evidence is sealed; give its reference."""
    run = at.ledger.start_run([accepted(at.ledger, NOW).ref], now=NOW)
    steps = {"begun": {"parent": parent}, "decided": {"decision": decision, "candidate": candidate}}
    for step, body in {**steps, "sealed": {"statement": "s"}}.items():
        at.ledger.once(run, step, lambda body=body: dict(body), clock=lambda: NOW)
    return run


def test_a_release_that_lacks_only_its_entry_serves(at: Opened, serve: Serve) -> None:
    """The alias moved and the process died: no alarm for others, and the run is to be finished."""
    weights_of(at.ws, 5).write_bytes(b"5")
    run = begin(at, sha256_file(weights_of(at.ws, 5)))
    coming = version_of(at.ws, 5, parent=4, **{"lethe.run": run})
    serve(coming)
    assert sealed_champion(at) == coming
    assert sealed_champion(Opened(at.root, reading=True)) == coming
    assert cut_off(at) == (at.ledger.run_requests(run),)
    serve(replace(coming, tags={"lethe.parent": "4"}))
    with pytest.raises(IntegrityError, match="back to version 4"):
        sealed_champion(at)


@pytest.mark.parametrize(
    ("change", "of_old_parent"), [({"decision": "refused"}, False), ({"parent": 2}, True)]
)
def test_a_version_that_was_not_released_in_place_of_the_champion_does_not_serve(
    at: Opened, serve: Serve, change: dict[str, Any], of_old_parent: bool
) -> None:
    weights_of(at.ws, 5).write_bytes(b"5")
    run = begin(at, sha256_file(weights_of(at.ws, 5)), **change)
    serve(version_of(at.ws, 5, parent=2 if of_old_parent else 4, **{"lethe.run": run}))
    with pytest.raises(IntegrityError, match="back to version 4"):
        sealed_champion(at)
