"""Weights that were not trained as their evidence says are found by training them again."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch import nn

from tests.end_to_end.commandline import Lethe, subjects
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import people_of

ALARM = 30
EXACT: dict[str, Any] = {**CHEAP, "ladder": [{"method": "retrain"}], "replay": {"share": 1}}


class Relabelled:
    """What an operator may have put in place of training: the champion, called a retraining."""

    def arm(self) -> None:
        from unlearning.methods.retrain import Retrain

        def unlearn(method: Retrain, original: nn.Module, *rest: Any) -> nn.Module:
            return deepcopy(original)

        Retrain.unlearn = unlearn  # type: ignore[assignment, method-assign]


def test_a_champion_that_was_signed_as_a_retraining_is_found(lethe: Lethe) -> None:
    """Everything but the training is as it must be: gates, log, statement, the workspace's key."""
    request = lethe.submit(*subjects(people_of(lethe.root, "train", 1)))
    found = lethe.forget(request, policy=EXACT, killer=Relabelled()).json
    assert (found["decision"], found["assurance"]) == ("released", "A3")
    bundle = found["evidence"]
    assert lethe("verify", bundle).json["problems"] == []
    answer = lethe("verify", bundle, "--replay", code=ALARM)
    assert answer.json["replay"]["outcome"] == "mismatch"
    (problem,) = answer.json["problems"]
    assert "not trained from these data" in problem
    answer = lethe("replay", code=ALARM)
    assert "not trained from these data" in answer.err
    *_, draw, outcome = [e for e in lethe.entries() if e["event"] in ("replay_drawn", "replayed")]
    assert draw["body"]["runs"] == [found["run"]] and draw["body"]["key"] == draw["previous"]
    assert (outcome["body"]["outcome"], outcome["body"]["draw"]) == ("mismatch", draw["seq"])
    assert lethe("verify", "--log").json["ok"], "the log tells the truth about it"
    assert lethe("replay").json["replayed"] == [], "once for each draw"
    told = {one["name"]: one["hint"] for one in lethe("doctor", code=None).json["checks"]}
    assert found["run"] in told["replays"]
