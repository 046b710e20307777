"""What a request may say: look-alikes are asked about, what nothing can serve is denied at once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from flows.cli import main
from flows.cli.work import initialising, requesting
from ledger import keys, suppression
from ledger.domain import Selector
from ledger.requests import Ledger
from systems.data import resolving
from systems.data.importing import import_dataset
from systems.data.loading import classes
from systems.data.reading import read_table
from systems.data.sources import Source
from systems.data.texts import look
from systems.settings.approval import Approval, InClass, Skew
from systems.settings.params import load_params
from systems.settings.workspace import Workspace, write_templates
from tasks.approval.skew import Tally, tally_of
from tests.unit.input.files_of_weights import renamed
from tests.unit.input.forms import N, encoded, picture, put
from unlearning.errors import UsageError

USAGE, DENIED = 2, 12
DECOMPOSED, COMPOSED = "Zoe\u0308", "Zo\u00eb"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two classes, two styles that look alike, people with names."""
    folder = tmp_path_factory.mktemp("requests")
    ws = Workspace.at(folder / "workspace")
    write_templates(ws)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    people = [COMPOSED, "person/1", *(f"person/{i:02d}" for i in range(2, 10))]
    styles = ["Red", "red", "blue", "green"]
    path = put(
        folder / "train.parquet",
        subject_id=[people[i % 10] for i in range(N)],
        style=[styles[i % 4] for i in range(N)],
        label=["cat" if i % 2 else "ape" for i in range(N)],
    )
    source = Source(str(path))
    import_dataset(ws, source, load_params(ws.root), key=keys.shard_key(ws.keys))
    return ws


@pytest.fixture
def ws(original: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(original.root, tmp_path / "workspace", symlinks=True)
    return Workspace.at(tmp_path / "workspace")


def submit(ws: Workspace, selector: Selector, **meant: bool) -> dict[str, Any]:
    return requesting.submit(ws.root, selector, None, "gdpr", None, **meant)


def recorded(ws: Workspace) -> int:
    return len(Ledger.open(ws.records, ws.keys, read_only=True).log.entries())


@pytest.mark.parametrize(
    "selector",
    [
        Selector("subject", ("person/1 ",)),
        Selector("subject", ("Person/1",)),
        Selector("subject", (DECOMPOSED,)),
        Selector("subject", ("person/1", "person/02 ")),
        Selector("example", ("E007",)),
        Selector("class", ("Cat",)),
        Selector("where", ("red",), "style"),  # there are pictures of "Red" too
    ],
)
def test_a_look_alike_is_asked_about_and_not_shown(ws: Workspace, selector: Selector) -> None:
    before = recorded(ws)
    with pytest.raises(UsageError) as caught:
        submit(ws, selector)
    line = str(caught.value)
    assert f"for 1 of {len(selector.values)} values" in line
    assert "--as-written" in line
    assert not any(value in line for value in selector.values)
    assert recorded(ws) == before


def test_what_is_meant_as_written_is_taken_as_written(ws: Workspace) -> None:
    found = submit(ws, Selector("where", ("red",), "style"), as_written=True)
    assert (found["state"], found["examples"]) == ("accepted", N // 4)
    denied = submit(ws, Selector("subject", ("person/1 ",)), as_written=True)
    assert (denied["state"], denied["unknown"]) == ("denied", 1)


def test_naming_both_of_two_look_alikes_asks_nothing(ws: Workspace) -> None:
    both = resolving.resolve_all(ws, [Selector("where", ("red", "Red"), "style")])[0].alike
    assert both == ()


def test_an_exact_id_is_accepted(ws: Workspace) -> None:
    found = submit(ws, Selector("subject", ("person/1",)))
    assert (found["state"], found["examples"], found["unknown"]) == ("accepted", 4, 0)


def test_of_what_is_named_in_part_the_log_keeps_how_much_is_unknown(ws: Workspace) -> None:
    """It is accepted for what is there; which of its values are not is told nowhere."""
    found = submit(ws, Selector("subject", ("person/1", "stranger", "nobody")))
    assert (found["state"], found["examples"], found["unknown"]) == ("accepted", 4, 2)
    entry = Ledger.open(ws.records, ws.keys, read_only=True).log.entries()[-1]
    assert entry.body["unknown"] == 2 and "stranger" not in str(entry.body)


def test_what_lies_in_one_class_is_counted_and_its_name_is_for_people_alone(
    ws: Workspace,
) -> None:
    """Each person here has pictures of one class alone, and so is twice what its share would be."""
    rules = Approval(skew=Skew(times=1.5, examples=2))
    table = read_table(ws, ["label", "split", "subject_id"])
    columns = [table[name].to_pylist() for name in ("example_id", "split", "subject_id", "label")]
    rows = list(zip(*columns, strict=True))
    trained = [(example, label, who) for example, split, who, label in rows if split == "train"]
    mine = [example for example, _, who in trained if who == trained[0][2]]
    of_class = {label for example, label, _ in trained if example in mine}
    assert len(of_class) == 1 and len(mine) >= 2
    all_of_it = sum(label in of_class for _, label, _ in trained)

    def of(forgotten: list[str]) -> Tally:
        return tally_of(table, classes(ws), forgotten)

    assert of(mine).in_one_class(rules.skew) == InClass(len(mine), all_of_it)
    found = of(mine).in_one_class(rules.skew, named=True)
    assert found is not None and found.name in ("ape", "cat")
    assert rules.foreseen(0, len(mine), len(trained), found)
    both = [example for example, _, _ in trained]
    assert not rules.foreseen(0, len(both), len(trained), of(both).in_one_class(rules.skew))
    assert of(mine[:1]).in_one_class(rules.skew) is None
    assert of(mine).in_one_class(None) is None


def test_one_of_two_classes_is_denied_at_once(ws: Workspace) -> None:
    """What is left to train on is of one class, which no gate passes, whatever the method."""
    found = submit(ws, Selector("class", ("cat",)))
    assert found["state"] == "denied"
    assert "examples of 1 class to train on, expected at least 2" in found["reason"]
    odd = resolving.resolve_all(ws, [Selector("class", ("ape",))])[0].ids
    by_example = submit(ws, Selector("example", odd))
    assert by_example["reason"] == found["reason"]
    assert submit(ws, Selector("example", odd[:3]))["state"] == "accepted"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["submit", "--where", "style=blue", "--where", "style=green"], "--where: got 2 values"),
        (["submit", "--subject", "x", "--key=a", "--key", "b"], "--key: got 2 values"),
        (["tune", "--class", "ape", "--class", "cat"], "--class: got 2 values"),
        (["--workspace", "a", "list", "--workspace", "b"], "--workspace: got 2 values"),
        (["init", "--data", "a", "--data", "b"], "--data: got 2 values"),
        (["init", "--data", "x.parquet", "--limit", "-5"], "greater than or equal to 1"),
        (["init", "--data", "x.parquet", "--limit", "0"], "greater than or equal to 1"),
        (["init", "--data", "x.parquet", "--mean", ".5"], "--mean: got without the other"),
        (["init", "--mean", ".5", "--std", ".5"], "--mean and --std: got without --weights"),
        (["submit", "--subject", "x", "--received-at", "0001-01-01T00:00:00+14:00"], "since 2000"),
        (["submit", "--subject", "x", "--received-at", "9999-12-31T23:59:59-14:00"], "since 2000"),
        (["submit", "--subject", "x", "--received-at", "0026-01-31"], "since 2000"),
        (["list", "requests", "--due", "99999999999999d"], "9999d at most"),
        (["verify", "."], "is no bundle"),
    ],
)
def test_words_that_cannot_be_meant(
    words: list[str],
    said: str,
    ws: Workspace,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LETHE_WORKSPACE", str(ws.root))
    with pytest.raises(SystemExit) as left:
        main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert left.value.code == USAGE, line
    assert said in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--network", "vgg11", "--size", "8"], "does not take pictures of 8 x 8 pixels"),
        (["--weights", "w.safetensors"], "its tensors are named module.NAME"),
        (["--weights", "w.safetensors", "--mean", "125", "--std", "60"], "divide by 255"),
    ],
)
def test_what_cannot_work_on_the_data_is_refused_before_anything_is_written(
    words: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    grey = [encoded(picture(i, mode="L")) for i in range(N)]
    others = [f"other/{i}" for i in range(N)]
    put(tmp_path / "train.parquet", image=grey)
    put(tmp_path / "held.parquet", image=grey, subject_id=others, example_id=others)
    save_file(renamed("module."), tmp_path / "w.safetensors")
    given = ["--data", "train.parquet", "--holdout", "held.parquet", "--workspace", "new"]
    with pytest.raises(SystemExit) as left:
        main(["init", *given, *words])
    (line,) = capsys.readouterr().err.splitlines()
    assert left.value.code == USAGE, line
    assert said in line
    assert not (tmp_path / "new").exists() or not list((tmp_path / "new").iterdir())


def test_classes_may_be_several() -> None:
    found = requesting.selector_of(None, None, ["cat", "ape"], None)
    assert found == Selector("class", ("cat", "ape"))


def test_new_pictures_of_somebody_who_was_erased_are_left_out_of_another_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person is known, though neither these ids nor these bytes were ever seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(initialising, "_trained", lambda at, files: {})
    keys.create_keys(tmp_path / "old" / "keys", tmp_path / "old" / "records")
    put(tmp_path / "train.parquet")
    who = "person/0"
    erased = suppression.subject_values([who])
    suppression.add(tmp_path / "old" / "records", tmp_path / "old" / "keys", erased, run="run-1")
    words = ["init", "--data", "train.parquet", "--suppression", "old/records/suppression.jsonl"]
    with pytest.raises(SystemExit) as left:
        main([*words, "--workspace", "new"])
    told = capsys.readouterr()
    assert left.value.code in (None, 0), told.err
    there = read_table(Workspace(tmp_path / "new"), ["subject_id"])["subject_id"].to_pylist()
    assert who not in there and there
    assert f"{N - len(there)} rows are on the suppression list and were left out" in told.err


def test_data_whose_ids_look_like_erased_ones_are_asked_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken as another, the erased picture would be back; a re-encoded one has other bytes."""
    monkeypatch.chdir(tmp_path)
    keys.create_keys(tmp_path / "old" / "keys", tmp_path / "old" / "records")
    erased = [("id", " E007")]
    listed = [*erased, *suppression.looks(erased, look)]
    suppression.add(tmp_path / "old" / "records", tmp_path / "old" / "keys", listed, run="run-1")
    put(tmp_path / "train.parquet", example_id=[f"e{i:03d}" for i in range(N)])
    words = ["init", "--data", "train.parquet", "--suppression", "old/records/suppression.jsonl"]
    with pytest.raises(SystemExit) as left:
        main([*words, "--workspace", "new"])
    (line,) = capsys.readouterr().err.splitlines()
    assert left.value.code == USAGE, line
    assert f"1 of {N} rows (rows 7 of train.parquet) have an id that differs only by" in line
    assert "e007" not in line.casefold()
    assert "--leave-out-alike" in line and "--accept-alike" in line
    assert not (tmp_path / "new").exists() or not list((tmp_path / "new").iterdir())
