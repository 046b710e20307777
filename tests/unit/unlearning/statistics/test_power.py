"""What a test can decide, by simulation against the gate itself; seeds are fixed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from tests.unit import toys
from unlearning.domain import Group
from unlearning.gates.forgetting import Forgetting
from unlearning.statistics import power
from unlearning.statistics.intervals import FPRS, Interval, auc_interval, tail_interval
from unlearning.statistics.power import (
    assumed,
    case_of,
    chances,
    examples_needed,
    likeness_of,
)
from unlearning.statistics.simulation import Case, Drawn, drawn, measured

GATE = Forgetting(
    limits_by_size=[
        {"examples": 500, "holdout": 2000, "auc": 0.55, "tail": 0.05, "fpr": 0.01},
        {"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05},
    ]
)
CASE = Case(examples=300, subjects=300, holdout=400, holdout_subjects=400)


def case(**changes: float) -> Case:
    return dataclasses.replace(CASE, **changes)  # type: ignore[arg-type]


def test_the_simulated_auc_is_the_one_asked_for(rng: np.random.Generator) -> None:
    """Mean of 100 AUCs, each of deviation .022: .70 within .01."""
    draws = measured(CASE, drawn(CASE, rng, 100), auc=0.7)
    found = [draw["forget_auc"].value for draw in draws]
    assert len(found) == 100
    assert np.mean(found) == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize(
    "sizes", [(60, 60, 90, 90), (60, 7, 90, 31), (60, 1, 90, 9), (12, 12, 40, 40)]
)
@pytest.mark.parametrize("likeness", [0.0, 0.5])
def test_each_draw_is_measured_as_real_scores_are(
    sizes: tuple[int, int, int, int], likeness: float, rng: np.random.Generator
) -> None:
    """Row by row the same numbers as `unlearning.statistics` gives, with which the gates judge."""
    n, people, m, others = sizes
    few = Case(examples=n, subjects=people, holdout=m, holdout_subjects=others, likeness=likeness)
    scores = drawn(few, rng, 8)
    codes, other_codes = np.arange(n) % people, np.arange(m) % others
    rows = zip(measured(few, scores, auc=0.5), scores.forget, scores.holdout, strict=True)
    for found, forget, holdout in rows:
        wanted = {"forget_auc": auc_interval(forget, holdout, codes, other_codes)}
        few_ = min(n, 10)
        wanted["memorised_auc"] = auc_interval(forget[:few_], holdout, codes[:few_], other_codes)
        for fpr in FPRS:
            for side, sign in (("high", 1), ("low", -1)):
                turned = sign * forget, sign * holdout
                tail = tail_interval(*turned, codes, other_codes, fpr=fpr)
                wanted[f"forget_tail_{side}@{fpr}"] = tail
        wanted["holdout_learned"] = Interval(0.0, 0.0, 0.0)
        assert found.keys() == wanted.keys()
        for name, interval in wanted.items():
            m_ = found[name]
            assert (m_.value, m_.low, m_.high) == pytest.approx(dataclasses.astuple(interval))


def test_people_of_one_draw_are_as_alike_as_they_are_said_to_be(rng: np.random.Generator) -> None:
    """50 draws of 100 people of 3: 5,000 people give the correlation .5 to within about .01."""
    people = case(subjects=100, likeness=0.5)
    scores = drawn(people, rng, 50).forget
    assert likeness_of(scores, np.arange(300) % 100) == pytest.approx(0.5, abs=0.03)


def test_likeness_by_hand() -> None:
    """Scores 0, 2 of one and 4, 6 of another: means 1 and 5 about 3, so the mean squares are 2 * (4
    + 4) / 1 = 16 between and 4 / 2 = 2 within, and (16 - 2) / (16 + 2) = 7/9. Who has one example
    shows nothing, and neither does a shadow that saw the other."""
    people = np.array([0, 0, 1, 1])
    seen = [np.nan, 2.0, np.nan, 6.0]
    assert likeness_of(np.array([[0.0, 2.0, 4.0, 6.0], seen]), people) == pytest.approx(7 / 9)
    assert likeness_of(np.array([[0.0, 2.0, 4.0, 6.0]]), np.arange(4)) == 0
    assert likeness_of(np.array([[0.0, 6.0, 0.0, 6.0]]), people) == 0  # it would be -1


def test_a_case_counts_examples_and_subjects_of_both_sides() -> None:
    outputs = toys.outputs(np.zeros((5, 2)), np.zeros(5), [Group.FORGET] * 3 + [Group.HOLDOUT] * 2)
    outputs = dataclasses.replace(outputs, subjects=np.array([0, 0, 1, 2, 2]))
    expected = Case(examples=3, subjects=2, holdout=2, holdout_subjects=1, likeness=0.2)
    assert case_of(outputs, 0.2) == expected


def test_a_perfect_retrain_passes_and_the_champion_does_not(rng: np.random.Generator) -> None:
    known = assumed(CASE, 16)
    perfect = chances(CASE, known, GATE, rng, draws=60)
    champion = chances(CASE, known, GATE, rng, auc=0.7, draws=60)
    assert perfect.passed > 0.8 and perfect.failed < 0.05
    assert champion.passed == 0 and champion.failed > 0.8
    assert perfect.passed + perfect.failed + perfect.inconclusive == pytest.approx(1)


def test_power_rises_with_the_examples_and_with_the_holdout(rng: np.random.Generator) -> None:
    """The interval's half width is about 1.96 * sqrt((n + m + 1) / (12 n m)): .063 for 100 and
    400, .044 for 300 and 400, .034 for 300 and 4,000, each to lie within .10 of a half."""
    cases = [case(examples=n, subjects=n) for n in (100, 300)]
    cases.append(case(holdout=4000, holdout_subjects=4000))
    found = [chances(c, assumed(c, 16), GATE, rng, draws=200).passed for c in cases]
    assert found[0] < found[1] - 0.3
    assert found[1] < found[2] <= 1


def test_a_simulation_says_how_far_it_can_be_off(rng: np.random.Generator) -> None:
    """No pass in 40 draws bounds the power by 1 - .025^(1/40) = 8.8 %."""
    found = chances(CASE, assumed(CASE, 16, champion=0.53), GATE, rng, draws=40).interval
    assert found == Interval(0.0, 0.0, pytest.approx(1 - 0.025 ** (1 / 40)))


def test_a_search_stops_drawing_where_it_cannot_succeed_any_more(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A champion at .53 leaves no power, so no draw passes: of 100 for each size, the 21st rules
    out that 80 do, in the first block of 25."""
    made: list[tuple[int, int]] = []

    def watched(case: Case, rng: np.random.Generator, draws: int, doors: Sequence[str]) -> Drawn:
        made.append((case.examples, draws))
        return drawn(case, rng, draws, doors)

    monkeypatch.setattr(power, "drawn", watched)
    sizes = (200, 300, 500)
    needed = examples_needed(CASE, 16, GATE, rng, champion=0.53, sizes=sizes, draws=100)
    assert needed is None
    assert made == [(300, 25), (500, 25)]


def test_too_few_shadows_decide_nothing(rng: np.random.Generator) -> None:
    """Seven are below the smallest bank of eight."""
    assert chances(CASE, assumed(CASE, 7), GATE, rng, draws=20).passed == 0


def test_one_person_is_decidable_by_models_if_there_are_pictures_enough(
    rng: np.random.Generator,
) -> None:
    """The mean of n scores of deviation .6 against half of what is remembered, .33: with 2 pictures
    nothing, with 12 sometimes, with 60 almost always."""
    cases = [case(examples=n, subjects=1) for n in (2, 12, 60)]
    passed = [chances(c, assumed(c, 32), GATE, rng, draws=400).passed for c in cases]
    assert passed[0] < 0.1 < passed[1] < 0.8 < passed[2]
    remembers = chances(cases[2], assumed(cases[2], 32), GATE, rng, auc=0.68, draws=400)
    assert remembers.passed == 0  # .65 deviations


def test_pictures_that_repeat_one_another_say_less_of_one_person(rng: np.random.Generator) -> None:
    cases = [case(examples=60, subjects=1, likeness=x) for x in (0.0, 0.5)]
    passed = [chances(c, assumed(c, 32), GATE, rng, draws=200).passed for c in cases]
    assert passed[1] < passed[0] - 0.3


def test_examples_that_repeat_one_another_decide_less(rng: np.random.Generator) -> None:
    """Twenty-five people of twelve: what they have in common counts only twenty-five times."""
    people = {"subjects": 25, "holdout_subjects": 34}
    passed = [
        chances(case(**people, likeness=x), assumed(CASE, 16), GATE, rng, draws=60).passed
        for x in (0.0, 0.5)
    ]
    assert passed[1] < passed[0] - 0.3


def test_a_champion_that_looks_unseen_leaves_no_power(rng: np.random.Generator) -> None:
    known = assumed(CASE, 16, champion=0.53)
    assert chances(CASE, known, GATE, rng, draws=20).passed == 0


def test_what_would_be_needed_is_found_from_the_case_upwards(rng: np.random.Generator) -> None:
    """At 100 examples of 400 a perfect retrain seldom passes; a few hundred suffice. Where eight
    shadows are asked for and six are there, nothing suffices."""
    small = case(examples=100, subjects=100)
    needed = examples_needed(small, 16, GATE, rng, draws=80)
    assert needed in (150, 200, 300)
    assert examples_needed(small, 6, GATE, rng, sizes=(100, 1000), draws=20) is None


def test_no_number_of_examples_makes_up_for_a_holdout_that_is_too_small(
    rng: np.random.Generator,
) -> None:
    """The loosest limit asks for 250 holdout examples; one more than 249 makes it possible."""
    short = case(holdout=249, holdout_subjects=249)
    assert examples_needed(short, 16, GATE, rng, draws=40) is None
    longer = case(holdout=250, holdout_subjects=250)
    assert examples_needed(longer, 16, GATE, rng, draws=40) is not None


# Parts that are judged by themselves

PARTED = case(examples=600, subjects=600, holdout=800, holdout_subjects=800)
TWO = dataclasses.replace(PARTED, parts=((400, 500), (200, 300)))


@pytest.mark.parametrize("people", [60, 7])
def test_each_part_is_measured_as_real_scores_are(people: int, rng: np.random.Generator) -> None:
    few = Case(examples=60, subjects=people, holdout=90, holdout_subjects=31, likeness=0.5)
    few = dataclasses.replace(few, parts=((40, 50), (20, 40)))
    scores = drawn(few, rng, 8, ("refitted",))
    codes, others = np.arange(60) % people, np.arange(90) % 31
    for row, found in enumerate(measured(few, scores, auc=0.5)):
        for name, at in (("", scores), ("/refitted", scores.doors["refitted"])):
            forget, holdout = at.forget[row, 40:], at.holdout[row, 50:]
            wanted = auc_interval(forget, holdout, codes[40:], others[50:])
            part = found[f"part/1{name}"]
            assert part.n == 20
            assert (part.value, part.low, part.high) == pytest.approx(dataclasses.astuple(wanted))


def test_what_goes_in_parts_is_decided_less_often_and_not_never(rng: np.random.Generator) -> None:
    """Each part has a share of the error and fewer examples; none is left unmeasured, also of
    classes that go whole, by which judging counts too."""
    gone = toys.measurement("forgotten_classes", 2)
    known = assumed(TWO, 32, champion=0.8) | {gone.name: gone}
    parted = chances(TWO, known, GATE, rng, draws=100).passed
    whole = chances(PARTED, assumed(PARTED, 32, champion=0.8), GATE, rng, draws=100).passed
    assert 0.3 < parted < whole


def test_a_part_too_small_for_any_limit_is_never_decided(rng: np.random.Generator) -> None:
    small = dataclasses.replace(PARTED, parts=((560, 500), (40, 300)))
    found = chances(small, assumed(small, 32, champion=0.8), GATE, rng, draws=50)
    assert found.passed == 0 and found.inconclusive > 0.8


def test_a_larger_case_has_parts_of_the_same_shares() -> None:
    larger = dataclasses.replace(TWO, parts=((333, 500), (267, 300))).of_size(1000)
    assert larger.parts == ((555, 500), (445, 300)) and larger.subjects == 1000


def test_parts_are_counted_where_there_are_several() -> None:
    labels = np.array([0, 0, 1, 2, 0, 1, 1])
    groups = np.repeat([Group.FORGET, Group.HOLDOUT], [4, 3])
    out = toys.outputs(np.zeros((7, 3)), labels, list(groups))
    assert case_of(out, parts=[np.array([0]), np.array([1, 2])]).parts == ((2, 1), (2, 2))
    assert case_of(out, parts=[np.array([0, 1, 2])]).parts == ()
