"""A rung that is surely hopeless is not tried and spends no error; an unknown one is tried."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.lines import InFile
from ledger.log import Log
from ledger.replay.attempts import Earlier
from ledger.replay.chances import REHEARSED, Counted
from systems.settings.chances import chance_of, hopeless, not_tried
from systems.settings.policy import Policy, load_policy
from systems.settings.workspace import TEMPLATES
from unlearning.errors import PolicyError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
LADDER = [{"method": "famr"}, {"method": "finetune", "settings": {"epochs": 1}}]
NONE_OF = 1 - 0.025 ** (1 / 36)
"""Upper end of the exact interval of none of 36: 9.7 %."""


def policy(folder: Path, **changed: Any) -> Policy:
    tree = yaml.safe_load((TEMPLATES / "policy.yaml").read_text())
    tree |= {"attempts": 4, "ladder": [*LADDER, {"method": "retrain"}], "hopeless": 0.1}
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(tree | changed))
    return load_policy(path)


def rehearsed(folder: Path, rules: Policy, rehearsals: int) -> list[dict[str, Any]]:
    """Let the first rung fail in so many rehearsals; give what the policy says of its rungs."""
    log = Log.open(InFile(folder / "log.jsonl"), Ed25519PrivateKey.generate())
    body = {"rung": rules.named(rules.ladder[0]), "examples": 20, "likewise": False}
    for seed in range(rehearsals):
        log.append(REHEARSED, {**body, "passed": False}, key=f"{REHEARSED}/{seed}", now=NOW)
    return rules.chances(log.entries(), 20, likewise=False)


def test_a_hopeless_rung_is_left_out_and_its_error_is_not_spent(tmp_path: Path) -> None:
    """Two approximate rungs have 97.5 % each; without the first, the second has 95 %."""
    rules = policy(tmp_path)
    chances = rehearsed(tmp_path, rules, 36)
    assert chances[0]["chance"]["high"] == pytest.approx(NONE_OF, abs=1e-4)
    assert "0% of 36 rehearsals" in chances[0]["skipped"]
    without = not_tried(chances)
    tried = rules.rungs(Earlier(), without=without)
    assert [rung.method for rung in tried] == ["finetune", "retrain"]
    assert rules.level_after(Earlier(), without=without) == pytest.approx(0.95)
    assert rules.level_after(Earlier()) == pytest.approx(0.975)


def test_one_rehearsal_fewer_shows_nothing_and_the_rung_is_tried(tmp_path: Path) -> None:
    rules = policy(tmp_path)
    assert not_tried(rehearsed(tmp_path, rules, 35)) == frozenset()


def test_an_unknown_rung_is_tried(tmp_path: Path) -> None:
    rules = policy(tmp_path)
    chances = rehearsed(tmp_path, rules, 0)
    assert [one["chance"] for one in chances] == [None, None]
    assert not_tried(chances) == frozenset()


def test_where_not_even_a_perfect_retrain_would_pass_no_approximate_one_is_tried(
    tmp_path: Path,
) -> None:
    rules = policy(tmp_path)
    most = {"value": 0.0, "low": 0.0, "high": 0.0092, "n": 400, "of": "simulated retrains"}
    chances = rules.chances((), 10, likewise=False, most=most)
    assert all("0% would pass" in one["skipped"] for one in chances)
    without = not_tried(chances)
    assert [rung.method for rung in rules.rungs(Earlier(), without=without)] == ["retrain"]
    likely = rules.chances((), 10, likewise=False, most={**most, "high": 0.11})
    assert not_tried(likely) == frozenset()


def test_exact_retraining_is_never_left_out_and_a_warm_one_by_its_tries_alone(
    tmp_path: Path,
) -> None:
    """What begins from bases is proved by lineage, but may be too inaccurate to be released."""
    ladder = [{"method": "warm_retrain"}, {"method": "retrain"}]
    rules = policy(tmp_path, ladder=ladder)
    most = {"value": 0.0, "low": 0.0, "high": 0.01, "n": 400, "of": "simulated retrains"}
    (told,) = rules.chances((), 20, likewise=False, most=most)
    assert told["method"] == "warm_retrain" and "skipped" not in told
    without = not_tried(rehearsed(tmp_path, rules, 36))
    assert [rung.method for rung in rules.rungs(Earlier(), without=without)] == ["retrain"]


def test_a_policy_that_says_nothing_leaves_nothing_out(tmp_path: Path) -> None:
    tree = yaml.safe_load((TEMPLATES / "policy.yaml").read_text())
    del tree["hopeless"]
    (tmp_path / "older.yaml").write_text(yaml.safe_dump(tree))
    rules = load_policy(tmp_path / "older.yaml")
    assert rules.hopeless == 0 and not_tried(rehearsed(tmp_path, rules, 500)) == frozenset()


def test_other_gates_make_another_rung(tmp_path: Path) -> None:
    """What was seen under stricter limits says nothing about looser ones."""
    rules = policy(tmp_path)
    gates = {**rules.gates, "utility": {**rules.gates["utility"], "margin": 0.5}}
    looser = policy(tmp_path, gates=gates)
    assert rules.named(rules.ladder[0]) != looser.named(looser.ladder[0])
    same = policy(tmp_path, attempts=3)
    assert rules.named(rules.ladder[0]) == same.named(same.ladder[0])


def test_where_no_attempt_is_left_only_exact_retraining_is(tmp_path: Path) -> None:
    """The cap on attempts counts what is tried: a hopeless rung takes no place of another."""
    rules = policy(tmp_path, attempts=1)
    without = not_tried(rehearsed(tmp_path, rules, 36))
    assert [r.method for r in rules.rungs(Earlier())] == ["famr", "retrain"]
    assert [r.method for r in rules.rungs(Earlier(), without=without)] == ["finetune", "retrain"]
    spent = Earlier(attempts=1, approximate=1)
    assert [r.method for r in rules.rungs(spent, without=without)] == ["retrain"]
    assert [r.method for r in rules.rungs(Earlier(), exact_only=True, without=without)] == [
        "retrain"
    ]
    assert rules.rungs(Earlier(), "famr", without=without) == ()


def test_all_that_can_be_left_out_leaves_retraining(tmp_path: Path) -> None:
    rules = policy(tmp_path)
    without = [rules.named(rung) for rung in rules.ladder[:-1]]
    assert [r.method for r in rules.rungs(Earlier(), without=without)] == ["retrain"]
    assert rules.level_after(Earlier(), without=without) == pytest.approx(0.95)


@pytest.mark.parametrize("value", [-0.1, 1.5, "never", True])
def test_what_is_no_share_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(PolicyError, match="hopeless"):
        policy(tmp_path, hopeless=value)


def test_a_released_rung_is_never_hopeless_by_little(tmp_path: Path) -> None:
    chance = chance_of(Counted("attempts", 3, 30))
    assert chance is not None
    assert (chance["value"], chance["n"], chance["of"]) == (0.1, 30, "attempts")
    assert hopeless(chance, 0.1) is None and hopeless(None, 1.0) is None
