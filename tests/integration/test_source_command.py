"""`lethe source`: what it prints, and that nobody waits to be shut out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from flows.cli.work.sending import problem
from ledger import keys
from ledger.lock import workspace_lock
from ledger.requests import Ledger
from ledger.sources import SourceKeys
from systems.settings.workspace import Workspace, write_templates
from tasks.running.opened import Opened


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """A workspace with keys and one entry in its log; sources need no data."""
    made = Workspace.at(tmp_path / "workspace")
    write_templates(made)
    keys.create_keys(made.keys, made.records)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    Ledger.open(made.records, made.keys).record("made", {}, key="made", now=now)
    return made


def lethe(ws: Workspace, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as ended:
        main(["--workspace", str(ws.root), "--json", "source", *words])
    code = ended.value.code
    return int(code or 0), json.loads(capsys.readouterr().out)


def test_the_secret_is_shown_once(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    code, added = lethe(ws, capsys, "add", "crm")
    assert code == 0 and added.keys() == {"source", "secret"}
    assert SourceKeys(ws.keys).of("crm") == added["secret"].encode()
    _, listed = lethe(ws, capsys, "list")
    assert [(s["source"], s["state"]) for s in listed["sources"]] == [("crm", "ready")]
    assert added["secret"] not in json.dumps(listed)


def test_a_source_is_shut_out_while_a_run_holds_the_workspace(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    lethe(ws, capsys, "add", "crm")
    with workspace_lock(ws.records / "lock"):
        code, said = lethe(ws, capsys, "remove", "crm")
    assert code == 20 and "is refused from now on" in said["error"]
    assert SourceKeys(ws.keys).of("crm") is None
    assert lethe(ws, capsys, "remove", "crm")[1]["state"] == "removed"


def test_a_secret_of_the_other_party_comes_from_a_file(
    ws: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("drawn by the other party\n")
    lethe(ws, capsys, "add", "fides", "--secret-file", str(file))
    assert SourceKeys(ws.keys).of("fides") == b"drawn by the other party"


@pytest.mark.parametrize(
    "words", [["add"], ["remove"], ["lend", "crm"], ["add", "jane@example.com"], ["remove", "crm"]]
)
def test_what_cannot_be_meant_is_one_line(
    ws: Workspace, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    code, said = lethe(ws, capsys, *words)
    assert code == 2 and "jane" not in said["error"]


def test_the_doctor_names_a_source_whose_key_is_gone(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    lethe(ws, capsys, "add", "crm")
    assert problem(Opened(str(ws.root))) == ""
    SourceKeys(ws.keys).path("crm").unlink()
    assert problem(Opened(str(ws.root))).startswith("crm: no key: put keys/sources/ back")
