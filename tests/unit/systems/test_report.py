"""The report says what happened, in plain words, to anyone, and loads nothing."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from systems.report.page import write_report
from systems.report.plots import (
    AttemptPicture,
    _never_seen_range,
    _shares,
    plot_classes,
    plot_scores,
)
from systems.report.wording import ANSWERS, NO_GEOMETRY, QUESTIONS, measurement_words
from tests.unit.reported import Balance, refused_attempt
from unlearning.domain import Control, Decision, Measurement, Outcome, Verdict
from unlearning.gates import GATES

WRITTEN = datetime(2026, 2, 28, 12, 0, tzinfo=UTC)
FACTS = {"Data version": "0f" * 16, "Champion before": "version 3"}
NOTHING = np.array([])


@pytest.fixture
def attempt(rng: np.random.Generator) -> AttemptPicture:
    return refused_attempt(rng)


def write(folder: Path, *attempts: AttemptPicture, facts: dict[str, str] | None = None) -> str:
    report = write_report(
        folder,
        reference="run-1",
        decision=Decision.REFUSED,
        attempts=attempts,
        facts=facts or FACTS,
        written_at=WRITTEN,
    )
    return report.page.read_text(encoding="utf-8")


def test_the_page_is_whole_and_loads_nothing(attempt, tmp_path) -> None:
    page = write(tmp_path, attempt, replace(attempt, name="retrain", exact=True))
    parser = Balance()
    parser.feed(page)
    assert (parser.problems, parser.open) == ([], [])
    assert not re.search(r"(?:src|href)=\"(?!data:)|<script|url\(|@import", page)


def test_the_page_tells_decision_facts_questions_answers_and_limits_of_proof(
    attempt, tmp_path
) -> None:
    page = write(tmp_path, attempt)
    for words in (
        "No model passed. The champion was left as it was",
        "2026-02-28 12:00 UTC",
        FACTS["Data version"],
        "Do the examples look as if they had never been used?",
        "attack AUC 0.700 [0.650, 0.750] (n=40)",
        "untouched champion",
        "What this does not prove",
        "0.400 to 0.600",
    ):
        assert words in page


def test_text_from_outside_is_never_markup(attempt, tmp_path) -> None:
    bad = "<img src=x onerror=alert(1)>"
    attacked = replace(
        attempt,
        name=bad,
        classes=(bad, "$\\frac{$", "\u3042"),
        class_accuracy_before=np.array([0.9, 0.8, 0.7]),
        class_accuracy_after=np.array([0.9, 0.8, 0.7]),
        verdicts=[Verdict(bad, Outcome.FAILED, bad)],
        controls=[Control(bad, bad, bad)],
    )
    page = write(tmp_path, attacked, facts={bad: bad})
    assert bad not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_the_pictures_are_embedded_as_they_are_saved(attempt, tmp_path) -> None:
    page = write(tmp_path, attempt)
    embedded = [base64.b64decode(d) for d in re.findall(r"data:image/png;base64,([^\"]+)", page)]
    saved = {path.name: path.read_bytes() for path in (tmp_path / "plots").iterdir()}
    assert sorted(saved) == ["aucs.png", "classes-1.png", "scores-1.png"]
    assert sorted(embedded) == sorted(saved.values())
    for png in embedded:
        width, height = Image.open(BytesIO(png)).size
        assert width > 700
        assert height > 200


def test_equal_numbers_give_an_equal_page(attempt, tmp_path) -> None:
    assert write(tmp_path / "a", attempt) == write(tmp_path / "b", attempt)


def test_an_attempt_that_was_never_measured_is_reported_without_pictures(attempt, tmp_path) -> None:
    diverged = replace(
        attempt,
        verdicts=[Verdict("integrity", Outcome.FAILED, "training gave NaN in epoch 2")],
        measurements={},
        controls=[],
        forget_scores=NOTHING,
        holdout_scores=NOTHING,
        champion_forget_scores=NOTHING,
        class_accuracy_before=NOTHING,
        class_accuracy_after=NOTHING,
        classes=(),
    )
    page = write(tmp_path, diverged)
    assert "training gave NaN in epoch 2" in page
    assert "<figure>" not in page
    assert "No control could be run" in page


def test_no_attempt_at_all_is_reported_too(tmp_path) -> None:
    assert "What this does not prove" in write(tmp_path)


def test_an_undecided_exact_retraining_rests_on_how_it_was_made(attempt, tmp_path) -> None:
    undecided = [Verdict("forgetting", Outcome.INCONCLUSIVE, "n=12 decides nothing")]
    exact = replace(attempt, exact=True, verdicts=undecided)
    assert "how it was made is the proof" in write(tmp_path / "a", exact)
    approximate = replace(attempt, verdicts=undecided)
    page = write(tmp_path / "b", approximate)
    assert "how it was made is the proof" not in page
    assert "treated as not passed" in page


def test_a_control_that_went_wrong_is_said_to_prove_nothing(attempt, tmp_path) -> None:
    lost = replace(attempt, controls=[Control("untouched champion", "refused", "not refused")])
    assert "the test proves nothing" in write(tmp_path, lost)


def test_what_was_not_measured_is_named_once(attempt, tmp_path) -> None:
    """Geometry only where an attempt lacked it; what no run measures, always."""
    always = "`lethe audit` measures them and decides nothing."
    assert always in (page := write(tmp_path / "a", attempt))
    assert "class geometry" not in page.lower()
    lacking = replace(attempt, not_measured=(NO_GEOMETRY,))
    page = write(tmp_path / "b", lacking, lacking)
    assert page.count("Class geometry: a class is forgotten whole") == 1
    assert always in page


def test_every_gate_has_its_question_and_an_answer_for_each_outcome() -> None:
    for gate in GATES:
        assert gate in QUESTIONS
        assert all((gate, outcome) in ANSWERS for outcome in Outcome)


def test_a_single_score_or_equal_scores_can_be_drawn(attempt) -> None:
    one = replace(
        attempt,
        forget_scores=np.array([0.0]),
        holdout_scores=np.zeros(3),
        champion_forget_scores=np.array([np.nan]),
    )
    assert plot_scores(one) is not None


def test_of_many_classes_those_that_lost_most_are_drawn(attempt) -> None:
    many = replace(
        attempt,
        classes=[f"class {k}" for k in range(120)],
        class_accuracy_before=np.full(120, 0.9),
        class_accuracy_after=np.linspace(0.5, 0.9, 120),
    )
    png = plot_classes(many)
    assert png is not None
    assert Image.open(BytesIO(png)).size[1] < 1600


def test_the_range_of_a_never_seen_set_is_that_of_two_samples() -> None:
    """p = 1/2 and n = m = 100: 1.96 * sqrt(1/4 * 2/100) = 0.138593."""
    low, high = _never_seen_range(np.array([0.5]), 100, 100)
    np.testing.assert_allclose([low[0], high[0]], [0.361407, 0.638593], atol=1e-6)


def test_shares_count_what_lies_beyond_in_the_outermost_bins() -> None:
    """-9 and 0.1 fall into the first of two bins over [0, 1], 0.6 and 7 into the second."""
    shares = _shares(np.array([-9.0, 0.1, 0.6, 7.0]), np.array([0.0, 0.5, 1.0]))
    np.testing.assert_array_equal(shares, [0.5, 0.5])


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (None, ""),
        ((0.4, 0.6), "0.400 to 0.600"),
        ((2.0, float("inf")), "at least 2"),
        ((float("-inf"), 0.03), "at most 0.030"),
    ],
)
def test_limits_in_words(limit: tuple[float, float] | None, words: str) -> None:
    assert measurement_words(Measurement("m", 0.5, 0.4, 0.6, 9), limit)[3] == words
