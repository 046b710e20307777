"""`lethe init` in folders of all kinds: what was there stays, what failed is gone, git sees none.

Training is stubbed: what it leaves is other tests' matter.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import flows.train
from flows.cli.work import asking, initialising
from flows.cli.work.asking import Files
from ledger.replay.certificates import BACKBONE
from ledger.replay.lineage import FIRST
from ledger.requests import Ledger
from systems.data import versions
from systems.data.sources import Columns
from systems.settings.params import load_params
from systems.settings.policy import load_policy
from systems.settings.workspace import Workspace, write_templates
from tasks.running.records import utc_now
from unlearning.digests import sha256_file
from unlearning.errors import InfrastructureError, LetheError, UsageError

CHECKOUT = Path(__file__).parents[2]
PRIVATE = ("data", "keys", "remote", "records", "evidence", "artifacts", "mlruns", ".dvc/cache")


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(256, size=(8, 8), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def offer(path: Path, n: int = 60, **changed: Any) -> str:
    table = {
        "image": [png(i) for i in range(n)],
        "label": [i % 3 for i in range(n)],
        "subject_id": [f"person-{i // 5}" for i in range(n)],
        "example_id": [f"example-{i}" for i in range(n)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table | changed), path)
    return str(path)


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> str:
    return offer(tmp_path_factory.mktemp("offered") / "people.parquet")


def trained(root: str, **_: Any) -> dict[str, Any]:
    """What the flow answers, and the entry by which its model is in the log."""
    ws = Workspace.at(root)
    Ledger.open(ws.records, ws.keys).record(FIRST, {"sha256": "0" * 64}, key=FIRST, now=utc_now())
    champion = {"name": "lethe", "version": 1, "sha256": "0" * 64, "weights": "none"}
    bank = {"bank": "0", "shadows": 4, "examples": 1, "test_accuracy": 0.5}
    return {"champion": champion, "test_accuracy": 0.5, "seconds": 1.0, "bank": bank}


@pytest.fixture(autouse=True)
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.train, "train", trained)


def init(root: Path, data: str, **changes: Any) -> dict[str, Any]:
    files = Files(data, None, None, None, None, None, None)
    return initialising.init(root, files, Columns(), changes)


def contents(root: Path) -> dict[str, bytes | None]:
    """Every path below a folder, with a file's bytes; None for a folder, a link's target."""
    return {
        str(path.relative_to(root)): None
        if path.is_dir() and not path.is_symlink()
        else path.readlink().as_posix().encode()
        if path.is_symlink()
        else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if ".git/" not in f"{path.relative_to(root)}/"
    }


def git(root: Path, *words: str) -> str:
    me = ("-c", "user.name=A User", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", "-C", str(root), *me, *words], check=True, capture_output=True)
    return done.stdout.decode()


def put(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


# -- what is there stays -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data/holiday.jpg", "a picture"),
        ("data/2026/notes.txt", "a note"),
        (".importing/x", "half"),
        ("keys/id_ed25519", "a key of another program"),
        ("keys/requests.txt", "a list"),
        ("remote/files/md5/ab/cd", "an object"),
        ("records/minutes.md", "of a meeting"),
        ("evidence/photo.png", "of a crime"),
        ("artifacts/build.log", "of a compiler"),
        ("mlruns/0/meta.yaml", "MLflow's file store"),
        ("mlruns/mlflow.db", "MLflow's database"),
        ("data", "a file"),
        ("records", "a file"),
        ("params.yaml", "prepare: {split: 0.2}\n"),
        ("params.yaml", "no: [yaml"),
        ("policy.yaml", "Version: 2012-10-17\n"),
        ("dvc.yaml", "stages:\n  prepare: {cmd: python prepare.py}\n"),
        ("dvc.yaml", "[]"),
        (".gitignore", "*.pyc\n"),
        (".gitignore", "/data/\n/keys/\n"),
        (".dvc/config", "['remote \"lethe\"']\n    url = /elsewhere\n"),
        ("data.dvc", "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  path: data\n"),
    ],
)
def test_a_folder_with_something_in_lethes_places_is_refused_and_left_as_it_is(
    tmp_path: Path, offered: str, name: str, text: str
) -> None:
    put(tmp_path, {"README.md": "mine", name: text})
    before = contents(tmp_path)
    with pytest.raises(UsageError) as refused:
        init(tmp_path, offered, seed=3)
    assert name.split("/")[0] in str(refused.value)
    assert contents(tmp_path) == before


def test_the_users_own_data_folder_is_read_and_not_taken(tmp_path: Path) -> None:
    """The worst of all: what is imported from data/ was removed by the import."""
    data = offer(tmp_path / "data" / "train.parquet")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=r"data/: holds what is not Lethe's.*--workspace"):
        init(tmp_path, data)
    assert contents(tmp_path) == before
    init(tmp_path / "workspace", data)
    assert {k: v for k, v in contents(tmp_path).items() if "workspace" not in k} == before


@pytest.mark.parametrize("name", ["data", "keys", "artifacts", "params.yaml", "data.dvc"])
def test_no_link_is_followed_out_of_the_folder(tmp_path: Path, offered: str, name: str) -> None:
    put(tmp_path, {"elsewhere/precious": "text"})
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / name).symlink_to(tmp_path / "elsewhere")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=name):
        init(tmp_path / "ws", offered)
    assert contents(tmp_path) == before


def test_everything_else_in_the_folder_stays(tmp_path: Path, offered: str) -> None:
    theirs = {"README.md": "mine", "src/train.py": "print()", "mlruns/README.md": "a page"}
    put(tmp_path, theirs)
    (tmp_path / "data").mkdir()
    init(tmp_path, offered)
    assert {name: (tmp_path / name).read_text() for name in theirs} == theirs


def test_settings_of_lethes_that_are_there_are_used(tmp_path: Path, offered: str) -> None:
    ws = Workspace.at(tmp_path)
    write_templates(ws)
    mine = ws.params.read_text().replace("shards: 64", "shards: 3  # few")
    ws.params.write_text(mine)
    init(tmp_path, offered)
    assert ws.params.read_text() == mine
    assert len(list(ws.shards.iterdir())) <= 3


# -- git and DVC around ------------------------------------------------------------------------


@pytest.mark.parametrize("root", [".", "sub/workspace"])
def test_git_is_offered_pointer_and_settings_and_nothing_else(
    tmp_path: Path, offered: str, root: str
) -> None:
    git(tmp_path, "init", "--quiet")
    put(tmp_path, {"README.md": "mine"})
    init(tmp_path / root, offered)
    assert git(tmp_path, "diff", "--cached", "--name-only") == ""
    git(tmp_path, "add", "-A")
    taken = git(tmp_path, "ls-files").split()
    inside = {Path(name).relative_to(root).as_posix() for name in taken if name != "README.md"}
    assert inside == {
        *(".gitignore", "data.dvc", "dvc.yaml", "params.yaml", "policy.yaml"),
        *(".dvcignore", ".dvc/config", ".dvc/.gitignore"),
    }


def test_the_ignore_file_is_there_before_any_key(
    tmp_path: Path, offered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet")

    def seen(*_: object, **__: object) -> None:
        git(tmp_path, "add", "-A")
        raise InfrastructureError("no entropy")

    monkeypatch.setattr(initialising.keys, "create_keys", seen)
    with pytest.raises(InfrastructureError):
        init(tmp_path, offered)
    assert not [name for name in git(tmp_path, "ls-files").split() if name.startswith(PRIVATE)]


def test_an_ignore_file_of_the_users_that_covers_all_is_left_alone(
    tmp_path: Path, offered: str
) -> None:
    git(tmp_path, "init", "--quiet")
    mine = "*\n!*.md\n!/.gitignore\n"
    put(tmp_path, {".gitignore": mine})
    init(tmp_path, offered)
    git(tmp_path, "add", "-A")
    assert git(tmp_path, "ls-files").split() == [".gitignore"]
    assert (tmp_path / ".gitignore").read_text() == mine


def test_options_do_not_change_a_file_that_git_tracks(tmp_path: Path, offered: str) -> None:
    git(tmp_path, "init", "--quiet")
    write_templates(Workspace.at(tmp_path))
    git(tmp_path, "add", "-A")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=r"params\.yaml: is tracked by git"):
        init(tmp_path, offered, seed=3)
    assert contents(tmp_path) == before
    init(tmp_path, offered, seed=0)  # as it stands there
    assert git(tmp_path, "diff", "--name-only") == ""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A DVC project of the user's, with a default remote and files in its cache."""
    config = "# of the team\n[core]\n    remote = team\n    autostage = true\n"
    put(tmp_path, {".dvc/config": config + "['remote \"team\"']\n    url = ../team\n"})
    put(tmp_path, {"songs/one": "la", "team/.keep": "", ".dvc/cache/files/md5/ab/cdef": "mine"})
    git(tmp_path, "init", "--quiet")
    return tmp_path


def test_in_a_dvc_project_nothing_of_it_changes(project: Path, offered: str) -> None:
    before = contents(project)
    config = (project / ".dvc" / "config").read_text()
    init(project, offered)
    after = contents(project)
    assert (project / ".dvc" / "config").read_text().startswith(config)
    kept = {name for name in before if name != ".dvc/config"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert git(project, "diff", "--cached", "--name-only") == ""
    assert [p.name for p in (project / "team").iterdir()] == [".keep"]


def test_below_a_dvc_project_the_workspace_is_its_own(project: Path, offered: str) -> None:
    before = contents(project)
    init(project / "workspace", offered)
    after = {k: v for k, v in contents(project).items() if not k.startswith("workspace")}
    assert after == before


# -- a failed init leaves nothing --------------------------------------------------------------


@pytest.fixture(params=["nothing", "project"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Folders that a workspace may be made in: one to be made, and one with all that may be."""
    made = tmp_path / "deep" / "folder"
    if request.param == "project":
        write_templates(Workspace.at(made))
        git(made, "init", "--quiet")
        config = {".dvc/config": "[core]\n    autostage = true\n", ".dvc/.gitignore": "/cache\n"}
        put(made, {"README.md": "mine", "mlruns/README.md": "a page", **config})
    return made


def broken(*_: object, **__: object) -> None:
    raise UsageError("will not do")


FAILING = [
    "systems.settings.beginning.begin",
    "flows.cli.work.initialising.write_templates",
    "flows.cli.work.initialising.keys.create_keys",
    "flows.cli.work.initialising.adopting.adopt",
    "systems.data.versions.create",
    "systems.data.importing._written",
    "systems.data.versions.push",
    "systems.data.importing.save_manifest",
    "flows.train.train",
]


@pytest.mark.parametrize("failing", FAILING)
def test_a_failed_init_leaves_the_folder_as_it_was(
    folder: Path, offered: str, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder.parents[1])
    with monkeypatch.context() as patch:
        patch.setattr(failing, broken)
        with pytest.raises(UsageError, match="will not do"):
            init(folder, offered, seed=3)
    assert contents(folder.parents[1]) == before
    assert init(folder, offered)["subjects"] == 12


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "none-such"},
        {"training.optimiser": "wish"},
        {"bank.shadows": 5},
        {"seed": -1},
        {"data.holdout_fraction": 0.9, "data.test_fraction": 0.9},
    ],
)
def test_nothing_is_written_before_all_options_are_checked(
    folder: Path, offered: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder.parents[1])
    monkeypatch.setattr(initialising.beginning, "begin", broken)
    monkeypatch.setattr(initialising, "held", broken)
    with pytest.raises(LetheError) as refused:
        init(folder, offered, **changes)
    assert "will not do" not in str(refused.value)
    assert contents(folder.parents[1]) == before


IMPOSSIBLE = [
    ({"bank.shadows": 4}, "bank.shadows: got 4, expected at least 8"),
    ({"bank.shadows": 6}, "bank.shadows: got 6, expected at least 8"),
    ({"bank.shadows": 9}, "bank.shadows: got 9, expected an even number"),
    ({"seed": -1}, "seed: got -1, expected 0 to"),
    ({"training.epochs": 0}, "epochs: got 0, expected 1 to"),
    ({"training.batch_size": 1}, "batch_size: got 1, expected 2 to"),
    ({"training.learning_rate": 0.0}, "learning_rate: got 0.0, expected more than 0"),
    ({"training.learning_rate": float("inf")}, "learning_rate: got inf, expected a finite"),
    ({"data.holdout_fraction": 1.0}, "holdout_fraction: got 1.0, expected 0 to 0.9"),
    ({"data.holdout_fraction": 0.9, "data.test_fraction": 0.9}, "none is left for train"),
    ({"data.holdout_fraction": 0.001}, "none is left for holdout"),
    ({"data.test_fraction": 0.0}, "none is left for test"),
]
"""Options by which no run could ever be decided, and what is said of them."""


@pytest.mark.parametrize(("changes", "said"), IMPOSSIBLE)
def test_what_no_run_could_be_decided_with_is_refused_in_a_line(
    folder: Path, offered: str, changes: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder.parents[1])
    monkeypatch.setattr(initialising.beginning, "begin", broken)
    with pytest.raises(UsageError) as refused:
        init(folder, offered, **changes)
    assert said in str(refused.value) and "\n" not in str(refused.value)
    assert refused.value.exit_code == 2
    assert contents(folder.parents[1]) == before


def test_a_policy_in_the_folder_says_how_many_shadows_and_answers_are_needed(
    tmp_path: Path, offered: str
) -> None:
    write_templates(Workspace(tmp_path / "a"))
    policy = tmp_path / "a" / "policy.yaml"
    shipped = policy.read_text()
    policy.write_text(shipped.replace("smallest_bank: 8", "smallest_bank: 64"))
    with pytest.raises(UsageError, match=r"bank.shadows: got 32, expected at least 64"):
        init(tmp_path / "a", offered)
    policy.write_text(shipped.replace("integrity: {classes: 2}", "integrity: {classes: 4}"))
    with pytest.raises(UsageError, match=r"gates.integrity.classes: got 4, .* 3 classes"):
        init(tmp_path / "a", offered)


def test_a_test_set_of_one_example_can_show_no_second_class(tmp_path: Path) -> None:
    """Four people with an example each beside twelve: one is held out, one tests."""
    data = offer(tmp_path / "few.parquet", subject_id=[f"person-{i}" for i in range(60)])
    with pytest.raises(UsageError, match=r"integrity.classes: got 2, .* 1 test examples"):
        init(tmp_path / "a", data, **{"data.test_fraction": 0.01})


# -- classes that can be judged ----------------------------------------------------------------


def classes_note(found: Mapping[str, Any]) -> list[str]:
    return [note for note in found["notes"] if "whole class" in note]


def test_too_few_strangers_of_a_class_are_told_with_a_share_that_has_enough(
    tmp_path: Path,
) -> None:
    """1,500 examples of 3 classes: a fifth holds out about 100 of each, 250 of 500 are a half."""
    data = offer(tmp_path / "people.parquet", n=1500)
    (note,) = classes_note(init(tmp_path / "a", data))
    assert re.search(r"has (9|10)\d holdout examples, other methods .* from 250 on", note)
    share = float(note.split("--holdout-fraction ")[1].split("`")[0])
    assert 0.5 <= share <= 0.53
    assert classes_note(init(tmp_path / "b", data, **{"data.holdout_fraction": share})) == []
    less = {"data.holdout_fraction": round(share - 0.01, 2)}
    assert len(classes_note(init(tmp_path / "c", data, **less))) == 1


def test_where_no_share_has_enough_strangers_more_data_are_asked_for(
    tmp_path: Path, offered: str
) -> None:
    (note,) = classes_note(init(tmp_path, offered))
    assert "it takes more data" in note and "--holdout-fraction" not in note


def test_a_ladder_of_exact_retraining_alone_needs_no_strangers(
    tmp_path: Path, offered: str
) -> None:
    write_templates(Workspace(tmp_path))
    policy = tmp_path / "policy.yaml"
    head, ladder = policy.read_text().split("ladder:\n")
    policy.write_text(f"{head}ladder:\n  - method: retrain\n\ngates:{ladder.split('gates:')[1]}")
    assert classes_note(init(tmp_path, offered)) == []


def test_nothing_is_written_before_the_data_are_checked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [*(png(i) for i in range(59)), b"no picture"]
    data = offer(tmp_path / "bad" / "people.parquet", image=images)
    before = contents(tmp_path)
    monkeypatch.setattr(initialising, "held", broken)
    with pytest.raises(UsageError, match="row 59"):
        init(folder, data)
    assert contents(tmp_path) == before


def cut_off(folder: Path, data: str, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Let `init` fail, once the data are in, for want of something that may come."""

    def busy(*_: object, **__: object) -> None:
        raise InfrastructureError("no GPU is free")

    with monkeypatch.context() as patch:
        patch.setattr(flows.train, "train", busy)
        with pytest.raises(InfrastructureError):
            init(folder, data, **changes)


def test_what_may_succeed_later_goes_on_with_the_data_that_are_in(
    folder: Path, offered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(folder, offered, monkeypatch, seed=3)
    with monkeypatch.context() as patch:
        patch.setattr(asking, "gather", broken)
        assert init(folder, offered, seed=3)["subjects"] == 12
    assert load_params(folder).seed == 3


def test_with_other_options_a_cut_off_init_starts_again(
    tmp_path: Path, offered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(tmp_path, offered, monkeypatch, **{"seed": 3, "training.epochs": 7})
    first = versions.data_version(Workspace.at(tmp_path))
    init(tmp_path, offered)
    params = load_params(tmp_path)
    assert (params.seed, params.training.epochs) == (0, 30)
    assert versions.data_version(Workspace.at(tmp_path)) != first


# -- a live workspace --------------------------------------------------------------------------


def test_init_in_a_live_workspace_changes_nothing(tmp_path: Path, offered: str) -> None:
    init(tmp_path, offered)
    before = contents(tmp_path)
    for changes in ({}, {"seed": 3}, {"training.epochs": 1}):
        with pytest.raises(UsageError, match="is a workspace already"):
            init(tmp_path, offered, **changes)
    assert contents(tmp_path) == before


# -- the checkout ------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a clone of the repository has that concerns a workspace, and its environment."""
    names = ["params.yaml", "policy.yaml", "dvc.yaml", "data.dvc", ".gitignore", ".dvcignore"]
    templates = "systems/settings/templates"
    shutil.copytree(CHECKOUT / templates, tmp_path / templates)
    put(tmp_path, {".venv/lib/dvc.yaml": "stages: ["})
    for name in [*names, ".dvc/config", ".dvc/.gitignore", "mlruns/README.md"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "--quiet", "-m", "the repository")
    return tmp_path


def test_the_embedded_example_comes_in_as_the_committed_pointer_says(clone: Path) -> None:
    """On every machine with the versions of requirements.lock; git and DVC see nothing to do."""
    init(clone, "digits")
    assert git(clone, "status", "--porcelain") == ""
    assert (clone / "data.dvc").read_bytes() == (CHECKOUT / "data.dvc").read_bytes()
    dvc = [str(Path(sys.executable).with_name("dvc")), "status"]
    status = subprocess.run(dvc, cwd=clone, check=True, capture_output=True, text=True)
    assert "up to date" in status.stdout


@pytest.mark.parametrize(
    ("data", "changes", "named"),
    [("digits", {"seed": 1}, "params.yaml"), ("offered", {}, "data.dvc")],
)
def test_in_the_checkout_there_is_room_for_the_example_alone(
    clone: Path, offered: str, data: str, changes: dict[str, Any], named: str
) -> None:
    before = contents(clone)
    with pytest.raises(UsageError, match=named):
        init(clone, offered if data == "offered" else data, **changes)
    assert contents(clone) == before
    assert git(clone, "status", "--porcelain") == ""


def test_the_examples_shard_key_is_public_and_real_data_get_a_secret(
    tmp_path: Path, offered: str
) -> None:
    def key(name: str, data: str) -> bytes:
        init(tmp_path / name, data)
        return initialising.keys.shard_key(tmp_path / name / "keys")

    assert key("one", "digits") == initialising.PUBLIC_KEY
    assert len({key("two", offered), key("three", offered), initialising.PUBLIC_KEY}) == 3


# -- a frozen backbone -----------------------------------------------------------------------------


def frozen(root: Path, data: str, **files: Any) -> dict[str, Any]:
    from unlearning import networks
    from unlearning.networks import Recipe

    path = root.parent / "backbone.safetensors"
    recipe = Recipe(network="conv-small", classes=5, channels=1, size=8, mean=(0.3,), std=(0.2,))
    networks.save(networks.build(recipe), path)
    words = {"backbone": path, "statement": "trained on other pictures", **files}
    return initialising.init(
        root, Files(data, None, None, None, None, None, None, **words), Columns(), {}
    )


def test_a_frozen_backbone_is_kept_signed_for_and_has_a_ladder(
    tmp_path: Path, offered: str
) -> None:
    frozen(tmp_path / "ws", offered, head="logistic")
    ws = Workspace.at(tmp_path / "ws")
    kept, head = sha256_file(ws.backbone), load_params(ws.root).head
    assert head is not None and (head.backbone, head.loss) == (kept, "logistic")
    assert [rung.method for rung in load_policy(ws.policy).ladder] == ["head_downdate", "retrain"]
    said = Ledger.open(ws.records, ws.keys).log.find(BACKBONE)
    assert said is not None and said.body["statement"] == "trained on other pictures"
    assert said.body["sha256"] == kept


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"statement": None}, "--backbone-statement: got nothing"),
        ({"statement": "ask a@example.org"}, "holds an e-mail address"),
        ({"head": "svm"}, "head.loss: got 'svm'"),
        ({"backbone": None}, "--backbone-statement: got without --backbone"),
        ({"backbone": None, "statement": None, "head": "ridge"}, "--head: got without"),
    ],
)
def test_half_of_a_backbone_is_refused(
    tmp_path: Path, offered: str, files: dict[str, Any], said: str
) -> None:
    with pytest.raises(LetheError, match=re.escape(said)):
        frozen(tmp_path / "ws", offered, **files)
    assert not (tmp_path / "ws").exists()
