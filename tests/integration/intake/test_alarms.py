"""Prometheus' rules in infra/ ask for numbers that there are; the runbook knows each alarm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledger import checkpoint
from ledger.requests import Ledger
from systems.intake.http import Surroundings, make_app
from systems.settings.workspace import Workspace
from tasks.running.records import utc_now
from tests.integration.intake.doors import Desk, desk, made, opened
from tests.integration.intake.prometheus import faults

ROOT = Path(__file__).parents[3]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "alarms.yaml").read_text())
RULES: list[dict[str, Any]] = [rule for group in FILE["groups"] for rule in group["rules"]]
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


def exported(at: Desk) -> dict[str, set[str]]:
    """The labels of each metric that the door gives."""
    found: dict[str, set[str]] = {}
    for line in at.client.get("/metrics").text.splitlines():
        if met := re.fullmatch(r"(\w+)(?:\{(.*)\})? \S+", line):
            found.setdefault(met[1], set()).update(re.findall(r"(\w+)=\"", met[2] or ""))
    return found


def test_the_rules_ask_for_what_there_is_in_words_that_prometheus_knows(tmp_path: Path) -> None:
    at = watched(made(tmp_path))
    at.post()
    there = exported(at)
    assert faults(FILE, there) == []
    used = {name for rule in RULES for name in there if name in rule["expr"]}
    assert {"lethe_part_up", "lethe_deadline_seconds", "lethe_witness_behind"} <= used
    for name in used:  # whichever is renamed, it is found
        assert faults(FILE, {k: v for k, v in there.items() if k != name})


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({"expr": "lethe_part_upp == 0"}, "lethe_part_upp is not exported"),
        ({"expr": 'lethe_part_up{door="http"} == 0'}, "lethe_part_up has no label door"),
        ({"expr": "absense(lethe_part_up)"}, "unknown function absense"),
        ({"expr": "(lethe_part_up == 0"}, "( is left open"),
        ({"expr": "lethe_part_up == 0)"}, ") closes nothing"),
        ({"expr": "lethe_part_up"}, "compares with nothing"),
        ({"expr": "lethe_part_up == 0 # no"}, "is not understood"),
        ({"for": "5 minutes"}, "for: '5 minutes' is no duration"),
        ({"for": 300}, "for: 300 is no duration"),
        ({"labels": {"se-verity": "page"}}, "label se-verity"),
        ({"annotations": {"summary": "{{ $labels.prat }}"}}, "$labels.prat: its metrics have none"),
        ({"annotations": {"summary": "{{ $labels.part }"}}, "template in"),
        ({"exprs": "1"}, "unknown key exprs"),
        ({"alert": "Lethe Part"}, "is no name of an alarm"),
    ],
)
def test_a_rule_that_prometheus_would_refuse_or_never_fire_is_found(
    planted: dict[str, Any], said: str
) -> None:
    good = {"alert": "X", "expr": "lethe_part_up == 0", "for": "1h30m"}
    there = {"lethe_part_up": {"part"}}
    assert faults({"groups": [{"name": "g", "rules": [good]}]}, there) == []
    found = faults({"groups": [{"name": "g", "rules": [good | planted]}]}, there)
    assert any(said in fault for fault in found), found


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
        assert rule["annotations"]["summary"]
