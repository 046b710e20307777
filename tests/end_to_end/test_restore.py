"""A backup from before an erasure, restored after it: nobody comes back, in data or in weights."""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.commandline import Lethe
from tests.end_to_end.conftest import MakeLethe, Told
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import holding, people_of
from unlearning.digests import sha256_file


def test_who_was_erased_is_erased_again_before_the_workspace_opens(
    make_lethe: MakeLethe, told: Told, tmp_path: Path
) -> None:
    """The list is that of a workspace which went on from the same beginning."""
    before = make_lethe("before")
    before.adopt(before.write_policy(CHEAP))
    taken = before("backup", str(tmp_path / "backups")).json
    old = before.champion()
    asked = before.submit("--subject", people_of(before.root, "train", 1)[0])
    planned = before("plan", asked).json["copies"]
    assert [row["what"].split()[0] for row in planned if row["where"] == "backup"] == [
        taken["backup"]
    ]
    new = Lethe(tmp_path / "new", tmp_path / "tmp", before.context)
    newest = told.lethe.root / "records" / "suppression.jsonl"

    # Of eight pixels a side some digits of others look like those that were erased.
    others = ("--accept-alike", "--reason", "digits are much alike")
    found = new("restore", str(tmp_path / "backups"), "--newest", str(newest), *others).json

    assert found["restored"] and found["replayed"] >= len(told.canary.images)
    assert holding(told.canary, tmp_path / "new") == []
    champion = new.champion()
    assert champion["sha256"] != old["sha256"] and found["run"]["decision"] == "released"
    kept = (tmp_path / "new").rglob("*.safetensors")
    assert old["sha256"] not in {sha256_file(path) for path in kept}
    assert [v["version"] for v in new("list", "versions").json["versions"]] == [2]
    assert new("verify", found["run"]["evidence"]).json["ok"]
    assert new("verify", "--log").json["ok"]
    # The backup is a copy of these people until somebody destroys it.
    rows = new("purge", found["request"]).json["copies"]
    assert [row["what"].split()[0] for row in rows if row["where"] == "backup"] == [taken["backup"]]
