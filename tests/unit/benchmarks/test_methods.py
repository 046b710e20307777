"""The comparison of methods: what is kept and used again, what is averaged, a whole small run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks import record, samples, sources
from benchmarks.methods import cells, grounds, jobs, study, tables, trials
from benchmarks.methods.grounds import Ground
from benchmarks.methods.published_training import PublishedTraining
from benchmarks.methods.trials import TUNING, TrialName
from benchmarks.samples import Setting
from tests.unit import toys
from unlearning.domain import BoolArray, Examples
from unlearning.errors import Diverged, UsageError
from unlearning.methods.finetune import FineTune

PRESETS = """
- {name: retrain, method: retrain, source: default, found: here}
- {name: finetune, method: finetune, source: default, found: here, settings: {epochs: 1}}
"""


def toy() -> Ground:
    """60 stripes in three classes; random: 12 of them, class: that of label 1."""
    setting = Setting(
        "toy",
        toys.examples(60, seed=1),
        toys.examples(24, seed=2, first=100),
        toys.examples(24, seed=3, first=200),
        toys.RECIPE,
        toys.TRAINING,
        shadows=6,
        forgotten=3,
    )
    parts = {"train": setting.train, "holdout": setting.holdout, "test": setting.test}

    def alike(trial: TrialName, part: str) -> BoolArray:
        labels = parts[part].labels
        return np.asarray(labels == 1) if trial.task == "class" else np.zeros(len(labels), bool)

    def forgets(trial: TrialName) -> BoolArray:
        if trial.task == "class":
            return alike(trial, "train")
        mask: BoolArray = np.arange(60) // 12 == trial.seed
        return mask

    return Ground(setting, ("random", "class"), forgets, alike)


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    monkeypatch.setitem(grounds.GROUNDS, "toy", toy)
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    (tmp_path / "presets.yaml").write_text(PRESETS)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small spend more on waking threads than on arithmetic
    yield [
        *("--data", "toy", "--cache", str(tmp_path / "cache")),
        *("--presets", str(tmp_path / "presets.yaml")),
    ]
    torch.set_num_threads(threads)
    grounds.ground.cache_clear()


def compare(arguments: list[str]) -> dict[str, Any]:
    path = study.compare(study.options(arguments))
    content: dict[str, Any] = json.loads(path.read_text())
    return content


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was computed, not read: `made` for a candidate, `measured` for its columns."""
    calls: list[str] = []
    for name in ("_unlearned", "_measured"):
        plain = getattr(cells, name)

        def told(*args: Any, plain: Any = plain, name: str = name) -> Any:
            calls.append(name)
            return plain(*args)

        monkeypatch.setattr(cells, name, told)
    return calls


@pytest.mark.timeout(300)  # on a busy machine the first imports of all that it needs are slow
def test_a_whole_small_run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = compare([*arguments, "--seeds", "2", "--tasks", "class"])
    rows = {row["row"]: row for row in found["rows"]["table"]}
    assert list(rows) == ["original", "retrained", "retrained, other seed", "finetune"]
    reference = rows["retrained"]
    assert reference["average gap"]["mean"] == reference["D_KL"]["mean"] == 0
    assert reference["FA"]["mean"] == reference["forget_valid"]["mean"] == 0
    tuned = rows["finetune"]
    assert tuned["access"] == ["retain"] and tuned["FA"]["n"] == 2
    assert reference["passes"]["mean"] == 40 * toys.TRAINING.epochs
    assert tuned["passes"]["mean"] == 40
    assert tuned["of retraining, passes"]["mean"] == pytest.approx(1 / 3)
    results = record.RESULTS
    assert {"mia_nn", "class_tv"} <= set(rows["original"]) and "rmia FT" not in rows["original"]
    assert "mia_nn" not in reference  # of two seeds there is but one other to compare with
    page = (results / "methods-toy-class.md").read_text()
    assert "## class: 20 examples forgotten" in page and "| finetune | retain |" in page
    assert page in capsys.readouterr().out
    assert "<svg" in (results / "methods-toy-class.svg").read_text()


def test_another_seed_of_the_same_forget_set_says_what_chance_does() -> None:
    """Random examples differ from seed to seed, so each needs a second retrained model."""
    networks = jobs.needed(
        [TrialName(task, seed) for seed in (0, 1) for task in ("random", "class")]
    )
    random = [f"retrained-random-000{seed}-{again}" for seed in (0, 1) for again in (0, 1)]
    same = ["retrained-class-0000-0", "retrained-class-0001-0"]
    trained = {job.path(Path()).stem for job in networks}
    assert trained == {*random, *same, "champion-000", "champion-001"}
    alone = jobs.needed([TrialName("class", 0)])
    assert {job.path(Path()).stem for job in alone} == {*same, "champion-000"}


def test_an_unknown_method_is_refused_before_anything_is_trained(
    arguments: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="'pray' has no preset; known are finetune, retrain"):
        compare([*arguments, "--methods", "pray"])
    assert not (tmp_path / "cache").exists()


def test_a_second_run_computes_nothing(arguments: list[str], counted: list[str]) -> None:
    both = [*arguments, "--seeds", "1"]
    first = compare(both)
    assert counted.count("_unlearned") == 2 and counted.count("_measured") == 8
    rows = {(row["task"], row["row"]): row for row in first["rows"]["table"]}
    assert "forget_valid" in rows["class", "original"]
    assert "forget_valid" not in rows["random", "original"]
    counted.clear()
    assert compare(both) == first
    assert counted == []


def test_an_interrupted_run_goes_on_where_it_was(
    arguments: list[str], counted: list[str], tmp_path: Path
) -> None:
    """A missing measurement costs no unlearning; a candidate without weights is made again."""
    first = compare([*arguments, "--tasks", "random", "--seeds", "1"])
    folder = tmp_path / "cache" / "toy" / "methods"
    for path in folder.glob("*.json"):
        if not path.name.startswith("candidate-"):
            path.unlink()
    next(folder.glob("candidate-*.safetensors")).unlink()
    counted.clear()
    again = compare([*arguments, "--tasks", "random", "--seeds", "1"])
    assert counted.count("_unlearned") == 1 and counted.count("_measured") == 4
    for old, new in zip(first["rows"]["cells"], again["rows"]["cells"], strict=True):
        assert old.get("columns") == new.get("columns")


def test_other_settings_are_another_cell(
    arguments: list[str], counted: list[str], tmp_path: Path
) -> None:
    one = [*arguments, "--tasks", "random", "--seeds", "1", "--methods", "finetune"]
    compare(one)
    counted.clear()
    (tmp_path / "presets.yaml").write_text(PRESETS.replace("epochs: 1", "epochs: 2"))
    compare(one)
    assert counted == ["_unlearned", "_measured"]


def test_a_method_that_diverges_is_a_row_and_no_crash(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*args: Any) -> None:
        raise Diverged("unlearning diverged in epoch 1")

    monkeypatch.setattr(FineTune, "unlearn", diverge)
    found = compare([*arguments, "--tasks", "random", "--seeds", "1"])
    row = found["rows"]["table"][-1]
    assert (row["row"], row["n"], row["diverged"]) == ("finetune", 0, 1)
    assert found["rows"]["cells"][-1]["diverged"] == "unlearning diverged in epoch 1"
    page = (record.RESULTS / "methods-toy-random.md").read_text()
    assert "| finetune (1 diverged) |  | diverged |" in page


def result(seed: int, row: str, value: float, **more: Any) -> dict[str, Any]:
    return {"task": "random", "seed": seed, "row": row, "columns": {"FA": value}, **more}


def cost(seconds: float) -> dict[str, float]:
    return {"seconds": seconds, "processor_seconds": 5.0, "passes": 20}


def test_rows_are_means_over_seeds() -> None:
    """.8 and .9: mean .85, deviation .0707; costs 10 of 40 and 30 of 50 seconds: .25 and .6."""
    rows = tables.table(
        [
            result(0, "retrain", 1.0, seconds=40.0, processor_seconds=20.0, passes=100),
            result(1, "retrain", 1.0, seconds=50.0, processor_seconds=20.0, passes=200),
            result(0, "ssd", 0.8, **cost(10.0), method="ssd", access=["forget"]),
            result(1, "ssd", 0.9, **cost(30.0), method="ssd", access=["forget"]),
            {"task": "random", "seed": 2, "row": "ssd", "diverged": "nan"},
        ]
    )
    whole, found = rows
    assert whole["of retraining, seconds"]["mean"] == 1.0
    assert (found["n"], found["diverged"], found["access"]) == (2, 1, ["forget"])
    assert found["FA"] == pytest.approx({"mean": 0.85, "sd": 0.0707107, "n": 2}, rel=1e-5)
    assert found["of retraining, seconds"]["mean"] == pytest.approx(0.425)
    assert found["of retraining, processor_seconds"]["mean"] == 0.25
    assert found["of retraining, passes"]["mean"] == pytest.approx(0.15)


def test_what_is_not_known_of_retraining_has_no_ratio() -> None:
    """Networks that were trained before costs were recorded have their passes alone."""
    rows = tables.table(
        [result(0, "retrained", 1.0, passes=200), result(0, "ssd", 0.8, **cost(10.0))]
    )
    assert rows[1]["of retraining, passes"]["mean"] == 0.1
    assert "of retraining, seconds" not in rows[1]


def test_a_row_that_diverged_is_as_long_as_the_others() -> None:
    columns = dict.fromkeys(("FA", "gap FA", "average gap", "D_KL", "JS", "loss_auc"), 0.5)
    cells = [
        {"task": "random", "seed": 0, "row": "famr", "columns": columns},
        {"task": "random", "seed": 0, "row": "ssd", "diverged": "nan"},
    ]
    settings = {"recipe": {"network": "toy"}, "forgotten": {"random": [12]}, "seeds": 1}
    settings |= {"train": 60, "holdout": 24, "test": 24, "shadows": 6}
    page = tables.page("toy", settings, tables.table(cells))
    lengths = {line.count("|") for line in page.splitlines() if line.startswith("|")}
    assert len(lengths) == 1 and "ssd (1 diverged)" in page


def test_one_seed_has_no_deviation_and_no_retrain_row_no_ratio() -> None:
    (row,) = tables.table([result(0, "ssd", 0.8, **cost(10.0))])
    assert row["FA"] == {"mean": 0.8, "sd": None, "n": 1}
    assert "of retraining, seconds" not in row


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--tasks", "style"], "got 'style', expected some of random, class"),
        (["--seeds", "10"], "got 10, expected 1 to 9"),
        (["--examples", "61"], "got 61, expected 1 to 60"),
    ],
)
def test_wrong_words_are_refused(arguments: list[str], option: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        compare([*arguments, *option])


def test_fewer_examples_have_a_folder_and_a_bank_of_their_own(arguments: list[str]) -> None:
    whole, fewer = grounds.ground("toy"), grounds.ground("toy", 30)
    assert (fewer.setting.name, len(fewer.setting.train)) == ("toy-30", 30)
    assert int(fewer.forgets(TrialName("random", 2)).sum()) == 6
    assert whole.plan().key != fewer.plan().key


def test_the_code_digest_follows_imports_and_not_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`a` imports `b`, and `c` from the package; `d` is imported by nobody."""
    package = tmp_path / "unlearning"
    package.mkdir()
    plain = {
        "__init__": "",
        "a": "from unlearning import c\nfrom unlearning.b import two\n\n\ndef f():\n    return two",
        "b": "two = 2",
        "c": "three = 3",
        "d": "four = 4",
    }
    monkeypatch.setattr(sources, "ROOT", tmp_path)

    def digest(**changed: str) -> str:
        for name, source in (plain | changed).items():
            (package / f"{name}.py").write_text(source)
        return sources.code_digest.__wrapped__("unlearning.a")

    first = digest()
    assert digest(b="# why\ntwo = 2") == digest(d="four = 5") == first
    assert digest(a=plain["a"].replace("return", '"""Give it."""\n    return')) == first
    assert len({first, digest(b="two = 3"), digest(c="three = 4")}) == 3


def test_digits_forget_whole_people_or_a_class() -> None:
    on = grounds.ground("digits")
    random, one = TrialName("random", 0), TrialName("class", 0)
    split = on.split(random)
    assert len(split.forget) == 120
    assert not set(split.forget.subjects) & set(split.retain.subjects)
    assert not on.alike(random, "test").any()
    tuned = set(on.split(TrialName("random", TUNING)).forget.subjects)
    for seed in range(9):
        assert not tuned & set(on.split(TrialName("random", seed)).forget.subjects)
    assert len(tuned) == 10
    assert set(on.split(one).forget.labels) == {3} and 3 not in on.split(one).retain.labels
    assert set(on.setting.test.labels[on.alike(one, "test")]) == {3}


@pytest.mark.skipif(not samples.SHARED.is_dir(), reason="../shared/data is not there")
def test_the_sub_class_is_known_in_holdout_and_test_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coupe is an automobile, label 1, wherever it is found. Images are not decoded for that."""
    monkeypatch.setattr(samples, "decoded", _undecoded)
    monkeypatch.setattr(trials, "setting", samples.cifar10)
    on = grounds.cifar10()
    trial = TrialName("subclass", 0)
    for part, examples in (("holdout", on.setting.holdout), ("test", on.setting.test)):
        labels = examples.labels[on.alike(trial, part)]
        assert len(labels) > 20 and set(labels) == {1}
    assert set(on.split(trial).forget.labels) == {1}


def _undecoded(path: Path, rows: np.ndarray) -> Examples:
    table = pq.read_table(path, columns=["label", "sample_id"]).take(rows)
    ids = np.array(table["sample_id"].to_pylist())
    images = np.zeros((len(ids), 0, 0, 0), np.uint8)
    return Examples(images, table["label"].to_numpy(), ids, ids)


PUBLISHED = PRESETS.replace("source: default", "source: published")


def as_published() -> Ground:
    """The toy, trained as the papers train, without holdout examples and shadows."""
    plain = toy()
    nothing = plain.setting.test.take(np.arange(0))
    setting = replace(plain.setting, name="toy-full", holdout=nothing, shadows=0)
    training = PublishedTraining(epochs=4, batch_size=16, learning_rate=0.05, precision="fp32")
    return replace(
        plain,
        setting=setting,
        tasks=("random",),
        alike=lambda trial, part: np.zeros(24 if part == "test" else 0, bool),
        published=training,
        sources=("published",),
    )


@pytest.fixture
def full(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setitem(grounds.GROUNDS, "cifar10-full", as_published)
    (tmp_path / "presets.yaml").write_text(PUBLISHED + PRESETS.replace("name: f", "name: not f"))
    return [*arguments, "--data", "cifar10-full", "--epochs", "3", "--seeds", "1"]


@pytest.mark.timeout(300)
def test_a_run_as_published_stands_beside_the_paper_that_trains_so(full: list[str]) -> None:
    """48 retain examples: retraining 3 epochs passes 144, fine-tuning one 48, a third."""
    found = compare(full)
    rows = {row["row"]: row for row in found["rows"]["table"]}
    assert list(rows) == ["original", "retrained", "retrained, other seed", "finetune"]
    assert rows["retrained"]["passes"]["mean"] == 144
    assert rows["finetune"]["of retraining, passes"]["mean"] == pytest.approx(1 / 3)
    assert found["settings"]["training"]["schedule"] == "cosine"
    assert found["settings"]["training"]["epochs"] == 3
    asked = {(d["paper"], d["what"]) for d in found["rows"]["demands"]}
    assert ("SFR-on", "retrained TA") in asked and {paper for paper, _ in asked} == {"SFR-on"}


def test_without_shadows_the_calibrated_attack_is_empty(full: list[str]) -> None:
    """The raw attack is against test examples, since nothing is held out."""
    found = compare(full)
    for row in found["rows"]["table"]:
        assert "forget_auc" not in row and 0 < row["loss_auc"]["mean"] < 1
    page = (record.RESULTS / "methods-toy-full-3-epochs.md").read_text()
    assert "## Beside the paper" in page and "**AMUN**" not in page and "for 3 epochs" in page
    assert not (record.RESULTS / "methods-toy-full-3-epochs.svg").exists()


def test_what_was_measured_needs_no_network_again(
    full: list[str], counted: list[str], tmp_path: Path
) -> None:
    """Networks that stayed on another machine are known by their records."""
    first = compare(full)
    for path in (tmp_path / "cache" / "toy-full-3-epochs").glob("*.safetensors"):
        path.unlink()
    cells._digest_of_file.cache_clear()
    counted.clear()
    again = compare(full)
    assert counted == [] and again["rows"] == first["rows"]


def test_only_a_published_training_can_be_shorter(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="toy has a training of its own, got 5"):
        compare([*arguments, "--epochs", "5"])


@pytest.mark.timeout(300)
def test_the_comparison_needs_no_more_than_a_bare_gpu_machine_has() -> None:
    """Beside torch, timm and what these two bring there are numpy, scipy, scikit-learn, pyarrow."""
    absent = "prefect mlflow dvc great_expectations optuna matplotlib sqlalchemy cryptography boto3"
    script = (
        "import sys\n"
        f"for name in '{absent}'.split():\n    sys.modules[name] = None\n"
        "import benchmarks.methods, benchmarks.methods.full_cifar\n"
        "import unlearning.methods, unlearning.attacks.mia_conf_svc\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=samples.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
