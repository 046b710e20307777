"""The style benchmark: what it reads off a network, and what it makes of several seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.style import study, trials
from benchmarks.style.trials import COLUMNS, FORGOTTEN, LAYER, RECIPE, Styled
from tests.unit import toys
from unlearning import networks
from unlearning.domain import Examples
from unlearning.features import features_of
from unlearning.outputs import logits_of


def images(n: int, *, grey: bool = False) -> Examples:
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, 28, 28)).astype(np.uint8)
    if grey:
        pixels[:] = pixels[:, :1]
    ids = np.arange(n).astype(np.str_)
    return Examples(pixels, np.arange(n) % 10, ids, ids)


@pytest.fixture
def network() -> networks.Classifier:
    return networks.build(RECIPE, toys.generator()).eval()


def test_settings_are_chosen_on_a_style_that_no_seed_forgets() -> None:
    assert len(set(FORGOTTEN)) == len(FORGOTTEN) == 4


def test_one_pass_gives_what_probes_read_at_three_depths(network: networks.Classifier) -> None:
    some = images(12)
    early, late, outputs = trials.depths(network, some)
    assert early.shape == (12, 64) and late.shape == (12, 1024) and outputs.shape == (12, 10)
    channels = features_of(network, some, LAYER).reshape(12, 64, -1).mean(2)
    np.testing.assert_allclose(early, channels, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(late, features_of(network, some), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs, logits_of(network, some), rtol=1e-4, atol=1e-5)


def test_a_forget_set_that_is_grey_already_has_no_distance(
    network: networks.Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One grey image is its own neutral; of a coloured one the neutral is another."""
    found = []
    for grey in (True, False):
        both = Styled(images(2, grey=grey), np.array([FORGOTTEN[0], "other"]))
        monkeypatch.setattr(trials, "training_data", lambda both=both: both)
        monkeypatch.setattr(trials, "test_data", lambda both=both: both)
        assert list(study.split_of(0).forget.ids) == ["0"]
        found.append(study.distance(network, network, 0))
    assert found[0] == pytest.approx(0, abs=1e-9) and found[1] > 1e-3


def rows(**probes: float) -> dict[str, dict[str, float]]:
    plain = dict.fromkeys((*COLUMNS, "style distance"), 0.5)
    return {name: plain | {"probe": value} for name, value in probes.items()}


def test_a_row_is_over_the_seeds_in_which_it_did_not_diverge() -> None:
    """.9 and .7: mean .8, deviation .1 sqrt 2; less the retrained .6 and .8: .3 and -.1."""
    found = study.summary(
        [
            rows(retrained=0.6, famr=0.9, once=0.9),
            rows(retrained=0.8, famr=0.7),
            rows(retrained=0.7),
        ]
    )
    lines = {line["row"]: line for line in found}
    assert (lines["retrained"]["n"], lines["famr"]["n"]) == (3, 2)
    assert (lines["famr"]["probe"]["mean"], lines["famr"]["probe"]["sd"]) == (0.8, 0.1414)
    assert lines["famr"]["probe - retrained"]["mean"] == 0.1
    assert lines["once"] == {"row": "once", "n": 1}


def test_what_diverged_is_never_chosen_and_says_no_number() -> None:
    gone = study.Tried("famr", study.STYLE, {}, np.inf)
    near = study.Tried("famr", replace(study.STYLE, style_weight=9.0), {"probe": 0.61234}, 0.2)
    assert min([gone, near], key=lambda trial: trial.gap) is near
    assert gone.line()["gap"] is None and near.line()["probe"] == 0.6123
    assert near.line()["settings"]["style_weight"] == 9.0
