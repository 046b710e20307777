"""The U-LiRA benchmark: who saw and forgets what, and that its rows are what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import samples
from benchmarks.presets import Preset
from benchmarks.ulira import study
from benchmarks.ulira.models import Design, Drawn, Lab, drawn
from benchmarks.ulira.rows import laid_out, of_gate, sides_of
from unlearning.domain import Group, Measurement
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.loop import Training

DESIGN = Design(models=8, base=4, pool=8)
TRAINING = Training(epochs=1, batch_size=64, learning_rate=0.1, precision="fp32")


@pytest.fixture(scope="module")
def setting() -> samples.Setting:
    return samples.digits()


@pytest.fixture(scope="module")
def who(setting: samples.Setting) -> Drawn:
    return drawn(DESIGN, setting)


def test_every_model_sees_the_base_and_half_of_the_pool(
    who: Drawn, setting: samples.Setting
) -> None:
    """12 examples a subject: the base is 48, the pool 96, of which 48 are seen; pairs see all."""
    assert who.pool.sum() == 96
    assert (who.seen[:, who.pool].sum(1) == 48).all()
    assert (who.seen[:, ~who.pool].sum(1) == 48).all()
    assert (who.seen[0::2] ^ who.seen[1::2])[:, who.pool].all()
    assert not np.isin(setting.train.subjects[who.pool], setting.holdout.subjects).any()


def test_a_model_unlearns_what_it_saw_of_the_pool_in_two_halves(who: Drawn) -> None:
    """24 examples each time, whole subjects, nothing twice."""
    assert (who.forgets.sum(2) == 24).all()
    assert (who.forgets.any(1) == who.seen & who.pool).all()
    assert not who.forgets.all(1).any()


def test_an_example_is_unlearned_in_a_quarter_of_the_runs_and_unseen_in_a_half(who: Drawn) -> None:
    """Of 16 runs 4 and 8, whichever example; of each pair of models, 1 and 2 of their four runs."""
    assert (who.unlearned.sum(0) == 4).all()
    assert (who.never.sum(0) == 8).all()
    assert not (who.unlearned & who.never).any()
    for pair in range(4):
        assert (who.unlearned[who.group == pair].sum(0) == 1).all()
        assert (who.never[who.group == pair].sum(0) == 2).all()


def test_fewer_models_are_the_first_of_more(who: Drawn, setting: samples.Setting) -> None:
    more = drawn(Design(models=12, base=4, pool=8), setting)
    assert (more.seen[:8] == who.seen).all()
    assert (more.forgets[:8] == who.forgets).all()


def test_a_design_that_cannot_be_cut_is_refused(setting: samples.Setting) -> None:
    with pytest.raises(UsageError, match="multiple of 4"):
        Design(models=8, base=4, pool=6)
    with pytest.raises(UsageError, match="at most 91"):
        drawn(Design(models=8, base=90, pool=8), setting)


def test_answers_are_kept_and_a_run_sees_only_what_its_original_saw(
    setting: samples.Setting, tmp_path: Path
) -> None:
    """The second time nothing is trained: the files are the same, and so are the answers."""
    lab = Lab(setting, TRAINING, DESIGN, tmp_path)
    split = lab.split(3, 1)
    assert (len(split.forget), len(split.retain)) == (24, 72)
    first = lab.answers(None)
    assert first.shape == (16, 1797, 10)
    assert (first[0::2] == first[1::2]).all()  # two runs of one original that unlearns nothing
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(times) == 8 + 8
    assert (Lab(setting, TRAINING, DESIGN, tmp_path).answers(None) == first).all()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times


def test_each_half_is_a_run_of_its_own(setting: samples.Setting, tmp_path: Path) -> None:
    """Retraining on either half's rest gives other networks; sides are of the pool alone."""
    lab = Lab(setting, TRAINING, DESIGN, tmp_path)
    retrain = Preset(name="retrain", method="retrain", source="published", found="-")
    answers = lab.answers(retrain)
    assert not np.array_equal(answers[0], answers[1])
    assert sides_of(lab, answers).signals.shape == (16, 96)


def test_the_gate_compares_what_a_run_forgot_with_the_holdout_examples(
    who: Drawn, setting: samples.Setting, tmp_path: Path
) -> None:
    at, groups = laid_out(Lab(setting, TRAINING, DESIGN, tmp_path), who.seen[0], who.forgets[0, 0])
    counts = [int((groups == group).sum()) for group in Group]
    assert counts == [24, 72, 400, 297]
    assert (at[groups == Group.FORGET] == np.flatnonzero(who.forgets[0, 0])).all()
    assert at[groups == Group.HOLDOUT].min() == 1100


def test_the_two_runs_of_a_model_are_averaged_before_the_interval() -> None:
    """AUCs .5 and .6, .7 and .8: models' means .55 and .75, t(1) = 12.706 times .1."""
    gate = study.forgetting_gate()
    runs = [measured(auc) for auc in (0.5, 0.6, 0.7, 0.8)]
    found = of_gate(runs, gate)
    assert found["AUC"][0] == pytest.approx(0.65)
    assert found["AUC"][2] == pytest.approx(0.65 + 1.27062, abs=1e-4)
    assert found["said"] == {"PASSED": 1, "FAILED": 2, "INCONCLUSIVE": 1}


def measured(auc: float) -> dict[str, Measurement]:
    """Of 216 examples; the AUC's interval is -+ .04, so that .6 is doubtful and .7 beyond."""
    numbers = {
        "forget_auc": (auc, 0.04),
        "memorised_auc": (0.5, 0.04),
        "champion_auc": (0.9, 0.04),
        "null_auc": (0.5, 0.04),
        "holdout_examples": (400.0, 0.0),
        "forget_subjects": (18.0, 0.0),
        "holdout_learned": (0.0, 0.0),
        **{
            f"forget_tail_{side}@{f}": (f, 0.0)
            for side in ("high", "low")
            for f in (0.01, 0.02, 0.05)
        },
    }
    return {
        name: Measurement(name, value, value - reach, value + reach, 216)
        for name, (value, reach) in numbers.items()
    }


def test_every_row_has_a_method_and_retraining_is_the_control() -> None:
    found = study.rows()
    assert found["original"] is None
    presets = [preset for preset in found.values() if preset is not None]
    assert [p.method for p in presets if METHODS[p.method].exact] == ["retrain"]
    assert {p.method for p in presets} > {"finetune", "random_label", "sfr_on"}
