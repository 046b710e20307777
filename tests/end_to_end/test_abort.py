"""A run that cannot go on can be left: its requests wait again and nothing of it remains (I8)."""

from __future__ import annotations

import pytest

from tests.end_to_end.commandline import Lethe
from tests.end_to_end.driver import AtEntry
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.test_bad_input import assert_one_line
from tests.end_to_end.traces import people_of

DENIED, USAGE, KILLED = 12, 2, -9


def test_a_run_is_left_and_its_requests_are_served_by_the_next(lethe: Lethe) -> None:
    """The first run is killed once its candidate is judged; the second one releases."""
    request = lethe.submit("--subject", *people_of(lethe.root, "train", 1))
    champion = lethe.champion()
    lethe.forget(request, code=KILLED, killer=AtEntry("judged-0", logged=True))
    run = lethe("show", request).json["run"]
    assert_one_line(lethe("abort", run, "--reason", " ", code=USAGE), "--reason")
    found = lethe("abort", run, "--reason", "its settings were wrong").json
    assert (found["run"], found["requests"]) == (run, [request])
    assert found["states"] == {request: "accepted"}
    assert found["reason"] == "its settings were wrong"
    assert lethe.champion() == champion
    assert list((lethe.root / "artifacts" / "candidates").iterdir()) == []
    assert lethe("verify", "--log").json["ok"]
    assert_one_line(lethe("abort", run, "--reason", "again", code=DENIED), run, "is over")
    released = lethe.forget(request, policy={**CHEAP, "ladder": [{"method": "retrain"}]}).json
    assert (released["decision"], released["run"] != run) == ("released", True)
    assert_one_line(lethe("abort", released["run"], "--reason", "x", code=DENIED), "is over")


@pytest.mark.long
def test_a_release_leaves_no_candidate_of_a_run_that_was_cut_off(lethe: Lethe) -> None:
    """It learned from whom the release erases, and could itself never be released any more."""
    stays, goes = (lethe.submit("--subject", one) for one in people_of(lethe.root, "train", 2))
    lethe.forget(stays, code=KILLED, killer=AtEntry("unlearned-0", logged=True))
    left = lethe("show", stays).json["run"]
    exact = {**CHEAP, "ladder": [{"method": "retrain"}]}
    assert lethe.forget(goes, policy=exact).json["decision"] == "released"
    assert list((lethe.root / "artifacts" / "candidates").iterdir()) == []
    shown = lethe("show", stays).json
    assert (shown["state"], "version 2 was released" in shown["reason"]) == ("accepted", True)
    assert_one_line(lethe("abort", left, "--reason", "again", code=DENIED), left, "is over")
    assert lethe.forget("--all", policy=exact).json["requests"] == [stays]
    assert lethe("verify", "--log").json["ok"]
