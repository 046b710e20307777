"""Judging what is drawn: which class goes whole, what may be shown, what a judge knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.unit.unlearning.generation import small
from unlearning.domain import Examples, Outcome, Split
from unlearning.errors import UsageError
from unlearning.gates.generated import Concept, GeneratedUtility
from unlearning.generation import generators
from unlearning.generation.comparing import compared
from unlearning.generation.judge import NOTHING, with_none
from unlearning.generation.measures import Bench
from unlearning.generation.recovery import Recovery
from unlearning.generation.sampling import Sampler, as_one
from unlearning.judging.drawing import SHOWN, measured_by, one_class, shown, working
from unlearning.judging.trial import exactly
from unlearning.judging.verdicts import judge

FEW = Sampler(steps=2)


class Sure(nn.Module):
    """Takes every picture for one answer."""

    def __init__(self, answer: int) -> None:
        super().__init__()
        self.answer = answer
        self.last = nn.Linear(2, 4)

    def forward(self, pixels: Tensor) -> Tensor:
        found = 0 * self.last(pixels.float().flatten(1)[:, :2])
        found[:, self.answer] += 9
        return found


def split(forgets: np.ndarray) -> Split:
    every = small.examples()
    none = every.take(np.zeros(0, dtype=int))
    return Split(every.take(forgets), every.take(~forgets), none, none, 3)


def bench(answer: int, label: int | None = small.FORGOTTEN) -> Bench:
    real = small.sets().retain
    return Bench(judge=Sure(answer), real=real, label=label, classes=3, sampler=FEW, each=2)


def test_one_class_goes_whole_or_none_does() -> None:
    labels = small.examples().labels
    assert one_class(split(labels == 1)) == 1
    assert one_class(split(labels != 1)) is None  # two of them
    assert one_class(split((labels == 1) & (np.arange(len(labels)) > 3))) is None  # some stay


def test_a_picture_that_shows_a_class_is_left_white() -> None:
    """The judge's last answer is none of the classes: such a picture is no copy of any."""
    network = small.generator()
    assert shown(network, bench(small.FORGOTTEN)).min() == 255
    seen = shown(network, bench(3))
    assert seen.shape == (SHOWN, 1, 4, 4) and seen.min() < 255


def test_several_draws_are_told_as_one_that_ends() -> None:
    """Of a class 250 pictures are two batches of 2 steps, of two others 4 pictures one batch."""
    of, seen = replace(bench(0), pictures=250), []
    of.measured(small.generator(), lambda *done: seen.append(done))
    assert seen == [(n, 6) for n in range(1, 7)]
    with pytest.raises(ZeroDivisionError), as_one(lambda *done: seen.append(done), 6) as one:
        one(1, 2)
        raise ZeroDivisionError
    assert seen[6:] == [(1, 6), (6, 6)]


def test_every_attack_is_told() -> None:
    """Retain alone, a few pictures, a label row, one guidance: 2 steps of drawing each."""
    few = Recovery(tuning_steps=1, shots=2, shot_steps=(1,), guidances=(1.0,), row_steps=1)
    seen: list[tuple[int, int]] = []
    tell = lambda *done: seen.append(done)  # noqa: E731
    few.recovered(small.generator(), small.sets(), bench(0), told=tell)
    assert seen == [(n, 8) for n in range(1, 9)]


def test_where_no_class_goes_none_is_drawn() -> None:
    with pytest.raises(UsageError, match="no class"):
        bench(0, None).of_class(small.generator())
    found = bench(0, None).measured(small.generator())
    assert set(found.measured) == {"RA", "FD"} and not found.histogram.sum()


def test_weights_that_are_no_numbers_do_not_work() -> None:
    broken = small.generator()
    with torch.no_grad():
        next(broken.parameters())[0] = float("nan")
    for network, finite in ((small.generator(), 1.0), (broken, 0.0)):
        found = {m.name: m.value for m in working(network, bench(0))}
        assert found["finite_outputs"] == finite and found["answered_classes"] == 1


def test_who_draws_no_numbers_of_the_class_has_not_forgotten_it() -> None:
    """Nothing is measured of it, so that no gate passes; the sheet shows nothing of it."""
    network, none = small.overflowing(), measured_by(bench(3), small.overflowing())
    models = [bench(3).measured(small.generator(seed)) for seed in (1, 2, 3)]
    found = compared(none, bench(3).measured(small.generator()), models)
    found["forgotten_classes"] = exactly("forgotten_classes", 1.0, 5)
    verdicts = judge(found, [Concept(), GeneratedUtility()])
    assert {verdict.outcome for verdict in verdicts} == {Outcome.INCONCLUSIVE}
    assert shown(network, bench(3)).min() == 255
    other = {m.name: m.value for m in working(small.overflowing(0), bench(0))}
    assert other["finite_outputs"] == 0.0


def test_what_shows_nothing_is_half_as_much_and_no_class_of_the_data() -> None:
    real = small.examples(60)
    every = with_none(real, 3)
    none = every.labels == 3
    assert none.sum() == 60 // (2 * len(NOTHING)) * len(NOTHING)
    assert np.array_equal(np.asarray(every.images)[~none], real.images)
    again = with_none(real, 3)
    assert np.array_equal(np.asarray(again.images), np.asarray(every.images))
    wide = Examples(np.zeros((20, 3, 9, 9), np.uint8), np.arange(20) % 2, *(real.ids[:20],) * 2)
    assert np.asarray(with_none(wide, 2).images).shape[1:] == (3, 9, 9)


def test_a_generator_is_what_its_file_says(tmp_path: Path) -> None:
    generators.save(small.generator(), tmp_path / "one.safetensors")
    assert generators.load(tmp_path / "one.safetensors").recipe == small.RECIPE
