"""What a description says of a run and of a version: values in, text out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from systems.report.notes import (
    Named,
    Standing,
    Told,
    Tried,
    attempt_note,
    model_note,
    plain,
    run_note,
    version_note,
)
from unlearning.domain import Outcome, Verdict

FORGETTING = Verdict("forgetting", Outcome.FAILED, "attack AUC 0.62 [0.57, 0.66], allowed 0.60")
UTILITY = Verdict("utility", Outcome.PASSED, "it changed by +0.1%")
REFUSED = Tried(Named("1: finetune", "#/one"), "refused", [UTILITY, FORGETTING])
RELEASED = Tried(Named("2: retrain", "#/two"), "released", [UTILITY])
TOLD = Told(
    run="run-1",
    requests=("req-a", "req-b"),
    forget={"train": 12, "holdout": 1, "test": 0},
    parent=Named("version 3", "#/models/lethe/versions/3"),
    tried=[REFUSED, RELEASED],
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 4, 1, 12, tzinfo=UTC)
FIRST = Standing(Named("version 1", "#/1"), NOON, digests={"weights": "ab"})


def test_a_run_says_what_was_asked_and_what_every_gate_said() -> None:
    said = run_note(TOLD)
    assert "Asked by 2 requests (req-a, req-b): to forget 12 train, 1 holdout, 0 test" in said
    assert "| attempt | utility | forgetting | decision |" in said
    assert "| [1: finetune](#/one) | PASSED | FAILED | **refused** |" in said
    assert "| [2: retrain](#/two) | PASSED | not asked | **released** |" in said
    assert r"- 1: finetune, forgetting **FAILED**: attack AUC 0.62 \[0.57, 0.66\]" in said


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (None, "**Not decided yet.** [version 3](#/models/lethe/versions/3) serves."),
        ("refused", "**Refused**: nothing was released. [version 3]"),
        ("inconclusive", "**Inconclusive**: nothing was released. [version 3]"),
        ("purge", "**To be purged**: no training example is concerned. [version 3]"),
    ],
)
def test_nothing_counts_as_released_before_it_is(decision: str | None, words: str) -> None:
    said = run_note(replace(TOLD, decision=decision))
    assert said.startswith(words)
    assert "served when it ended" not in said


def test_a_release_names_level_and_version_but_never_says_that_data_are_gone() -> None:
    served = Named("version 4", "#/4")
    said = run_note(replace(TOLD, decision="released", assurance="A2", served=served))
    assert "A2 (approximate unlearning with measured bounds)" in said
    assert "[version 4](#/4) served when it ended." in said
    assert "gone" not in said


def test_a_rung_that_was_left_out_says_why_and_a_waiting_run_says_for_whom() -> None:
    said = run_note(replace(TOLD, not_tried={"finetune": "hopeless: 0%"}, waits="lethe approve"))
    assert "- finetune was not tried: hopeless: 0%" in said
    assert "It waits for a person: lethe approve" in said


def test_links_and_picture_come_only_with_addresses() -> None:
    assert "Read:" not in run_note(TOLD) and "![" not in run_note(TOLD)
    linked = replace(TOLD, links=[Named("report", "#/r")], figure="get-artifact?path=p.png")
    assert "Read: [report](#/r)" in run_note(linked)
    assert "](get-artifact?path=p.png)" in run_note(linked)
    assert "[version" not in run_note(replace(TOLD, parent=Named("version 3"), tried=[]))


def test_the_same_values_give_the_same_words() -> None:
    assert run_note(TOLD) == run_note(replace(TOLD))


def test_what_means_something_to_markdown_or_html_is_printed_as_it_is() -> None:
    hostile = "<script>alert(1)</script> | [x](javascript:1) `a`\n# head"
    said = attempt_note(replace(REFUSED, verdicts=[replace(UTILITY, reason=hostile)]))
    assert "<script>" not in said.replace(r"\<script\>", "")
    assert r"\[x\](javascript:1)" in said and "\n# head" not in said
    assert plain("a_b*c") == r"a\_b\*c"


def test_a_version_says_whether_it_serves_and_since_when_it_is_tainted() -> None:
    assert version_note(FIRST).startswith("Serves since 2026-03-01 12:00 UTC.")
    ended = replace(
        FIRST,
        until=LATER,
        by=Named("version 2", "#/2"),
        tainted=[(LATER, "run-1"), (LATER, "run-2")],
    )
    said = version_note(ended)
    assert said.startswith("Served from 2026-03-01 12:00 UTC to 2026-04-01 12:00 UTC, then [vers")
    assert "**Tainted since 2026-04-01** by run-1, run-2: it must never serve again." in said


def test_a_version_says_how_it_came_to_be() -> None:
    made = replace(
        FIRST,
        run=Named("run-1", "#/run"),
        requests=2,
        method="retrain",
        assurance="A3",
        parent=Named("version 1", "#/1"),
    )
    said = version_note(made)
    assert (
        "Made by retrain in place of [version 1](#/1), in [run-1](#/run), for 2 requests." in said
    )
    assert "Assurance A3 (exact retraining, proved by lineage)." in said
    assert "The first version, from `lethe init`." in version_note(FIRST)
    assert model_note(None) == "No version serves."
    assert model_note(made).startswith("[version 1](#/1). Serves since")
