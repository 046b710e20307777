"""Presets: what an entry must be, which one a comparison takes, how the search adds one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import presets
from benchmarks.presets import Preset, add, choose, load
from benchmarks.tune import study as tuning
from benchmarks.tune.study import Result, Study
from systems.compute.studies import Limits
from tests.unit import toys
from unlearning import networks
from unlearning.domain import Examples
from unlearning.errors import AttemptFailed, UnknownName, UsageError
from unlearning.methods import METHODS
from unlearning.methods.retrain import Retrain
from unlearning.training.loop import silent

PUBLISHED = Preset(
    name="finetune",
    method="finetune",
    settings={"learning_rate": 0.01},
    source="published",
    found="a paper",
)
TUNED = replace(
    PUBLISHED,
    network="resnet20",
    data="cifar10",
    task="random",
    settings={"learning_rate": 0.00002},
    source="tuned",
    found="a search of 8",
    command="lethe tune",
    result={"FA_gap": 0.01},
)
HERE = {"network": "resnet20", "data": "cifar10"}


def test_ours_are_valid_and_every_method_has_one() -> None:
    """But for those that need a workspace of their own kind, and have a study of their own."""
    elsewhere = {"head_downdate", "warm_retrain"}
    assert {preset.method for preset in load()} == {*METHODS} - elsewhere


def test_what_is_tuned_stands_beside_what_is_published() -> None:
    rows = [p.row for p in choose([PUBLISHED, TUNED], **HERE, task="random")]
    assert rows == ["finetune", "finetune, tuned"]
    assert choose([PUBLISHED, TUNED], **HERE, task="class") == [PUBLISHED]
    assert choose([PUBLISHED, TUNED], **HERE, task="random", sources=["tuned"]) == [TUNED]
    assert choose([TUNED], network="resnet18", data="cifar10", task="random") == []


def test_retraining_is_there_whichever_sources_are_asked_for() -> None:
    whole = replace(PUBLISHED, name="retrain", method="retrain", settings={})
    assert choose([whole, PUBLISHED], **HERE, task="random", sources=["tuned"]) == [whole]


def test_the_most_particular_of_one_row_is_taken() -> None:
    """Two `any` against three; the order in the file does not matter."""
    nearer = replace(PUBLISHED, task="class", settings={"learning_rate": 0.04})
    for both in ([PUBLISHED, nearer], [nearer, PUBLISHED]):
        assert choose(both, **HERE, task="class") == [nearer]
        assert choose(both, **HERE, task="random") == [PUBLISHED]


def test_a_setting_that_the_method_lacks_or_refuses_is_refused() -> None:
    with pytest.raises(UsageError, match="has no setting 'speed'"):
        replace(PUBLISHED, settings={"speed": 1})
    with pytest.raises(UsageError, match="augmentation"):
        replace(PUBLISHED, settings={"augmentation": "mirror"})
    with pytest.raises(UsageError, match=r"access is \['retain', 'test'\], expected some of"):
        replace(PUBLISHED, access=["retain", "test"])
    with pytest.raises(UnknownName, match="'pray' is unknown"):
        replace(PUBLISHED, method="pray")
    with pytest.raises(UsageError, match="source is 'heard', expected one of"):
        replace(PUBLISHED, source="heard")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: finetune", "got dict, expected a list"),
        ("- finetune", "got 'finetune' in a preset"),
        ("- {name: a, method: finetune, source: tuned, found: b, lr: 1}", r"got \['lr'\]"),
        ("- {name: a, method: finetune, source: tuned}", "'a': .*missing.*found"),
        ("- &a {name: a, method: finetune, source: tuned, found: b}\n- *a", "stands there twice"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        load(path)


@pytest.mark.parametrize("preset", [p for p in load() if p.access], ids=lambda p: p.name)
def test_what_a_preset_does_not_own_up_to_is_not_read(preset: Preset) -> None:
    original, split = networks.build(toys.RECIPE, toys.generator()), toys.split()
    hidden = {"forget", "retain", "holdout", "test"} - set(preset.reads)
    other = replace(split, **{part: _spoiled(getattr(split, part)) for part in hidden})
    short = replace(preset, settings={**preset.settings, "epochs": 1})
    plain, blind = (
        short.create(toys.TRAINING).unlearn(original, parts, toys.generator(), silent)
        for parts in (split, other)
    )
    for one, another in zip(plain.parameters(), blind.parameters(), strict=True):
        assert torch.equal(one, another)


def _spoiled(part: Examples) -> Examples:
    return replace(part, images=255 - part.images)


def test_only_what_trains_from_scratch_gets_the_originals_training() -> None:
    whole = replace(PUBLISHED, name="retrain", method="retrain", settings={})
    assert whole.create(toys.TRAINING) == Retrain(training=toys.TRAINING)
    assert PUBLISHED.create(toys.TRAINING) == METHODS.create("finetune", {"learning_rate": 0.01})


def test_a_preset_is_added_once_and_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("# What is kept here.\n")
    for preset in (PUBLISHED, replace(TUNED, found="a first search"), TUNED):
        add(preset, path)
    assert load(path) == [PUBLISHED, TUNED]
    assert path.read_text().startswith("# What is kept here.\n- name: finetune\n")
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_where_the_loader_looks() -> None:
    assert presets.PRESETS.name == "presets.yaml"
    assert presets.PRESETS.is_file()


FOUND = {"settings": {"learning_rate": 0.2, "weight_decay": 1e-3, "epochs": 3}, "cost": 0.1}
STUDY = Study("digits", "random", "finetune", Limits(3, 1.0), 0, Path(), Path())


def test_what_a_search_found_becomes_a_preset_that_can_be_read_again(tmp_path: Path) -> None:
    chosen = {**FOUND, "objective": 0.4, "worst": "door/relearned"}
    file = tmp_path / "presets.yaml"
    file.write_text("")
    add(tuning.preset(STUDY, Result([{**FOUND, "objective": None}, chosen], chosen, 2.5)), file)
    (read,) = load(file)
    assert (read.settings, read.network) == (FOUND["settings"], "conv-small")
    assert read.result["objective"] == 0.4 and read.result["untouched"] == 2.5


def test_a_search_that_found_nothing_nearer_than_doing_nothing_is_no_preset() -> None:
    with pytest.raises(AttemptFailed, match="none of 1 trials is nearer to passing"):
        tuning.preset(STUDY, Result([{**FOUND, "objective": None}], None, 2.5))
