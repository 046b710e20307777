"""The one training loop and the one inference pass."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.unit import toys
from unlearning import networks
from unlearning.domain import Group
from unlearning.errors import Diverged, UsageError
from unlearning.outputs import accuracy, logits_of, outputs_of
from unlearning.training.loop import Training, augment, batches, learning_rate_factor, train


def test_training_learns_stripes() -> None:
    network = toys.trained()
    test = toys.split().test
    assert accuracy(logits_of(network, test), test.labels) > 0.9


def test_progress_reports_every_epoch_with_its_loss() -> None:
    seen: list[tuple[int, int, float]] = []
    rng = toys.generator()
    part = toys.examples(32)
    train(networks.build(toys.RECIPE, rng), part, toys.TRAINING, rng, lambda *at: seen.append(at))
    assert [(done, total) for done, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert seen[-1][2] < seen[0][2]


def test_training_stops_at_the_first_number_that_is_not_finite() -> None:
    rng = toys.generator()
    wild = replace(toys.TRAINING, learning_rate=1e12)
    with pytest.raises(Diverged, match="lower the learning rate"):
        train(networks.build(toys.RECIPE, rng), toys.examples(32), wild, rng)


@pytest.mark.parametrize(
    ("n", "size"), [(65, 16), (66, 16), (64, 16), (15, 16), (8578, 128), (9, 4)]
)
def test_no_batch_is_a_rest(n: int, size: int) -> None:
    """66 examples in batches of 16 would leave two over, which batch norm must not learn from."""
    cut = batches(n, size, toys.generator())
    counts = [len(part) for part in cut]
    assert max(counts) - min(counts) <= 1 and max(counts) <= size
    assert len(cut) == -(-n // size)
    assert sorted(torch.cat(cut).tolist()) == list(range(n))


@pytest.mark.parametrize(("n", "counts"), [(3, [3]), (5, [3, 2]), (1, [1])])
def test_no_batch_has_a_single_example_where_there_are_more(n: int, counts: list[int]) -> None:
    assert [len(part) for part in batches(n, 2, toys.generator())] == counts


def test_schedules_by_hand() -> None:
    """Cosine over 10 steps: 1 at the start, 1/2 half way. One-cycle rises for the first fifth."""
    assert learning_rate_factor(0, 10, schedule="cosine") == pytest.approx(1)
    assert learning_rate_factor(5, 10, schedule="cosine") == pytest.approx(0.5)
    assert learning_rate_factor(0, 10, schedule="one_cycle") == pytest.approx(1 / 3)
    assert learning_rate_factor(2, 10, schedule="one_cycle") == pytest.approx(1)
    assert learning_rate_factor(7, 10, schedule="constant") == 1


def test_augmentation_shifts_every_image_by_itself() -> None:
    """A single bright pixel in the middle stays one pixel, at most an eighth of the size away."""
    images = torch.zeros(200, 1, 16, 16, dtype=torch.uint8)
    images[:, 0, 8, 8] = 255
    shifted = augment(images, "crop", toys.generator())
    assert shifted.shape == images.shape
    places = (shifted[:, 0] == 255).nonzero()
    assert len(places) == 200
    moves = {tuple(place) for place in (places[:, 1:] - 8).tolist()}
    assert moves == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


def test_half_of_the_images_are_flipped() -> None:
    """200 draws: the share of flips is within 4 standard errors (.14) of a half."""
    ramp = torch.arange(16, dtype=torch.uint8).repeat(200, 1, 16, 1)
    out = augment(ramp, "crop_flip", toys.generator())[:, 0, 8]
    flipped = (out[:, 6] > out[:, 9]).float().mean()
    assert abs(float(flipped) - 0.5) < 0.15


def test_words_that_training_does_not_know_are_refused() -> None:
    with pytest.raises(UsageError, match=r"training\.schedule: got 'linear', expected one of"):
        Training(schedule="linear")
    with pytest.raises(UsageError, match="at least 1 epoch"):
        Training(epochs=0)


def test_outputs_lie_group_after_group_and_subjects_are_codes() -> None:
    network, split = toys.trained(), toys.split()
    out = outputs_of(network, split)
    sizes = [int(out.of(group).sum()) for group in Group]
    assert sizes == [12, 48, 24, 24]
    np.testing.assert_array_equal(out.labels[:12], split.forget.labels)
    assert out.subjects.dtype.kind == "i"
    assert len(np.unique(out.subjects)) == len(
        np.unique(
            np.concatenate(
                [
                    split.forget.subjects,
                    split.retain.subjects,
                    split.holdout.subjects,
                    split.test.subjects,
                ]
            )
        )
    )


def test_inference_does_not_depend_on_the_batch_size() -> None:
    network, part = toys.trained(), toys.examples(30)
    np.testing.assert_allclose(
        logits_of(network, part, batch_size=7), logits_of(network, part), rtol=1e-5, atol=1e-5
    )


def test_settings_that_came_later_leave_old_names_as_they_were() -> None:
    """What was trained before there were these settings is found again under the same digest."""
    record = Training().as_record()
    assert "label_smoothing" not in record and "decays" not in record
    assert Training(label_smoothing=0.1).as_record()["label_smoothing"] == 0.1
    assert Training(decays="weights").as_record()["decays"] == "weights"
    later = {"label_smoothing", "decays", "layer_decay", "warmup", "lipschitz"}
    assert set(record) == {f.name for f in fields(Training)} - later


def test_smoothed_labels_keep_a_network_from_being_sure() -> None:
    """Cross-entropy with labels smoothed by s is least where 1 - s + s / classes is answered."""
    part, sure = toys.examples(64), []
    for share in (0.0, 0.4):
        settings = replace(toys.TRAINING, epochs=30, label_smoothing=share)
        network = train(
            networks.build(toys.RECIPE, toys.generator()), part, settings, toys.generator()
        )
        answers = torch.softmax(torch.from_numpy(logits_of(network, part)), 1)
        sure.append(float(answers.max(1).values.mean()))
    assert sure[0] > 0.9 > sure[1]
