"""Prometheus' rules in infra/ ask for numbers that there are; the runbook knows each alarm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ledger import checkpoint
from ledger.requests import Ledger
from systems.intake.http import Surroundings, make_app
from systems.settings.workspace import Workspace
from tasks.running.records import utc_now
from tests.integration.intake.doors import Desk, desk, made, opened

ROOT = Path(__file__).parents[3]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "infra" / "alarms.yaml").read_text())["groups"]
    for rule in group["rules"]
]
PARTS = {
    "runner": {"ok": False},
    "http": {"ok": True},
    "notices-crm": {"ok": True, "waiting": 3},
}
WITNESS = "/mnt/share"


def watched(ws: Workspace) -> Desk:
    around = Surroundings(health=lambda: {"ok": False, "parts": PARTS}, witnesses=(WITNESS,))
    return desk(ws, app=make_app(ws, lambda: opened(ws), around=around))


def numbers(at: Desk) -> dict[str, float]:
    lines = [line.split() for line in at.client.get("/metrics").text.splitlines()]
    return {line[0]: float(line[1]) for line in lines if line[0] != "#" and len(line) == 2}


def test_every_number_that_a_rule_asks_for_is_there(tmp_path: Path) -> None:
    at = watched(made(tmp_path))
    at.post()
    known = {name.partition("{")[0] for name in numbers(at)}
    asked = {name for rule in RULES for name in re.findall(r"lethe_[a-z_]+", rule["expr"])}
    assert asked <= known
    assert {"lethe_part_up", "lethe_deadline_seconds", "lethe_witness_behind"} <= asked


def test_parts_notices_and_witnesses_are_told_of(tmp_path: Path) -> None:
    at = watched(made(tmp_path))
    found = numbers(at)
    assert found['lethe_part_up{part="runner"}'] == 0 and found['lethe_part_up{part="http"}'] == 1
    assert found['lethe_notices_waiting{part="notices-crm"}'] == 3
    assert found["lethe_witness_behind"] == 0
    ledger = Ledger.open(at.ws.records, at.ws.keys)
    ledger.record("step", {"statement": "0" * 64}, key="run-1/sealed", now=utc_now())
    assert numbers(at)["lethe_witness_behind"] == 1
    body = {"witness": checkpoint.name_of("/mnt/other"), "given": 4}
    ledger.record(checkpoint.WITNESSED, body, key="witnessed/9", now=utc_now())
    assert numbers(at)["lethe_witness_behind"] == 1
    body = {"witness": checkpoint.name_of(WITNESS), "given": 4}
    ledger.record(checkpoint.WITNESSED, body, key="witnessed/10", now=utc_now())
    assert numbers(at)["lethe_witness_behind"] == 0


def test_each_alarm_has_its_line_in_the_runbook() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    for rule in RULES:
        assert f"`{rule['alert']}`" in text
        assert rule["annotations"]["summary"] and rule["expr"].count("(") == rule["expr"].count(")")
