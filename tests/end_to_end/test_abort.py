"""A run that cannot go on can be left: its requests wait again and nothing of it remains (I8)."""

from __future__ import annotations

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
