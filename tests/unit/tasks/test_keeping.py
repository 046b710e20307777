"""What is looked after by the clock: alarms, the served version, the records, when a run begins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledger import keys
from ledger.domain import State
from ledger.lock import workspace_lock
from ledger.replay.lineage import FIRST
from ledger.requests import Verb
from systems.registry import models
from systems.registry.models import ModelVersion
from systems.settings.collect import Collect
from systems.settings.policy import load_policy
from systems.settings.workspace import Workspace, write_templates
from tasks.keeping import collecting, deadlines, drill, reconcile
from tasks.running.holding import WorkspaceBusy, locked
from tasks.running.opened import Opened
from tests.unit.submitted import accepted
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError, PolicyError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
MODULES = (deadlines, drill, reconcile, collecting)


@pytest.fixture
def at(tmp_path: Path, clock: Callable[[datetime], None]) -> Opened:
    ws = Workspace.at(tmp_path / "workspace")
    write_templates(ws)
    ws.records.mkdir()
    ws.evidence.mkdir()
    keys.create_keys(ws.keys, ws.records)
    clock(NOW)
    return Opened(str(ws.root))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    def put(now: datetime) -> None:
        for module in MODULES:
            if hasattr(module, "utc_now"):
                monkeypatch.setattr(module, "utc_now", lambda: now)

    return put


def policy(at: Opened, **changes: Any) -> None:
    tree = yaml.safe_load(at.ws.policy.read_text())
    at.ws.policy.write_text(yaml.safe_dump(tree | changes))


def events(at: Opened) -> list[str]:
    return [entry.event for entry in at.ledger.log.entries()]


class TestDeadlines:
    def test_each_alarm_comes_once_and_none_before_its_time(
        self, at: Opened, clock: Callable[[datetime], None]
    ) -> None:
        due = accepted(at.ledger, NOW).due_at
        given = []
        for hours in range(24 * 40):
            clock(NOW + timedelta(hours=hours))
            given += [(hours, one["days"]) for one in deadlines.warn(at)]
        assert [days for _, days in given] == [14, 7, 2, 0]
        for hours, days in given:
            left = due - (NOW + timedelta(hours=hours))
            assert timedelta(days=days) - timedelta(hours=1) < left <= timedelta(days=days)

    def test_who_comes_late_is_told_the_nearest_alone(
        self, at: Opened, clock: Callable[[datetime], None]
    ) -> None:
        due = accepted(at.ledger, NOW).due_at
        clock(due - timedelta(days=3))
        assert [one["days"] for one in deadlines.warn(at)] == [7]
        assert deadlines.warn(at) == []

    def test_what_has_ended_is_silent_and_an_extension_begins_anew(
        self, at: Opened, clock: Callable[[datetime], None]
    ) -> None:
        one, other = accepted(at.ledger, NOW), accepted(at.ledger, NOW)
        at.ledger.say(Verb.DENY, one.ref, reason="not ours", now=NOW)
        clock(other.due_at - timedelta(days=2))
        assert [found["request"] for found in deadlines.warn(at)] == [other.ref]
        longer = at.ledger.say(Verb.EXTEND, other.ref, reason="many", now=NOW).due_at
        assert deadlines.warn(at) == []
        clock(longer - timedelta(days=2))
        assert [found["days"] for found in deadlines.warn(at)] == [2]


class Registry:
    """MLflow's aliases, as far as reconciling asks for them."""

    def __init__(self, ws: Workspace) -> None:
        self.ws, self.serving = ws, 2

    def champion(self, *_: Any) -> ModelVersion:
        weights = self.ws.root / f"{self.serving}.safetensors"
        weights.write_bytes(bytes([self.serving]))
        tags = {"lethe.parent": "1"} if self.serving == 2 else {}
        digest = sha256_file(weights)
        return ModelVersion("lethe", self.serving, digest, weights, "m", None, tags, ("champion",))

    def promote(self, _: Path, name: str, number: int, *, expected_parent: int | None) -> None:
        assert expected_parent == self.serving
        self.serving = number


@pytest.fixture
def registry(at: Opened, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Version 1 was the first, version 2 was released in its place and serves."""
    made = Registry(at.ws)
    monkeypatch.setattr(models, "champion", made.champion)
    monkeypatch.setattr(models, "promote", made.promote)
    monkeypatch.setattr(models, "versions", lambda *_: ())
    monkeypatch.setattr(reconcile, "unregistered", lambda _: [])
    monkeypatch.setattr(reconcile, "owns", lambda _: True)
    for number, key, parent in ((1, FIRST, None), (2, "run-a/promoted", 1)):
        made.serving = number
        body = {"version": number, "sha256": made.champion().sha256}
        body |= {} if parent is None else {"parent": parent}
        at.ledger.record(FIRST if parent is None else "step", body, key=key, now=NOW)
    return made


class TestReconcile:
    def test_what_is_as_released_is_passed_over(self, at: Opened, registry: Registry) -> None:
        found = reconcile.look(at)
        assert found.problems == [] and not reconcile.differs(at, found)
        reconcile.settle(at)
        assert "champion_drifted" not in events(at)

    def test_a_moved_alias_is_told_once_and_stays(self, at: Opened, registry: Registry) -> None:
        registry.serving = 1
        for _ in range(3):
            assert reconcile.differs(at, reconcile.look(at))
            found = reconcile.settle(at)
            assert "version 1 serves" in found["problems"][0]
        assert registry.serving == 1, "an alarm changes nothing"
        assert events(at).count("champion_drifted") == 1
        registry.serving = 2
        assert reconcile.differs(at, reconcile.look(at)), "the log does not know yet"
        assert reconcile.settle(at)["problems"] == []
        assert events(at)[-1] == "champion_settled"
        registry.serving = 1
        reconcile.settle(at)
        assert events(at).count("champion_drifted") == 2, "moved again is told again"

    def test_by_policy_the_alias_is_put_back(self, at: Opened, registry: Registry) -> None:
        policy(at, reconcile="revert")
        registry.serving = 1
        found = reconcile.settle(at)
        assert found["version"] == registry.serving == 2
        assert events(at)[-2:] == ["champion_drifted", "champion_put_back"]
        assert not reconcile.differs(at, reconcile.look(at))

    def test_a_tainted_release_is_never_put_back(self, at: Opened, registry: Registry) -> None:
        policy(at, reconcile="revert")
        at.ledger.record("tainted", {"version": 2}, key="tainted/2", now=NOW)
        registry.serving = 1
        assert reconcile.settle(at)["settled"] is False
        assert registry.serving == 1

    def test_a_run_at_work_is_not_interfered_with(self, at: Opened, registry: Registry) -> None:
        policy(at, reconcile="revert")
        at.ledger.start_run([accepted(at.ledger, NOW).ref], now=NOW)
        registry.serving = 1
        assert reconcile.settle(at)["settled"] is False
        assert registry.serving == 1

    def test_a_store_that_does_not_answer_is_named(
        self, at: Opened, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def silent(*_: Any) -> None:
            raise IntegrityError("model registry: no answer")

        monkeypatch.setattr(models, "versions", silent)
        found = reconcile.look(at)
        assert found.problems == ["model registry: no answer"]
        assert found.drift is None, "what was not seen is no drift"


class TestDrill:
    def test_a_copy_is_verified_and_gone(self, at: Opened) -> None:
        accepted(at.ledger, NOW)
        head = at.ledger.log.head
        (at.ws.service / "drill-left").mkdir(parents=True)
        found = drill.drill(at)
        assert found["ok"] and found["head"] == head
        assert events(at)[-1] == "restore_drilled"
        assert list(at.ws.service.iterdir()) == [], "no copy stays, of a killed drill neither"

    def test_an_altered_log_is_an_alarm(self, at: Opened) -> None:
        request = accepted(at.ledger, NOW)
        assert at.ledger.request(request.ref).state is State.ACCEPTED
        content = at.ws.log.read_bytes()
        at.ws.log.write_bytes(content.replace(b"accepted", b"Accepted", 1))
        with pytest.raises(IntegrityError, match="restore drill"):
            drill.drill(at)


class TestCollect:
    DUE = NOW + timedelta(days=30)

    @pytest.mark.parametrize(
        ("rules", "waiting", "now", "begins"),
        [
            (Collect(), 0, NOW, False),
            (Collect(), 1, NOW, True),
            (Collect(requests=3), 2, NOW, False),
            (Collect(requests=3), 3, NOW, True),
            (Collect(requests=3), 1, DUE - timedelta(days=14), True),
            (Collect(requests=3), 1, DUE - timedelta(days=14, seconds=1), False),
            (Collect(requests=3, days=7), 1, NOW + timedelta(days=7), True),
            (Collect(requests=3, days=7), 1, NOW + timedelta(days=6, hours=23), False),
            (Collect(requests=3, margin_days=0), 1, DUE, True),
        ],
    )
    def test_the_first_that_holds_begins_a_run(
        self, rules: Collect, waiting: int, now: datetime, begins: bool
    ) -> None:
        assert bool(rules.why([(NOW, self.DUE)] * waiting, now)) is begins

    def test_a_run_that_was_cut_off_goes_on_at_once(self, at: Opened) -> None:
        policy(at, collect={"requests": 100})
        request = accepted(at.ledger, NOW)
        assert collecting.why_now(at) is None
        run = at.ledger.start_run([request.ref], now=NOW)
        assert run in (collecting.why_now(at) or "")

    def test_the_policy_says_so_and_nothing_else(self, at: Opened) -> None:
        policy(at, collect={"requests": 5})
        assert load_policy(at.ws.policy).collect == Collect(requests=5)
        for wrong in ({"collect": {"request": 5}}, {"collect": {"days": -1}}, {"reconcile": "x"}):
            policy(at, **wrong)
            with pytest.raises(PolicyError):
                load_policy(at.ws.policy)
            policy(at, collect={}, reconcile="alarm")


def test_a_lock_is_waited_for_and_not_for_ever(at: Opened) -> None:
    lock = workspace_lock(at.ws.records / "lock")
    with lock, pytest.raises(WorkspaceBusy), locked(at.ws, wait=0.3):
        pass
    with locked(at.ws, wait=0.3):
        pass
