"""All that is judged by a request may err in 5 % together, over however many runs."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from math import prod
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.lines import InFile
from ledger.log import Log
from ledger.replay.attempts import Earlier, earlier_attempts, error_spent
from ledger.replay.judgements import ERROR, JUDGEMENT, levels_outside
from systems.settings.policy import EXACT, Policy, load_policy
from systems.settings.workspace import TEMPLATES
from tasks.planning.rungs import error_told
from unlearning.statistics.intervals import LEVEL, level_of_each

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
NAMES = ("famr", "finetune", "salun")


def policy(folder: Path, rungs: int = 1, attempts: int = 4, **changed: Any) -> Policy:
    tree = yaml.safe_load((TEMPLATES / "policy.yaml").read_text())
    ladder = [{"method": name} for name in (*NAMES[:rungs], "retrain")]
    path = folder / f"{rungs}-{attempts}.yaml"
    path.write_text(yaml.safe_dump(tree | {"attempts": attempts, "ladder": ladder} | changed))
    return load_policy(path)


class World:
    """A log in which runs over some requests come and go; no candidate is ever released."""

    def __init__(self, folder: Path) -> None:
        self.log = Log.open(InFile(folder / "log.jsonl"), Ed25519PrivateKey.generate())
        self.runs = 0

    def earlier(self, *requests: str, parent: str = "p") -> Earlier:
        return earlier_attempts(self.log.entries(), requests, parent, EXACT)

    def run(
        self,
        rules: Policy,
        *requests: str,
        parent: str = "p",
        method: str | None = None,
        without: tuple[str, ...] = (),
        tried: int = 99,
    ) -> list[str]:
        """Run to the end, or give up after some candidates; give the methods that were judged."""
        self.runs += 1
        ref, earlier = f"run-{self.runs}", self.earlier(*requests, parent=parent)
        level = rules.level_after(earlier, method, without=without)
        ladder = rules.rungs(earlier, method, without=without)[: rules.attempts][:tried]
        self.add("run_started", f"{ref}/started", run=ref, requests=list(requests))
        self.add("step", f"{ref}/begun", parent_sha256=parent, level=level)
        for number, rung in enumerate(ladder):
            self.add("step", f"{ref}/unlearned-{number}", method=rung.method, sha256="0")
            self.add("step", f"{ref}/judged-{number}", decision="refused", sha256="0")
        return [rung.method for rung in ladder]

    def judge(self, rules: Policy, request: str, candidate: str) -> float | None:
        """Judge a candidate from outside, as `lethe judge` does; give its level."""
        known = levels_outside(self.log.entries(), request)
        earlier = replace(self.earlier(request), outside=len(known) + 1)
        level = known.get(candidate, rules.level_outside(earlier))
        if level is not None:
            key = f"{request}/{JUDGEMENT}-{len(self.log.entries())}"
            self.add(JUDGEMENT, key, request=request, candidate=candidate, level=level)
        return level

    def add(self, event: str, key: str, **body: Any) -> None:
        self.log.append(event, body, key=key, now=NOW)

    def spent(self, request: str) -> float:
        return error_spent(self.log.entries(), request, EXACT)


def test_the_error_is_that_of_the_intervals() -> None:
    assert round(1 - LEVEL, 12) == ERROR


def test_a_second_run_over_the_same_requests_has_nothing_left_to_err_in(tmp_path: Path) -> None:
    """It had a half of 5 % more: 7.5 % in all."""
    world, rules = World(tmp_path), policy(tmp_path)
    assert world.run(rules, "a") == ["famr", "retrain"]
    assert world.run(rules, "a") == ["retrain"]
    assert world.spent("a") == pytest.approx(0.05)


def test_a_rung_that_was_hopeless_finds_nothing_left_either(tmp_path: Path) -> None:
    """Without the first the second has 5 %; both, tried later, had two thirds of it more."""
    world, rules = World(tmp_path), policy(tmp_path, 2)
    assert world.run(rules, "a", without=(rules.named(rules.ladder[0]),)) == ["finetune", "retrain"]
    assert world.run(rules, "a") == ["retrain"]
    assert world.spent("a") == pytest.approx(0.05)


def test_what_a_run_that_was_given_up_left_is_shared_by_the_next(tmp_path: Path) -> None:
    """2.5 % of two rungs' 5 % are spent, the next two have 1.25 % each."""
    world, rules = World(tmp_path), policy(tmp_path, 2)
    world.run(rules, "a", tried=1)
    assert rules.level_after(world.earlier("a")) == pytest.approx(1 - 0.0125)
    world.run(rules, "a")
    assert world.spent("a") == pytest.approx(0.05) and world.earlier("a").left == 0


def test_another_champion_does_not_give_the_error_back(tmp_path: Path) -> None:
    world, rules = World(tmp_path), policy(tmp_path)
    world.run(rules, "a", parent="p")
    assert world.run(rules, "a", parent="q") == ["retrain"]


def test_of_requests_served_together_the_one_with_least_left_decides(tmp_path: Path) -> None:
    """Each of two had half of it; together they have what either has left, not what both spent."""
    world, rules = World(tmp_path), policy(tmp_path, 2)
    world.run(rules, "a", tried=1)
    world.run(rules, "b", tried=1)
    assert world.earlier("a", "b").left == pytest.approx(0.025)
    world.run(rules, "a", "b")
    assert world.spent("a") == world.spent("b") == pytest.approx(0.05)
    assert world.earlier("b", "c").left == 0


def test_an_exact_rung_that_is_left_out_makes_no_room_for_two(tmp_path: Path) -> None:
    """Two attempts: without bases both approximate rungs are tried, else one. Each has half."""
    ladder = [{"method": name} for name in ("warm_retrain", "famr", "finetune", "retrain")]
    rules = policy(tmp_path, attempts=2, ladder=ladder)
    assert rules.level_after(Earlier(spent=0.0)) == pytest.approx(0.975)


def test_candidates_from_outside_leave_a_run_what_it_had_with_them_as_rungs(tmp_path: Path) -> None:
    """With one rung: 1/2, then 1/6, then 1/12 of 5 %, so that a quarter is left."""
    world, rules = World(tmp_path), policy(tmp_path)
    levels = [world.judge(rules, "a", candidate) for candidate in "xyz"]
    assert [1 - level for level in levels if level] == pytest.approx([0.025, 0.05 / 6, 0.05 / 12])
    assert rules.level_after(world.earlier("a")) == pytest.approx(1 - 0.05 / 4)
    assert world.judge(rules, "a", "x") == levels[0] and world.earlier("a").outside == 3
    world.run(rules, "a")
    assert world.judge(rules, "a", "w") is None and world.judge(rules, "a", "y") == levels[1]


def test_older_judgements_that_tell_no_level_count_as_the_most_that_they_had(
    tmp_path: Path,
) -> None:
    """The n-th had an (n+1)-th of the error: 1/2 + 1/3 is left a sixth."""
    world = World(tmp_path)
    for number, candidate in enumerate("xyx"):
        world.add(JUDGEMENT, f"a/{JUDGEMENT}-{number}", request="a", candidate=candidate)
    assert world.earlier("a").left == pytest.approx(0.05 / 6)


def test_a_run_of_before_shares_as_it_did_so_that_its_bundle_verifies(tmp_path: Path) -> None:
    rules = policy(tmp_path, 2)
    for attempts, approximate, outside in ((0, 0, 0), (1, 1, 0), (3, 2, 0), (1, 1, 3)):
        before = Earlier(attempts, approximate, outside)
        planned = min(2, 4 - attempts)
        expected = level_of_each(max(2, approximate + outside + planned))
        assert rules.level_after(before) == expected


def test_plan_says_what_is_left(tmp_path: Path) -> None:
    world, rules = World(tmp_path), policy(tmp_path, 2)
    told = error_told(rules, world.earlier("a"), (), exact_only=False)
    assert (told["left"], told["each"]) == (0.05, 0.025)
    drifted = error_told(rules, world.earlier("a"), (), exact_only=True)
    assert (drifted["left"], drifted["each"]) == (0.05, None)
    world.run(rules, "a")
    told = error_told(rules, world.earlier("a"), (), exact_only=False)
    assert (told["spent"], told["left"], told["each"]) == (0.05, 0.0, None)
    assert told["words"] == "0.00% of 5% is left to err in: exact rungs alone are tried"


def test_whatever_is_run_a_bad_candidate_is_released_in_five_percent_at_most(
    tmp_path: Path,
) -> None:
    """80 histories of runs, some given up, of one method, of pooled requests and other champions,
    with policies between them, and judgements; each bad candidate passes by its share of luck."""
    rng, released, histories = random.Random(0), 0, 80
    rules = [policy(tmp_path, rungs, attempts) for rungs in (1, 2, 3) for attempts in (1, 2, 4)]
    for number in range(histories):
        (folder := tmp_path / str(number)).mkdir()
        world = World(folder)
        for _ in range(rng.randint(2, 9)):
            act(world, rng.choice(rules), rng)
        levels = levels_of(world, "a")
        assert sum(1 - level for level in levels) <= ERROR + 1e-9
        assert 1 - prod(levels) <= ERROR + 1e-9
        released += any(rng.random() > level for level in levels)
    assert released <= histories * ERROR + 3 * (histories * ERROR) ** 0.5


def act(world: World, rules: Policy, rng: random.Random) -> None:
    """One thing that somebody may do."""
    if rng.random() < 0.3:
        world.judge(rules, "a", rng.choice("uvwxyz"))
        return
    leavable = [rules.named(rung) for rung in rules.ladder[:-1]]
    world.run(
        rules,
        *rng.choice((["a"], ["a"], ["a", "b"], ["b"])),
        parent=rng.choice("pq"),
        method=rng.choice((None, None, *NAMES)),
        without=tuple(rng.sample(leavable, rng.randint(0, len(leavable)))),
        tried=rng.choice((1, 99)),
    )


def levels_of(world: World, request: str) -> list[float]:
    """Levels of all approximate candidates judged by a request, each counted on its own."""
    entries = {entry.key: entry.body for entry in world.log.entries()}
    runs = [
        b["run"] for k, b in entries.items() if k.endswith("started") and request in b["requests"]
    ]
    tried = [
        entries[f"{run}/begun"]["level"]
        for run in runs
        for key, body in entries.items()
        if key.startswith(f"{run}/unlearned-") and body["method"] not in EXACT
    ]
    return [*tried, *levels_outside(world.log.entries(), request).values()]
