"""kill -9 in `lethe init` once the data are in: the same command goes on to one first version.

What may happen before is in tests/integration/test_initialising_killed.py.
"""

from __future__ import annotations

from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from systems.settings.workspace import Workspace, write_templates
from tests.end_to_end.commandline import Lethe
from tests.end_to_end.driver import AtCall, AtEntry, Killer, mark
from tests.end_to_end.traces import files_below

KILLED, USAGE = -9, 2
INIT = ("init", "--shadows", "8", "--epochs", "1")

KILLS: tuple[Killer, ...] = (
    AtCall("systems.data.importing:save_manifest"),
    AtCall("flows.cli.work.initialising:_trained"),
    AtCall("tasks.train:note_trained"),
    AtCall("systems.registry.models:_declare"),
    AtEntry("initialised", logged=False),
    AtEntry("initialised", logged=True),
    AtCall("systems.registry.models:promote"),
    AtCall("unlearning.bank.shadows:write_arrays", 2),
    AtCall("unlearning.bank.shadows:write_index"),
    AtCall("systems.data.versions:commit_stages"),
    AtCall("systems.settings.beginning:finish"),
)


@pytest.mark.long
def test_killed_anywhere_init_goes_on_to_one_first_version(
    tmp_path: Path, context: ForkServerContext
) -> None:
    """Each kill meets the state that all the kills before it have left."""
    lethe = Lethe(tmp_path / "workspace", tmp_path / "tmp", context)
    write_templates(Workspace(lethe.root))
    lethe.change("bank", "workers", 1)
    for killer in KILLS:
        lethe(*INIT, code=KILLED, killer=killer)
        refused = lethe("submit", "--subject", "person/0001", code=USAGE)
        assert "`lethe init`" in refused.err
    found = lethe(*INIT).json
    assert found["champion"]["version"] == 1
    assert [mark(e["key"]) for e in lethe.entries()].count("initialised") == 1
    assert [v["aliases"] for v in lethe("list", "versions").json["versions"]] == [["champion"]]
    assert lethe("verify", "--log").json["ok"]
    doctor = lethe("doctor", code=None).json["checks"]
    assert [check for check in doctor if not check["ok"] and check["name"] != "bank"] == []
    assert [path for path in files_below(lethe.root) if path.suffix == ".part"] == []
    assert "is a workspace already" in lethe(*INIT, code=USAGE).err
