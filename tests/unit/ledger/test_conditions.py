"""What became of a rung is evidence under the same training, bank and champion's training alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.lines import InFile
from ledger.log import Log
from ledger.replay.chances import REHEARSED, Asked, Counted, Under, counted

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
OLD = {"training": "30 epochs", "bank": "32 shadows"}
NEW = {"training": "60 epochs", "bank": "32 shadows"}
NOTHING = Counted("rehearsals", 0, 0)


class World:
    """A log of adoptions, runs and rehearsals, with or without the conditions noted."""

    def __init__(self, folder: Path) -> None:
        self.log = Log.open(InFile(folder / "log.jsonl"), Ed25519PrivateKey.generate())
        self.params, self.adopted, self.runs = "", 0, 0

    def adopt(self, params: str) -> None:
        self.params, self.adopted = params, self.adopted + 1
        self.add("params_adopted", f"params/{self.adopted}", sha256=params)

    def init(self, conditions: dict[str, str] | None = None) -> None:
        self.add("initialised", "initialised", version=1, **noted(conditions))

    def run(
        self,
        conditions: dict[str, str] | None,
        *,
        parent: int = 1,
        method: str = "finetune",
        version: int | None = None,
    ) -> None:
        """A run that tries a rung; a version: of its release."""
        self.runs += 1
        ref, released = f"run-{self.runs}", version is not None
        begun = {"parent": parent, "parent_sha256": f"p{parent}", "params": self.params}
        judged = {"decision": "released" if released else "refused"}
        self.add("run_started", f"{ref}/started", run=ref, requests=[f"req-{ref}"])
        self.add("step", f"{ref}/begun", **begun)
        self.add("step", f"{ref}/extracted", train=20, likewise=False, **noted(conditions))
        self.add("step", f"{ref}/unlearned-0", method=method, rung=method)
        self.add("step", f"{ref}/judged-0", **judged)
        if released:
            self.add("step", f"{ref}/decided", method=method)
            self.add("step", f"{ref}/promoted", version=version, parent=parent)

    def rehearse(self, conditions: dict[str, str] | None, seed: int) -> None:
        body = {"rung": "finetune", "examples": 20, "likewise": False, "seed": seed}
        key = f"{REHEARSED}/{len(self.log.entries())}"
        self.add(REHEARSED, key, **body, passed=True, **noted(conditions))

    def add(self, event: str, key: str, **body: Any) -> None:
        self.log.append(event, body, key=key, now=NOW)

    def asked(self, conditions: dict[str, str], version: int = 1) -> Counted:
        under = Under(conditions, self.params, version, {"retrain"})
        asked = Asked("finetune", 20, likewise=False, under=under)
        return counted(self.log.entries(), asked)


def noted(conditions: dict[str, str] | None) -> dict[str, Any]:
    return {} if conditions is None else {"conditions": conditions}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.adopt("old file")
    return made


def test_attempts_under_other_params_are_no_evidence(world: World) -> None:
    """40 were refused after 30 epochs of training; after 60 nobody has tried."""
    world.init(OLD)
    for _ in range(40):
        world.run(OLD)
    assert world.asked(OLD) == Counted("attempts", 0, 40)
    world.adopt("new file")
    assert world.asked(NEW) == NOTHING


def test_another_bank_makes_other_evidence(world: World) -> None:
    """A test that could not decide with 32 shadows may with 128."""
    world.init(OLD)
    world.run(OLD)
    assert world.asked({**OLD, "bank": "128 shadows"}) == NOTHING


def test_attempts_on_a_champion_that_was_trained_otherwise_are_no_evidence(world: World) -> None:
    """The new training is in force from the second run on; the champion has it from the third on,
    which retrains, and its approximate successor descends from that."""
    world.init(OLD)
    world.run(OLD)
    world.adopt("new file")
    world.run(NEW)
    assert world.asked(NEW, version=1) == Counted("attempts", 0, 1)
    world.run(NEW, method="retrain", version=2)
    assert world.asked(NEW, version=2) == NOTHING
    world.run(NEW, parent=2, version=3)
    world.run(NEW, parent=3)
    assert world.asked(NEW, version=3) == Counted("attempts", 1, 2)
    assert world.asked(NEW, version=1) == Counted("attempts", 0, 1)


def test_a_rehearsal_tells_of_champions_trained_as_its_original(world: World) -> None:
    world.init(OLD)
    world.rehearse(OLD, 1)
    assert world.asked(OLD) == Counted("rehearsals", 1, 1)
    world.adopt("new file")
    world.rehearse(NEW, 1)
    assert world.asked(NEW, version=1) == NOTHING
    world.run(NEW, method="retrain", version=2)
    assert world.asked(NEW, version=2) == Counted("rehearsals", 1, 1)


def test_a_champion_trained_alike_keeps_its_evidence_whatever_the_bank(world: World) -> None:
    """A larger bank does not make the champion another: rehearsals with it count."""
    world.init(OLD)
    larger = {**OLD, "bank": "128 shadows"}
    world.adopt("larger bank")
    world.rehearse(larger, 1)
    assert world.asked(larger) == Counted("rehearsals", 1, 1)


def test_entries_of_before_count_under_the_very_params_of_then(world: World) -> None:
    """They do not tell their conditions; the bytes that were in force do."""
    world.init()
    world.run(None)
    world.run(None)
    world.rehearse(None, 1)
    assert world.asked(OLD) == Counted("attempts", 0, 2)
    world.run(OLD)
    assert world.asked(OLD) == Counted("attempts", 0, 3)
    world.adopt("new file")
    assert world.asked(NEW) == NOTHING
    assert world.asked(OLD) == Counted("attempts", 0, 1)  # which tells by itself
    world.adopt("old file")
    assert world.asked(OLD) == Counted("attempts", 0, 3)


def test_the_same_rehearsal_noted_twice_counts_once(world: World) -> None:
    """As where an older version noted it without its conditions, and it was asked for again."""
    world.init()
    world.rehearse(None, 1)
    world.rehearse(OLD, 1)
    world.rehearse(OLD, 2)
    assert world.asked(OLD) == Counted("rehearsals", 2, 2)


def test_a_run_of_before_counted_all(world: World) -> None:
    world.init()
    world.run(None)
    world.adopt("new file")
    asked = Asked("finetune", 20, likewise=False)
    assert counted(world.log.entries(), asked) == Counted("attempts", 0, 1)
