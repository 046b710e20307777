"""The guard says in words whether a method did nothing or broke the network."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from flows.cli.output import attempt_lines
from systems.report.page import write_report
from systems.report.plots import AttemptPicture
from tests.unit import toys
from unlearning.domain import Decision, Group, Outputs
from unlearning.judging.effects import CHANGED_LOGITS, Effect, Kind, effect, failed
from unlearning.judging.trial import exempt_classes

CLASSES = 3


def said(original: Outputs, candidate: Outputs) -> Effect:
    """Compare them, where those classes go that no example is retained of."""
    return effect(original, candidate, exempt_classes(original))


def answers(labels: np.ndarray, given: np.ndarray) -> Outputs:
    """300 examples, 100 each of forget, retain and test; logit 3 for what is given, 0 else."""
    logits = 3.0 * np.eye(CLASSES)[given]
    groups = [g for g in (Group.FORGET, Group.RETAIN, Group.TEST) for _ in range(100)]
    return toys.outputs(logits, labels, groups)


@pytest.fixture
def original() -> Outputs:
    """Right everywhere; a third of each group is of each class, up to rounding."""
    labels = np.arange(300) % CLASSES
    return answers(labels, labels)


def test_an_untouched_network_shows_no_effect_and_the_advice_is_to_do_more(original) -> None:
    found = said(original, original)
    assert found.kind is Kind.NO_EFFECT
    assert "0.0% of the forget set" in found.words and "raise learning_rate" in found.words


def test_adding_the_same_to_all_logits_of_an_example_is_no_effect(original) -> None:
    shifted = replace(original, logits=original.logits + np.arange(300)[:, None])
    assert said(original, shifted).kind is Kind.NO_EFFECT


@pytest.mark.parametrize(("factor", "kind"), [(0.9, Kind.NO_EFFECT), (1.1, Kind.CHANGED)])
def test_logits_that_move_by_more_than_the_limit_are_a_change(original, factor, kind) -> None:
    """Scaling all logits by 1 + d moves them by d of their mean size and changes no answer."""
    scaled = replace(original, logits=original.logits * (1 + factor * CHANGED_LOGITS))
    assert said(original, scaled).kind is kind


def test_two_of_a_hundred_answers_are_a_change(original) -> None:
    given = original.labels.copy()
    given[:2] = (given[:2] + 1) % CLASSES
    found = said(original, answers(original.labels, given))
    assert (found.kind, found.words[:4]) == (Kind.CHANGED, "2.0%")


def test_one_answer_for_all_is_a_collapse(original) -> None:
    found = said(original, answers(original.labels, np.full(300, 1)))
    assert found.kind is Kind.COLLAPSED
    assert "answers class 1 for every test example: lower learning_rate" in found.words


def test_accuracy_near_chance_is_a_collapse(original) -> None:
    """Test labels 200..299 are of classes 2, 0, 1, ...: 34 of class 2, so chance gives 34 %. With
    40 right answers a tenth of the original's 66 points above chance, 6.6, is not left: 6 are."""
    given = (original.labels + 1) % CLASSES
    given[200:240] = original.labels[200:240]
    found = said(original, answers(original.labels, given))
    assert found.kind is Kind.COLLAPSED
    assert "test accuracy is 40.0%, where chance gives 34.0%" in found.words
    given[240] = original.labels[240]  # 41 right: 7 points are left
    assert said(original, answers(original.labels, given)).kind is not Kind.COLLAPSED


@pytest.mark.parametrize(("fallen", "kind"), [(19, Kind.CHANGED), (21, Kind.SHARED_FALL)])
def test_others_who_fall_half_as_much_are_told_of(original, fallen: int, kind: Kind) -> None:
    """40 of 100 forget examples are answered wrongly, and 19 or 21 of 100 test examples."""
    given = original.labels.copy()
    wrong = np.r_[np.arange(40), 200 + np.arange(fallen)]
    given[wrong] = (given[wrong] + 1) % CLASSES
    found = said(original, answers(original.labels, given))
    assert found.kind is kind
    if kind is Kind.SHARED_FALL:
        assert "fell by 21.0%, where the forget set's fell by 40.0%" in found.words
        assert "lower learning_rate" in found.words


def test_a_few_more_errors_on_the_test_set_are_nobodys_fall(original) -> None:
    given = original.labels.copy()
    wrong = np.r_[np.arange(9), 200 + np.arange(9)]
    given[wrong] = (given[wrong] + 1) % CLASSES
    assert said(original, answers(original.labels, given)).kind is Kind.CHANGED


@pytest.mark.parametrize(("still", "kind"), [(10, Kind.CHANGED), (11, Kind.STILL_ANSWERED)])
def test_a_class_that_is_still_answered_is_told_of(still: int, kind: Kind) -> None:
    labels = np.concatenate([np.zeros(100), np.ones(100), np.arange(100) % 2]).astype(np.int64)
    given = labels.copy()
    given[still:100] = 1
    found = said(answers(labels, labels), answers(labels, given))
    assert found.kind is kind
    if kind is Kind.STILL_ANSWERED:
        assert "11.0% of what goes as a class" in found.words and "raise" in found.words


@pytest.mark.parametrize(("still", "kind"), [(50, Kind.CHANGED), (51, Kind.STILL_ANSWERED)])
def test_a_class_but_for_a_few_is_held_against_models_that_saw_these(
    still: int, kind: Kind
) -> None:
    """One of class 0 stays; two models that saw it alone answer 30 and 50 of the hundred so."""
    labels = np.concatenate([np.zeros(101), np.ones(99), np.arange(100) % 2]).astype(np.int64)

    def knowing(count: int) -> Outputs:
        given = labels.copy()
        given[count:100] = 1
        return answers(labels, given)

    before, after, gone = answers(labels, labels), knowing(still), np.array([0])
    found = effect(before, after, gone, [knowing(30), knowing(50)])
    assert found.kind is kind
    assert kind is Kind.CHANGED or "51.0% of what goes" in found.words
    assert kind is Kind.CHANGED or "by one without it 40.0% would be" in found.words
    assert effect(before, after, gone).kind is Kind.CHANGED  # nobody can tell


def test_flat_answers_to_the_forget_set_alone_are_told_of(original) -> None:
    """Logits of 0 are a uniform answer; the rest is as sure as before."""
    flat = original.logits.copy()
    flat[:100] *= 0.1
    assert said(original, replace(original, logits=flat)).kind is Kind.FLAT
    everybody = replace(original, logits=0.1 * original.logits)
    assert said(original, everybody).kind is Kind.CHANGED


def test_what_an_honest_retrain_does_is_a_change_and_no_more(original) -> None:
    """A fifth of the forget set is answered wrongly, all less surely, and nobody else is moved."""
    given = original.labels.copy()
    given[:20] = (given[:20] + 1) % CLASSES
    retrained = answers(original.labels, given)
    retrained.logits[:100] *= 0.7
    assert said(original, retrained).kind is Kind.CHANGED


def test_a_class_that_is_forgotten_whole_does_not_count() -> None:
    """Of two classes one is forgotten: an honest retrain answers the other for everything."""
    labels = np.concatenate([np.zeros(100), np.ones(100), np.arange(100) % 2]).astype(np.int64)
    retrained = answers(labels, np.ones(300, dtype=np.int64))
    assert said(answers(labels, labels), retrained).kind is Kind.CHANGED


def test_a_class_of_which_one_example_stays_does_not_count_either(original) -> None:
    """Of three classes two go but for an example each; a retrained model answers the third."""
    labels = original.labels.copy()
    labels[:100] = np.arange(100) % 2
    before, after = answers(labels, labels), answers(labels, np.full(300, 2))
    assert effect(before, after, np.array([0, 1])).kind is Kind.CHANGED


def test_outputs_that_are_not_finite_are_a_collapse(original) -> None:
    logits = original.logits.copy()
    logits[7, 0] = np.nan
    assert said(original, replace(original, logits=logits)).kind is Kind.COLLAPSED
    assert failed("lower it").kind is Kind.FAILED


def test_the_command_line_tells_of_it() -> None:
    attempt = {"method": "famr", "decision": "refused", "verdicts": []}
    quiet = {**attempt, "effect": {"kind": "changed", "words": "much"}}
    loud = {**attempt, "effect": {"kind": "no effect", "words": "0.0%: raise it"}}
    assert attempt_lines([attempt]) == attempt_lines([quiet]) == ["famr      refused"]
    assert attempt_lines([loud])[1] == "  no effect: 0.0%: raise it"


@pytest.mark.parametrize(("words", "shown"), [("no effect: 0.0% & less", 1), ("", 0)])
def test_the_report_tells_of_it_once(tmp_path: Path, words: str, shown: int) -> None:
    nothing = np.array([])
    attempt = AttemptPicture(
        name="famr",
        exact=False,
        decision=Decision.REFUSED,
        verdicts=[],
        measurements={},
        controls=[],
        forget_scores=nothing,
        holdout_scores=nothing,
        champion_forget_scores=nothing,
        null_band=(0.4, 0.6),
        limits={},
        classes=(),
        class_accuracy_before=nothing,
        class_accuracy_after=nothing,
        effect=words,
    )
    page = write_report(
        tmp_path,
        reference="run-1",
        decision=Decision.REFUSED,
        attempts=[attempt],
        facts={},
        written_at=datetime(2026, 2, 28, tzinfo=UTC),
    ).page.read_text()
    assert page.count("Beside the champion") == shown
    assert page.count("no effect: 0.0% &amp; less.") == shown
