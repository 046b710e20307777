"""What a plan and a run look like to people."""

from __future__ import annotations

from flows.cli.output import not_tried_lines, plan_tables

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


def test_what_was_not_tried_has_its_reason() -> None:
    (line,) = not_tried_lines([{"method": "finetune", "why": "hopeless"}])
    assert line == "finetune  not tried\n  hopeless"
