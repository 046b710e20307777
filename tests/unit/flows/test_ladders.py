"""The ladder that init writes: no rung before the exact one is dearer than it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli.work.asked import ladders
from systems.settings.policy import Rung, parse_policy
from systems.settings.workspace import TEMPLATES, Workspace

POLICY = (TEMPLATES / "policy.yaml").read_text()


def written(folder: Path, epochs: int, *, frozen: bool = False) -> bytes:
    return ladders.decided(Workspace.at(folder), epochs, frozen=frozen)


@pytest.mark.parametrize(("epochs", "fine"), [(30, 15), (6, 3), (1, 1), (100, 50)])
def test_fine_tuning_takes_half_of_retraining(epochs: int, fine: int, tmp_path: Path) -> None:
    """All other settings, the other rungs and all that is no ladder stay."""
    rules, old = (
        parse_policy(written(tmp_path, epochs), "policy.yaml"),
        parse_policy(POLICY.encode(), ""),
    )
    first, last = rules.ladder
    assert (first.method, last) == ("finetune", Rung("retrain", {}))
    assert first.settings == {**old.ladder[0].settings, "epochs": fine}
    assert (rules.gates, rules.drift, rules.approval) == (old.gates, old.drift, old.approval)


def test_the_template_is_as_it_would_be_written_for_its_own_epochs(tmp_path: Path) -> None:
    ladder = parse_policy(POLICY.encode(), "policy.yaml").ladder
    assert written(tmp_path, 30).decode() == ladders.with_ladder(POLICY, ladder) == POLICY


def test_a_head_has_exact_methods_alone(tmp_path: Path) -> None:
    found = written(tmp_path, 30, frozen=True)
    assert parse_policy(found, "policy.yaml").ladder == ladders.OF_HEADS
    assert b"Half of retraining" not in found and b"smallest_bank" in found


@pytest.mark.parametrize("frozen", [False, True])
def test_a_policy_that_is_there_stays_as_it_is(tmp_path: Path, frozen: bool) -> None:
    own = POLICY.replace("epochs: 15", "epochs: 29").encode()
    (tmp_path / "policy.yaml").write_bytes(own)
    assert written(tmp_path, 2, frozen=frozen) == own
