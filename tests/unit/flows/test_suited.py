"""What `init` takes for larger pictures where nobody chose."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow as pa

from flows.cli.work import asking
from flows.cli.work.asked.suited import AFFORDED, NETWORK, largest, suited, told
from systems.settings.params import changed, parse_params
from systems.settings.workspace import TEMPLATES


def test_small_pictures_keep_what_the_template_has() -> None:
    assert suited(8, 1, 1_000, {}) == {}
    assert told({}) == ()


def test_larger_ones_get_a_network_and_a_training_that_params_take() -> None:
    settings = suited(32, 3, 10_000, {})
    content = changed((TEMPLATES / "params.yaml").read_bytes(), settings)
    params = parse_params(content)
    assert params.network == NETWORK
    assert params.training.epochs == 6
    assert params.training.augmentation == "crop_flip"
    assert params.training.decays == "weights"
    assert "conv-whitened" in told(settings)[0]


def test_fewer_examples_are_passed_more_often_and_grey_ones_are_not_mirrored() -> None:
    """A letter that is mirrored is another letter."""
    few = suited(32, 1, 3_000, {})
    assert few["training.epochs"] == 12
    assert few["training.augmentation"] == "crop"
    assert suited(32, 3, 100, {})["training.epochs"] == 30


def test_what_somebody_chose_stays() -> None:
    assert suited(32, 3, 10_000, {"network": "resnet20"}) == {}
    found = suited(32, 3, 10_000, {"training.epochs": 3})
    assert "training.epochs" not in found and found["network"] == NETWORK


def test_training_examples_count_not_strangers_and_tests() -> None:
    """3,000 of 6,000 rows are trained on: as many passes as 3,000 take, not 6,000."""
    splits = pa.table({"split": ["train"] * 3_000 + ["holdout"] * 1_500 + ["test"] * 1_500})
    offered = SimpleNamespace(dataset=SimpleNamespace(size=32, channels=1), table=splits)
    asked = SimpleNamespace(files=SimpleNamespace(weights=None, backbone=None), changes={})
    assert asking._suiting(offered, asked) == suited(32, 1, 3_000, {})  # type: ignore[arg-type]


def test_settings_that_were_there_stay_and_it_is_said_what_would_suit() -> None:
    splits = pa.table({"split": ["train"] * 3_000})
    offered = SimpleNamespace(dataset=SimpleNamespace(size=32, channels=3), table=splits)
    asked = SimpleNamespace(files=SimpleNamespace(weights=None, backbone=None), changes={})
    usual = parse_params((TEMPLATES / "params.yaml").read_bytes()).network
    (line,) = asking._left_as_it_is(offered, asked, usual)  # type: ignore[arg-type]
    assert f"network {NETWORK}" in line and "training.epochs 12" in line and "remove" in line
    assert asking._left_as_it_is(offered, asked, "resnet20") == ()  # type: ignore[arg-type]
    offered.dataset.size = 8
    assert asking._left_as_it_is(offered, asked, usual) == ()  # type: ignore[arg-type]


def test_photographs_keep_as_many_pixels_as_let_a_model_and_its_bank_be_made_soon() -> None:
    """600 photographs, 360 to train on: 30 epochs, and 32 shadows on half: 183,600 passes."""
    assert largest(360, 32, {}) == 48
    assert 183_600 * 48**2 <= AFFORDED < 183_600 * 64**2
    assert largest(20, 32, {}) == 128 and largest(50_000, 32, {}) == 32
    assert largest(360, 32, {"training.epochs": 3}) == 128 and largest(360, 4, {}) == 96
