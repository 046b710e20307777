"""The whole study of generators on few pictures in CIFAR-10's form, as on a machine with a GPU."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks import record, samples
from benchmarks.generation import grounds, sheets, study
from benchmarks.generation.grounds import Ground
from benchmarks.generation.makers import ORIGINAL, RETRAINED
from benchmarks.gpu.study import STEPS
from benchmarks.methods import full_cifar
from benchmarks.pages import generation as page
from unlearning.gates.generated import LEAST
from unlearning.generation import generators, latent, measures
from unlearning.generation.fitting import Fitting
from unlearning.generation.judge import judge_of
from unlearning.generation.recovery import Recovery
from unlearning.generation.sampling import Sampler, sampled
from unlearning.training.loop import Training

COUNTS = {"train": 40, "test": 20}
SHORT = Training(epochs=1, batch_size=16, precision="fp32")
FEW = Recovery(tuning_steps=1, shots=2, shot_steps=(1,), guidances=(1.0,), row_steps=1)


@pytest.fixture(autouse=True)
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Digits of 32 x 32 in colour, as parts: the shared files are not there."""
    folder = tmp_path / "parts"
    folder.mkdir()
    bunch = load_digits()
    for part, first in (("train", 0), ("test", COUNTS["train"])):
        places = range(first, first + COUNTS[part])
        table = {
            "image": [png(bunch.images[place]) for place in places],
            "label": pa.array([int(bunch.target[place]) for place in places], pa.int8()),
            "sample_id": [f"{part}/{place}" for place in places],
        }
        whole = pa.table(table)
        for number in (0, 1):
            half = whole.slice(number * COUNTS[part] // 2, COUNTS[part] // 2)
            pq.write_table(half, folder / f"{part}-{number:02d}.parquet")
    monkeypatch.setattr(full_cifar, "COUNTS", COUNTS)
    monkeypatch.setattr(full_cifar, "PARTS", folder)
    monkeypatch.setattr(samples, "SHARED", tmp_path / "nowhere")
    monkeypatch.setattr(samples, "ROOT", tmp_path)
    for module in (record, sheets):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return folder


def png(image: np.ndarray) -> bytes:
    large = (image * 255 / 16).round().astype(np.uint8).repeat(4, 0).repeat(4, 1)
    file = io.BytesIO()
    Image.fromarray(large).convert("RGB").save(file, "PNG")
    return file.getvalue()


def tiny() -> Ground:
    """CIFAR-10's ground with narrow networks, few steps and few pictures."""
    ground = grounds.cifar10()
    fitting = Fitting(steps=1, batch_size=4, precision=ground.fittings["dit"].precision)
    return replace(
        ground,
        recipes={
            "unet": replace(ground.recipes["unet"], width=8, depth=1),
            "dit": replace(ground.recipes["dit"], width=16, depth=1, patch=8),
        },
        fittings=dict.fromkeys(ground.fittings, fitting),
        methods={**ground.methods, "steps": 1, "batch_size": 4},
        judge=SHORT,
        judge_network="conv-small",
        sampler=Sampler(steps=1),
        recovery=FEW,
        pictures=4,
        each=2,
    )


def test_the_step_for_a_gpu_makes_as_few_models_as_the_gates_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(study, "run", lambda args: asked.append(args) or Path("made"))
    study.main(STEPS["generation"][1:])
    (args,) = asked
    assert (args.data, args.seeds, args.models) == ("cifar10", 1, LEAST)


def test_both_networks_draw_in_colour_at_full_size() -> None:
    """As they are measured on a GPU; nothing of them is trained."""
    ground = grounds.cifar10()
    assert (len(ground.train), len(ground.test)) == (COUNTS["train"], COUNTS["test"])
    for recipe in ground.recipes.values():
        network = generators.build(recipe, torch.Generator())
        found = sampled(
            network, torch.tensor([0]), Sampler(steps=1, guidance=1.0), torch.Generator()
        )
        assert found.images.shape == (1, 3, 32, 32)


def test_without_diffusers_the_transformer_goes_through_it_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row, with its verdicts and its sheet; a second call measures nothing again."""
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.setattr(study, "GROUNDS", {"cifar10": tiny})
    monkeypatch.setattr(latent, "judge_of", partial(judge_of, training=SHORT))
    monkeypatch.setattr(measures, "RESAMPLES", 5)
    words = [*STEPS["generation"][1:], "--cache", str(tmp_path / "cache")]
    study.main(words)
    assert "unet is left out" in capsys.readouterr().err
    written = (tmp_path / "results" / "generation-cifar10.json").read_text()
    content = json.loads(written)
    assert content["settings"]["diffusers"] is None
    rows = content["rows"]
    assert {row["network"] for row in rows} == {"dit"}
    assert {row["row"] for row in rows} == {RETRAINED, ORIGINAL, *study.ROWS}
    assert sum(row["row"] == RETRAINED for row in rows) == LEAST
    assert all(set(row["verdicts"]) == {"concept", "utility", "recovery"} for row in rows)
    with Image.open(tmp_path / "results" / "generation-cifar10-dit.png") as sheet:
        assert sheet.size == (19 * 34, (2 + len(study.ROWS)) * 34)
    monkeypatch.setattr(page, "load", lambda name: content)
    assert f"| {RETRAINED} | {LEAST} |" in page.generation("generation-cifar10")
    capsys.readouterr()
    study.main(words)
    assert "seed" not in capsys.readouterr().err
    assert (tmp_path / "results" / "generation-cifar10.json").read_text() == written


def test_a_u_net_alone_is_refused_without_diffusers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.setattr(study, "GROUNDS", {"cifar10": tiny})
    with pytest.raises(SystemExit):
        study.main(["--data", "cifar10", "--networks", "unet"])
    assert "extra `generation`" in capsys.readouterr().err
