"""Only the log's last release serves and is built on, whatever is done to the alias by hand."""

from __future__ import annotations

import pytest

from tests.end_to_end.commandline import Lethe
from tests.end_to_end.conftest import MakeLethe, Told
from tests.end_to_end.traces import people_of

ALARM, AGAIN, DENIED = 30, 20, 12


@pytest.fixture
def tampered(told: Told, make_lethe: MakeLethe) -> Lethe:
    """A workspace in which the alias was put back on the version that learned from ten people."""
    from systems.registry import tracking

    lethe = make_lethe("tampered", told.lethe.root)
    client = tracking.client(lethe.root / "mlruns")
    client.set_registered_model_alias("lethe", "champion", "1")
    return lethe


def test_a_tainted_version_does_not_serve_and_goes_on_time(tampered: Lethe, told: Told) -> None:
    """Every command says it in a line; at the end of grace the release serves again."""
    lethe, said = tampered, "version 1 serves, but the log's last release is version 2"
    doctor = lethe("doctor", code=AGAIN).json
    hints = {check["name"]: check["hint"] for check in doctor["checks"] if not check["ok"]}
    assert said in hints["champion"] and "point the alias `champion` back to" in hints["champion"]
    other = lethe.submit("--subject", *people_of(lethe.root, "train", 1))
    for words in (
        ["forget", other],
        ["plan", other],
        ["judge", "--request", other, "--version", "2"],
        ["audit", "--request", other],
        ["tune", "--method", "finetune"],
        ["train", "--shadows", "8"],
    ):
        answer = lethe(*words, code=ALARM)
        assert said in answer.json["error"]
    listed = lethe("list", "versions", code=ALARM).json
    assert said in listed["problem"]
    assert [found["tainted"] for found in listed["versions"]] == [True, False]

    lethe.change("model", "grace_days", 0)
    purged = lethe("purge", told.request).json
    assert purged["state"] == "complete"
    assert [copy["status"] for copy in purged["copies"]] == ["removed"]
    assert lethe.champion()["version"] == 2
    (entry,) = (e for e in lethe.entries() if e["event"] == "champion_put_back")
    assert (entry["body"]["from"], entry["body"]["version"]) == (1, 2)
    assert lethe("plan", other).json["requests"] == [other]


def test_going_back_is_refused_and_a_taint_is_an_alarm(told: Told, make_lethe: MakeLethe) -> None:
    """Version 1 learned from ten people who are erased; marked, version 2 serves nobody either."""
    lethe = make_lethe("tainted", told.lethe.root)
    refused = lethe("rollback", "1", "--reason", "slow", code=DENIED).json["error"]
    assert "version 1: must not serve again: it is tainted by run-" in refused
    marked = lethe("taint", "2", "--reason", "poisoned", code=ALARM).json
    assert (marked["version"], marked["champion"], marked["tainted"]) == (2, 2, True)
    listed = lethe("list", "versions", code=ALARM).json
    assert [found["by"][-1][:4] for found in listed["versions"]] == ["run-", "vers"]
    assert "because: poisoned" in listed["problem"] and "lethe rollback" in listed["problem"]
    assert lethe("verify", "--log").json["ok"]
