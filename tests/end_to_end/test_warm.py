"""A person is forgotten by a network that begins from stored ones which never saw him."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.commandline import Lethe
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import people_of

DENIED = 12

WARM: dict[str, Any] = {
    **CHEAP,
    "ladder": [{"method": "warm_retrain", "settings": {"share": 0.5}}, {"method": "retrain"}],
}


@pytest.mark.long
def test_a_request_is_served_from_clean_bases_and_the_next_is_told_why_not(lethe: Lethe) -> None:
    one, *others = people_of(lethe.root, "train", 9)
    lethe.change("bank", "bases", 4)
    assert lethe("train", "--shadows", "8").json["bases_built"] == 4
    folder = lethe.root / "artifacts" / "bases"
    before = {path.stem for path in folder.iterdir()}

    found = lethe.forget(lethe.submit("--subject", one), policy=WARM).json

    assert [attempt["method"] for attempt in found["attempts"]] == ["warm_retrain"]
    assert (found["decision"], found["assurance"]) == ("released", "A3")
    bundle = Path(found["evidence"])
    said = json.loads((bundle / "statement.json").read_text())
    ancestors = said["attempts"][0]["ancestors"]
    (lost,) = before - set(ancestors)
    assert len(ancestors) == 3 and {path.stem for path in folder.iterdir()} == set(ancestors)
    (gone,) = (copy for copy in found["copies"] if copy["where"] == "bases")
    assert lost[:16] in gone["what"] and gone["status"] == "removed"
    assert lethe("verify", str(bundle)).code == 0

    batch = [lethe.submit("--subject", person) for person in others]
    rungs = lethe("plan", *batch).json["ladder"]
    assert "never saw the examples" in rungs[0]["skipped"] and "skipped" not in rungs[1]
    refused = lethe.forget(*batch, "--method", "warm_retrain", policy=WARM, code=DENIED)
    assert "never saw the examples" in refused.err and "without --method" in refused.err
    assert lethe("show", batch[0]).json["state"] == "accepted"
