"""What a plan and a run look like to people."""

from __future__ import annotations

import pytest

from flows import cli
from flows.cli.options import PANELS
from flows.cli.output import (
    copies_counted,
    not_tried_lines,
    plan_tables,
    request_tables,
    show,
)

PLAN = {
    "requests": ["req-1"],
    "ladder": [
        {
            "method": "finetune",
            "passes": 14145,
            "estimated_seconds": 3.1,
            "chance": None,
            "at_most": {"high": 0.66},
            "assurance": "A2",
        },
        {
            "method": "famr",
            "passes": 10,
            "estimated_seconds": None,
            "chance": {"value": 0.0, "low": 0.0, "high": 0.097, "n": 36, "of": "rehearsals"},
            "at_most": None,
            "assurance": "A2",
            "skipped": "hopeless: 0% of 36",
        },
    ],
    "cheapest_start": {"method": "finetune", "why": "the ladder's own order is cheapest"},
    "collecting": {"words": "wait 9 days"},
    "decidable": True,
}


def test_a_plans_ladder_is_a_table_of_words() -> None:
    found = plan_tables(PLAN)
    first, second = found["ladder"]
    assert first["chance of release"] == "unknown, at most 66%" and first["not tried"] == ""
    assert second["chance of release"] == "0% (0% to 10%, 36 rehearsals)"
    assert second["not tried"] == "hopeless: 0% of 36"
    assert found["cheapest_start"] == "finetune: the ladder's own order is cheapest"
    assert found["collecting"] == "wait 9 days" and found["decidable"] is True
    assert list(found) == list(PLAN)


def test_where_nothing_is_tried_or_known_nothing_is_said() -> None:
    found = plan_tables({**PLAN, "ladder": [], "cheapest_start": None, "collecting": None})
    assert (found["ladder"], found["cheapest_start"], found["collecting"]) == ([], None, None)


POWER = {
    "passed": 0.1025,
    "low": 0.07,
    "high": 0.14,
    "failed": 0.0,
    "draws": 400,
    "champion_auc": 0.6111,
    "champion_measured": True,
    "examples_needed": 1200,
}


def test_a_plan_says_in_sentences_what_is_spent_and_what_could_be_shown() -> None:
    facts = {
        "examples": {"train": 1200, "holdout": 3},
        "near_duplicates": {"count": 1, "threshold": 0.99},
        "drift": {"releases": 1, "left": {"releases": 4}, "words": "1 of 5 approximate releases"},
        "error": {"spent": 0.01, "each": 0.02, "words": "4.00% of 5% is left to err in"},
        "power": POWER,
        "policy": {"sha256": "0b07f736c725e59b", "in_force": True},
        "references": [{"what": "class-out models", "models": 3, "estimated_seconds": 1200.5}],
    }
    found = plan_tables({**PLAN, **facts})
    assert {key: found[key] for key in facts} == {
        "examples": "1,200 train, 3 holdout",
        "near_duplicates": "1 example that stays looks like one to be forgotten",
        "drift": "1 of 5 approximate releases",
        "error": "4.00% of 5% is left to err in, 1.00% is spent; each approximate rung gets 2.00%",
        "power": "of 400 simulated retrains 10% would pass (7% to 14%) and 0% would be refused; "
        "the champion's attack AUC is 0.611; 1,200 examples would be enough to decide",
        "policy": "0b07f736c725, in force",
        "references": "trained without these examples to compare with: 3 class-out models, about "
        "1,200.5 s",
    }


def test_a_plan_without_a_simulation_says_so() -> None:
    none = {**POWER, "draws": 0, "champion_measured": False, "examples_needed": None}
    assert plan_tables({**PLAN, "power": none})["power"] == (
        "a perfect retrain cannot pass here, so none was simulated; the champion's attack AUC is "
        "taken to be 0.611"
    )
    assert plan_tables({**PLAN, "power": None})["power"] is None


def test_what_was_not_tried_has_its_reason() -> None:
    (line,) = not_tried_lines([{"method": "finetune", "why": "hopeless"}])
    assert line == "finetune  not tried\n  hopeless"


REQUEST = {
    "request": "req-086727fe7e96",
    "state": "awaiting_approval",
    "received_at": "2026-11-28T10:56:12.769588+00:00",
    "due_at": "2026-12-28T23:59:59+01:00",
    "days_left": -100,
    "jurisdiction": "gdpr-de",
    "examples": 1_000_000,
    "reason": None,
    "run": "run-b6e91f458c90",
    "waits_for": "0 of 1 approvals; not by dpo",
}


def test_a_list_of_requests_can_be_read_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show(
        request_tables({"requests": [REQUEST, {**REQUEST, "reason": "a [b] c", "examples": None}]})
    )
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.strip().startswith("req-086727fe7e96 ")]
    assert len(rows) == 2
    words = ("awaiting approval", "2026-12-28", "-100", "gdpr-de", "1000000")
    assert all(word in rows[0] for word in words)
    assert all(len(row) <= 80 for row in rows)
    assert "req-086727fe7e96: a [b] c; 0 of 1 approvals; not by dpo" in lines


def test_the_help_names_every_command_once_by_who_uses_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = [name for names in PANELS.values() for name in names]
    known = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    assert len(named) == len({*named}) and {*named} == known
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"{title}:" in shown for title in PANELS)
    assert all(shown.count(f"\n  {name} ") == 1 for name in named)


RUN = "run-3844c4284253"
RECORDS = {
    "runs": [
        {
            "run": RUN,
            "decision": "released",
            "evidence": f"/srv/privacy/evidence/{RUN}",
            "drift": "0 of 5 approximate releases since the last exact training",
            "not_tried": [],
            "sealed": {"decision": "2026-11-28T18:26:40.319597+00:00", "completion": None},
        }
    ]
}


def test_records_that_no_table_of_80_columns_holds_stand_one_below_the_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evidence and the reference can be copied: neither is broken over lines."""
    monkeypatch.setenv("COLUMNS", "80")
    show(RECORDS)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "runs",
        f"  run        {RUN}",
        "  decision   released",
        f"  evidence   /srv/privacy/evidence/{RUN}",
        "  drift      0 of 5 approximate releases since the last exact training",
        "  not tried  none",
        "  sealed     decision 2026-11-28 18:26, completion -",
    ]


def test_the_history_of_a_request_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    moved = {"at": "2026-11-28T18:14:26.48+00:00", "event": "moved", "state": "awaiting_approval"}
    said = {"at": "2026-11-28T18:24:16+00:00", "event": "approval", "reviewer": "dpo"}
    show({"history": [moved, {**said, "answer": "approved", "reason": "is to go"}]})
    shown = capsys.readouterr().out
    assert "2026-11-28 18:14  moved     awaiting_approval" in shown
    assert "\n2026-11-28 18:24  approval" in shown


def test_copies_that_are_gone_are_counted_by_place_and_others_named() -> None:
    gone = [{"status": "removed", "what": f"object {n}", "where": "dvc remote"} for n in range(3)]
    kept = {"status": "kept", "what": "weights of version 1", "where": "model registry"}
    found = copies_counted({"run": RUN, "copies": [*gone, kept]})
    counted = {"status": "removed", "what": "3 copies", "where": "dvc remote"}
    assert found == {"run": RUN, "copies": [counted, kept]}
    assert copies_counted({"copies": gone[:1]})["copies"] == [counted | {"what": "1 copy"}]
