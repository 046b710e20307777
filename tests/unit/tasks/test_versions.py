"""Which earlier version may serve again, and which never: by the log, and the alias follows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger import keys
from ledger.domain import State
from ledger.replay.lineage import FIRST, objections, releases, taints
from ledger.requests import Ledger
from systems.registry import models
from systems.registry.models import ModelVersion
from systems.settings.workspace import Workspace, write_templates
from tasks.keeping.verified import verify_records
from tasks.requests.asked import Asked, Open
from tasks.running.champion import sealed_champion
from tasks.running.opened import Opened
from tasks.showing import versions as showing
from tasks.versions import rollback as rolling
from tasks.versions.rollback import rollback
from tasks.versions.taint import taint, tainted_by
from unlearning.digests import sha256_file
from unlearning.domain import SPLITS, TRAIN
from unlearning.errors import IntegrityError, RequestDenied

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ALARM, DENIED = 30, 12


class Registry:
    """Stands for MLflow: versions with their tags, and who serves."""

    def __init__(self, ws: Workspace, parents: dict[int, int | None]) -> None:
        self.alias = max(parents)
        self.kept = {number: self._made(ws, number, parent) for number, parent in parents.items()}

    def _made(self, ws: Workspace, number: int, parent: int | None) -> ModelVersion:
        path = ws.root / f"{number}.safetensors"
        path.write_bytes(bytes([number]))
        tags = {} if parent is None else {"lethe.parent": str(parent)}
        return ModelVersion("lethe", number, sha256_file(path), path, "m", None, tags)

    def champion(self, *_: object) -> ModelVersion:
        return self.kept[self.alias]

    def version(self, _: Path, __: str, number: int) -> ModelVersion:
        return self.kept[number]

    def promote(self, _: Path, __: str, number: int, *, expected_parent: int | None) -> None:
        assert self.alias in (expected_parent, number)
        self.alias = number

    def describe(self, _: Path, __: str, notes: dict[int, str], note: str) -> None:
        self.notes, self.note = notes, note

    def set_tags(self, _: Path, __: str, number: int, tags: dict[str, str]) -> None:
        found = self.kept[number]
        self.kept[number] = replace(found, tags={**found.tags, **tags})


@pytest.fixture
def at(tmp_path: Path) -> Opened:
    """1, then 2 retrained without Jane while Joe was restricted, then 3 fine-tuned without Joe."""
    ws = Workspace.at(tmp_path / "workspace")
    write_templates(ws)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    return Opened(str(ws.root))


@pytest.fixture
def registry(at: Opened, monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry(at.ws, {1: None, 2: 1, 3: 2})
    for name in ("champion", "version", "promote", "set_tags", "describe"):
        monkeypatch.setattr(models, name, getattr(made, name))
    monkeypatch.setattr(rolling, "open_requests", lambda _: Open((), {}))
    monkeypatch.setattr(showing, "experiment", lambda _: "1")
    body = {"version": 1, "sha256": made.kept[1].sha256}
    at.ledger.record(FIRST, body, key=FIRST, now=NOW)
    released(at.ledger, made.kept[2], 1, ["req-jane"], left_out=["req-joe"], assurance="A3")
    released(at.ledger, made.kept[3], 2, ["req-joe"], left_out=[], assurance="A2")
    return made


def released(
    ledger: Ledger,
    made: ModelVersion,
    parent: int,
    requests: list[str],
    *,
    left_out: list[str],
    assurance: str,
) -> None:
    """Take a run through the entries that lineage reads."""
    run = f"run-{made.version}"
    steps: dict[str, dict[str, Any]] = {
        "started": {"run": run, "requests": requests},
        "extracted": {"left_out": left_out},
        "decided": {"assurance": assurance, "decision": "released"},
        "promoted": {"version": made.version, "sha256": made.sha256, "parent": parent},
        "finished": {"run": run},
    }
    events = {"started": "run_started", "finished": "run_finished"}
    for step, body in steps.items():
        ledger.record(events.get(step, "step"), body, key=f"{run}/{step}", now=NOW)


def test_a_version_that_never_saw_the_forgotten_is_not_tainted(at: Opened, registry: Registry):
    """2 was trained afresh without Joe; had it been fine-tuned, nothing would show that."""
    made = releases(at.ledger.log.entries())
    by = {number: [release.run for release in taints(number, made)] for number in (1, 2, 3)}
    assert by == {1: ["run-2", "run-3"], 2: [], 3: []}
    tuned = tuple(replace(r, exact=False, spared=frozenset()) for r in made)
    assert [r.run for r in taints(2, tuned)] == ["run-3"]


def test_an_earlier_clean_version_serves_again(at: Opened, registry: Registry) -> None:
    found = rollback(at, 2, "the new one is slow")
    assert (found["champion"]["version"], found["replaced"], registry.alias) == (2, 3, 2)
    assert sealed_champion(at).version == 2
    entry = at.ledger.log.entries()[-1]
    assert (entry.event, entry.body["parent"]) == ("rolled_back", 3)
    assert list(objections(at.ledger.log.entries())) == []
    with pytest.raises(RequestDenied, match="serves already"):
        rollback(at, 2, None)
    released(
        at.ledger, replace(registry.kept[3], version=4), 2, ["req-ann"], left_out=[], assurance="A2"
    )
    assert [r.run for r in taints(2, releases(at.ledger.log.entries()))] == ["run-4"]


def test_a_version_that_saw_the_forgotten_never_serves_again(at: Opened, registry: Registry):
    before = at.ledger.log.entries()
    with pytest.raises(RequestDenied, match="tainted by run-2, run-3: it learned from") as caught:
        rollback(at, 1, None)
    assert caught.value.exit_code == DENIED
    assert (registry.alias, at.ledger.log.entries()) == (3, before)


@pytest.mark.parametrize(
    ("ref", "part", "refused"),
    [("req-ann", TRAIN, True), ("req-ann", "test", False), ("req-joe", TRAIN, False)],
)
def test_who_waits_to_be_forgotten_counts_as_well(
    at: Opened,
    registry: Registry,
    ref: str,
    part: str,
    refused: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not of whom it has seen no training example, or whom it was trained without."""
    ids = {split: frozenset({"e"} if split == part else ()) for split in SPLITS}
    asked = Open((Asked(ref, State.ACCEPTED, ids),), {})
    monkeypatch.setattr(rolling, "open_requests", lambda _: asked)
    if refused:
        with pytest.raises(RequestDenied, match=f"learned from examples that {ref} asks"):
            rollback(at, 2, None)
    else:
        assert rollback(at, 2, None)["champion"]["version"] == 2


def test_of_a_lost_request_nobody_can_tell(
    at: Opened, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "open_requests", lambda _: Open((), {"req-lost": "no key"}))
    with pytest.raises(RequestDenied, match="req-lost"):
        rollback(at, 2, None)


def test_a_rollback_that_was_cut_off_goes_on(
    at: Opened, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the log and the alias: an alarm that says what to repeat, and one entry."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(models, "promote", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        rollback(at, 2, "slow")
    with pytest.raises(IntegrityError, match="repeat `lethe rollback 2`"):
        sealed_champion(at)
    assert rollback(at, 2, "slow")["champion"]["version"] == 2
    assert [e.event for e in at.ledger.log.entries()].count("rolled_back") == 1


def test_a_tainted_champion_is_an_alarm_until_another_serves(
    at: Opened, registry: Registry
) -> None:
    """The mark is an entry and a tag, once; what was built upon the version goes with it."""
    found = taint(at, 3, "poisoned data")
    assert taint(at, 3, "again")["reason"] == "poisoned data"
    assert (found["tainted"], found["by"], found["champion"]) == (True, ["version/3/tainted"], 3)
    assert "because: poisoned data" in found["problem"]
    assert "lethe rollback" in found["problem"]
    assert "lethe.tainted.marked" in registry.kept[3].tags
    with pytest.raises(IntegrityError, match="was marked as tainted") as caught:
        sealed_champion(at)
    assert caught.value.exit_code == ALARM
    rollback(at, 2, None)
    assert sealed_champion(at).version == 2
    with pytest.raises(RequestDenied, match="marked as tainted"):
        rollback(at, 3, None)


def test_what_was_built_upon_a_tainted_version_is_tainted_too(
    at: Opened, registry: Registry
) -> None:
    """3 was fine-tuned from 2; 2 was trained afresh, so nothing of 1 is in it."""
    assert "problem" not in taint(at, 1, None)
    assert tainted_by(at, 2, "") == []
    assert "was built upon version 2" in taint(at, 2, None)["problem"]
    assert tainted_by(at, 3, "") == ["version/2/tainted"]


def test_what_never_served_does_not_serve_again(at: Opened, registry: Registry) -> None:
    with pytest.raises(RequestDenied, match="was never released"):
        rollback(at, 7, None)


def test_a_rollback_that_the_log_forbids_is_found_by_who_verifies(
    at: Opened, registry: Registry
) -> None:
    body = {"version": 1, "sha256": registry.kept[1].sha256, "parent": 3, "reason": None}
    at.ledger.record("rolled_back", body, key="rollback/x", now=NOW)
    (line,) = objections(at.ledger.log.entries())
    assert "put version 1 back, but it is tainted by run-2, run-3" in line
    assert line in verify_records(at.ws, None).problems


def test_the_tables_can_be_lost_and_what_the_log_forbids_is_found_all_the_same(
    at: Opened, registry: Registry
) -> None:
    """They follow from the log, and whoever has altered something could remove them."""
    body = {"version": 1, "sha256": registry.kept[1].sha256, "parent": 3, "reason": None}
    at.ledger.record("rolled_back", body, key="rollback/x", now=NOW)
    (line,) = objections(at.ledger.log.entries())
    (at.ws.records / "ledger.db").unlink()
    assert line in verify_records(at.ws, None).problems


def test_every_version_is_described_as_the_log_has_it(at: Opened, registry: Registry) -> None:
    showing.describe_versions(at)
    first, notes = (registry.note, registry.notes), registry.notes
    assert notes[3].startswith("Serves since 2026-03-01") and registry.note.startswith(
        "[version 3]"
    )
    assert notes[2].startswith("Served from") and "then [version 3]" in notes[2]
    assert "**Tainted since 2026-03-01** by run-" in notes[1]
    assert "Tainted" not in notes[2]  # retrained while Joe was restricted
    assert "Assurance A3 (exact" in notes[2] and "for 1 request." in notes[2]
    showing.describe_versions(at)
    assert (registry.note, registry.notes) == first


def test_a_mark_and_a_way_back_are_told_at_once(at: Opened, registry: Registry) -> None:
    taint(at, 3, "poisoned")
    assert "by a person's word: it must never serve again" in registry.notes[3]
    rollback(at, 2, "back")
    assert registry.note.startswith("[version 2]") and "then [version 2]" in registry.notes[3]
