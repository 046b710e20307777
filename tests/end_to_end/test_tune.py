"""Settings are searched on people who asked for nothing, and nothing but the answer changes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from tests.end_to_end.commandline import Lethe, subjects
from tests.end_to_end.conftest import MakeLethe
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import people_of

USAGE, INCONCLUSIVE = 2, 11
TUNE = ("tune", "--method", "random_label", "--examples", "60")


def test_tuning_gives_a_rung_and_leaves_model_policy_and_log_as_they_were(lethe: Lethe) -> None:
    before = lethe.champion(), (lethe.root / "policy.yaml").read_bytes(), lethe.entries()
    found = lethe(*TUNE, "--trials", "3").json
    assert before == (
        lethe.champion(),
        (lethe.root / "policy.yaml").read_bytes(),
        lethe.entries(),
    )
    assert len(found["trials"]) == 3 and 60 <= found["forgotten"] < 90
    assert found["objective"] == min(trial["objective"] for trial in found["trials"])
    assert found["objective"] < found["untouched_objective"]
    assert yaml.safe_load(found["policy_rung"]) == [
        {"method": "random_label", "settings": found["settings"]}
    ]
    again = lethe(*TUNE, "--trials", "3").json
    assert again == found  # the same seconds too: nothing was tried a second time
    longer = lethe(*TUNE, "--trials", "4").json
    assert longer["trials"][:3] == found["trials"] and len(longer["trials"]) == 4


def test_who_does_nothing_is_no_rung(lethe: Lethe) -> None:
    """Gradient ascent at its published rate leaves a network of digits as it was."""
    found = lethe("tune", "--method", "gradient_ascent", "--trials", "1", code=INCONCLUSIVE).json
    assert [trial["effect"] for trial in found["trials"]] == ["no effect"]
    assert found["policy_rung"] is None and "none of 1 trials is nearer" in found["outcome"]


@pytest.mark.long
def test_the_rung_that_was_found_can_be_tried(lethe: Lethe) -> None:
    found = lethe(*TUNE, "--trials", "3").json
    request = lethe.submit(*subjects(people_of(lethe.root, "train", 1)))
    ladder = [*yaml.safe_load(found["policy_rung"]), {"method": "retrain"}]
    answer = lethe.forget(request, policy={**CHEAP, "ladder": ladder}, code=None).json
    assert answer["attempts"][0]["settings"]["epochs"] == found["settings"]["epochs"]
    assert answer["attempts"][0]["effect"]["kind"] not in ("failed", "collapsed")


def test_who_asked_is_trained_on_no_more(lethe: Lethe) -> None:
    """With all people but three in an open request, only those three are left to rehearse on; the
    request's people are in neither the forgotten nor the kept part."""
    people = people_of(lethe.root, "train", 10_000)
    lethe.submit(*subjects(people[:-3]))
    found = lethe(*TUNE, "--trials", "1", code=None)
    assert found.code == USAGE and "expected some of each" in found.err
    few = lethe("tune", "--method", "finetune", "--examples", "1", "--trials", "1", code=None).json
    assert few["forgotten"] < 40


@pytest.mark.long
def test_a_cheaper_training_is_found_and_can_be_adopted(lethe: Lethe) -> None:
    """A tenth of the labels is wrong: what learns them by heart is dearer, and no better."""
    params = lethe.root / "params.yaml"
    own = yaml.safe_load(params.read_text())
    own["training"]["epochs"] = 24
    params.write_text(yaml.safe_dump(own))
    found = lethe("tune", "--method", "retrain", "--trials", "5").json
    assert yaml.safe_load(params.read_text()) == own
    assert found["own"] == {name: own["training"][name] for name in found["own"]}
    held = found["held"]
    assert held["cost"] < 1 and held["accuracy"][1] >= held["accuracy"][0]
    assert found["settings"]["epochs"] < own["training"]["epochs"]
    own["training"] |= yaml.safe_load(found["params"])["training"]
    cheaper = lethe.temporary / "cheaper.yaml"
    cheaper.write_text(yaml.safe_dump(own))
    lethe("params", "--adopt", str(cheaper), "--reason", "half the passes do as well")
    assert yaml.safe_load(params.read_text())["training"] == own["training"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--method", "retrain", "--class", "3"], "forgets nobody"),
        (["--method", "nothing"], "no settings to search"),
        (["--method", "finetune", "--class", "3", "--examples", "5"], "expected one of them"),
        (["--method", "finetune", "--class", "cat"], "--class: got 'cat'"),
        (["--method", "finetune", "--trials", "0"], "at least 1"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_one_line(
    make_lethe: MakeLethe, words: list[str], complaint: str
) -> None:
    lethe = make_lethe("refused")
    answer = lethe("tune", *words, code=USAGE)
    assert complaint in answer.err and len(answer.err.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def styled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 digits of 100 people in three styles; those 30 of style `copied` are, but for a pixel,
    images of the style `plain` that other people have."""
    digits = load_digits()
    rows = np.concatenate([np.arange(570), np.arange(30)])
    images = np.rint(digits.images[rows] * (255 / 16)).astype(np.uint8)
    images[570:, 0, 0] += 3
    styles = ["plain"] * 300 + ["bold"] * 270 + ["copied"] * 30
    table = {
        "image": [_png(image) for image in images],
        "label": digits.target[rows].tolist(),
        "person": [f"p{i % 100}" if i < 570 else f"q{i % 10}" for i in range(600)],
        "style": styles,
    }
    path = tmp_path_factory.mktemp("styled") / "train.parquet"
    pq.write_table(pa.table(table), path)
    return path


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.long
def test_a_style_is_requested_by_its_column_and_the_plan_counts_its_copies(
    styled: Path, make_lethe: MakeLethe, tmp_path: Path
) -> None:
    template = make_lethe("styled")
    lethe = Lethe(tmp_path / "workspace", tmp_path / "tmp", template.context)
    lethe("init", "--data", str(styled), "--subject", "person", "--epochs", "1", "--shadows", "8")
    request = lethe.submit("--where", "style=copied")
    plan = lethe("plan", request)
    (_,) = (lethe.root / "records" / "sealed").glob("*.bin")  # it alone names the style
    asked = plan.json["examples"]
    assert sum(asked[part] for part in ("train", "holdout", "test")) == 30
    near = plan.json["near_duplicates"]
    assert near["threshold"] == 0.98
    # Of each copied training image the plain original stays, unless that fell into another split.
    assert 0 < near["count"] <= 3 * asked["train"]
    nothing = lethe("plan", lethe.submit("--where", "style=bold")).json["near_duplicates"]
    assert set(nothing) == {"count", "threshold"}
