"""MLflow for real, in a folder of its own: runs, versions, the champion, and erasure."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import torch

from ledger.errors import OutsideWorkspace
from systems.copies import Copy, Status
from systems.registry import models, places, store, tracking, views
from systems.registry.erasure import ChampionProtected, copies, erase_version
from systems.registry.logged import DatasetUse, Table
from systems.registry.models import ModelVersion, StaleChampion
from systems.registry.tracking import RegistryUnavailable
from tests.unit.unlearning.generation import small
from unlearning.errors import IntegrityError, UsageError
from unlearning.generation import generators
from unlearning.networks import Recipe, build, save

NAME = "digits"
RECIPE = Recipe(network="conv-small", classes=10, channels=1, size=8, mean=(0.5,), std=(0.25,))


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables and nothing in them: to make one takes seconds."""
    mlruns = tmp_path_factory.mktemp("registry")
    tracking.client(mlruns).search_experiments()
    return mlruns / "mlflow.db"


@pytest.fixture
def mlruns(tmp_path: Path, empty_registry: Path) -> Path:
    folder = tmp_path / "mlruns"
    folder.mkdir()
    shutil.copy(empty_registry, folder)
    return folder


@pytest.fixture
def make_version(mlruns: Path, tmp_path: Path):
    """Register fresh weights, drawn from a seed."""

    def make(seed: int, **tags: str) -> ModelVersion:
        weights = tmp_path / f"{seed}.safetensors"
        save(build(RECIPE, torch.Generator().manual_seed(seed)), weights)
        return models.register(mlruns, NAME, weights, dataclasses.asdict(RECIPE), tags)

    return make


def stored_weights(mlruns: Path) -> list[Path]:
    return sorted((mlruns / "artifacts").rglob("*.safetensors"))


# Versions


def test_a_version_holds_exactly_the_registered_bytes_and_no_pickle(mlruns, make_version) -> None:
    started = perf_counter()
    version = make_version(1, **{"lethe.run": "r1", "lethe.verdict": "released"})
    assert perf_counter() - started < 10  # 2 on an idle machine; the first call also imports
    assert version.version == 1
    assert version.weights.is_relative_to(mlruns)
    assert models.verified(version) == version.weights
    assert version.tags["lethe.verdict"] == "released"
    endings = {path.suffix for path in (mlruns / "artifacts").rglob("*") if path.is_file()}
    assert endings <= {"", ".py", ".json", ".yaml", ".txt", ".safetensors"}
    assert not store.staging(mlruns).exists()


def test_the_served_model_gives_the_logits_of_the_network(mlruns, make_version, rng) -> None:
    import mlflow.pyfunc

    version = make_version(1)
    images = rng.integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
    served = mlflow.pyfunc.load_model(str(store.stored_folder(mlruns, version.model_id)))
    with torch.inference_mode():
        network = build(RECIPE, torch.Generator().manual_seed(1)).eval()
        expected = network(torch.from_numpy(images)).numpy()
    got = served.predict(images)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5)  # float32 on the CPU


def test_a_served_generator_draws_pictures_of_labels(mlruns, tmp_path) -> None:
    import mlflow.pyfunc

    generators.save(small.generator(), tmp_path / "one.safetensors")
    recipe = dataclasses.asdict(small.RECIPE)
    version = models.register(mlruns, NAME, tmp_path / "one.safetensors", recipe, {})
    served = mlflow.pyfunc.load_model(str(store.stored_folder(mlruns, version.model_id)))
    drawn = served.predict(np.array([0, 2, 1]), params={"steps": 2, "seed": 5})
    assert drawn.shape == (3, 1, 4, 4) and drawn.dtype == np.uint8
    again = served.predict(np.array([0, 2, 1]), params={"steps": 2, "seed": 6})
    assert not np.array_equal(drawn, again)


def test_the_same_bytes_for_the_same_run_are_one_version(mlruns, make_version) -> None:
    first = make_version(1, **{"lethe.run": "r1"})
    assert make_version(1, **{"lethe.run": "r1"}) == first
    assert make_version(1, **{"lethe.run": "r2"}).version == 2
    assert make_version(2, **{"lethe.run": "r1"}).version == 3
    assert [found.version for found in models.versions(mlruns, NAME)] == [1, 2, 3]


def test_a_crash_between_storing_and_naming_leaves_one_copy(
    mlruns, make_version, monkeypatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(models, "_declare", die)
        make_version(1)
    assert len(stored_weights(mlruns)) == 1
    version = make_version(1)
    assert stored_weights(mlruns) == [version.weights]


def test_what_a_crash_stored_for_a_run_that_is_left_goes(mlruns, make_version, monkeypatch) -> None:
    """Where weights are put together, and where they are kept before they are a version."""

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    kept = [make_version(1, **{"lethe.run": run}) for run in ("left", "another")]
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(models, "_declare", die)
        make_version(2, **{"lethe.run": "left"})
    store.staging(mlruns).mkdir()
    (store.staging(mlruns) / store.WEIGHTS).write_bytes(b"weights")
    models.drop_unnamed(mlruns, NAME, "left")
    assert stored_weights(mlruns) == sorted(version.weights for version in kept)
    assert not store.staging(mlruns).exists()
    models.drop_unnamed(mlruns, NAME, "left")


def test_an_unknown_version_is_named_with_those_that_exist(mlruns, make_version) -> None:
    make_version(1)
    with pytest.raises(UsageError, match=r"version 7 of digits.*one of \[1\]"):
        models.version(mlruns, NAME, 7)


def test_tags_can_be_added_later(mlruns, make_version) -> None:
    make_version(1)
    models.set_tags(mlruns, NAME, 1, {"lethe.verdict": "refused"})
    assert models.version(mlruns, NAME, 1).tags["lethe.verdict"] == "refused"


# Champion and candidate


def test_an_empty_registry_has_no_champion(mlruns) -> None:
    assert models.champion(mlruns, NAME) is None
    assert models.versions(mlruns, NAME) == ()


def test_promotion_moves_the_champion_only_from_the_expected_parent(mlruns, make_version) -> None:
    for seed in (1, 2, 3):
        make_version(seed)
    models.promote(mlruns, NAME, 1, expected_parent=None)
    models.nominate(mlruns, NAME, 2)
    assert models.version(mlruns, NAME, 2).aliases == ("candidate",)
    promoted = models.promote(mlruns, NAME, 2, expected_parent=1)
    assert promoted.aliases == ("champion",)
    assert models.promote(mlruns, NAME, 2, expected_parent=1) == promoted  # done again: nothing
    with pytest.raises(StaleChampion, match="got version 2, expected 1"):
        models.promote(mlruns, NAME, 3, expected_parent=1)
    with pytest.raises(StaleChampion, match="got version 2, expected None"):
        models.promote(mlruns, NAME, 3, expected_parent=None)
    assert models.champion(mlruns, NAME) == promoted


def test_of_two_promoters_with_the_same_parent_one_wins(mlruns, make_version) -> None:
    for seed in (1, 2, 3):
        make_version(seed)
    models.promote(mlruns, NAME, 1, expected_parent=None)

    def race(number: int) -> int | None:
        try:
            return models.promote(mlruns, NAME, number, expected_parent=1).version
        except StaleChampion:
            return None

    with ThreadPoolExecutor(2) as pool:
        winners = [number for number in pool.map(race, (2, 3)) if number is not None]
    served = models.champion(mlruns, NAME)
    assert served is not None
    assert winners == [served.version]


def test_altered_weights_are_never_promoted(mlruns, make_version) -> None:
    version = make_version(1)
    content = bytearray(version.weights.read_bytes())
    content[-1] ^= 1
    version.weights.write_bytes(content)
    with pytest.raises(IntegrityError, match="version 1 of digits"):
        models.promote(mlruns, NAME, 1, expected_parent=None)
    assert models.champion(mlruns, NAME) is None


def test_the_alias_candidate_goes_with_the_promotion_of_that_version(mlruns, make_version) -> None:
    for number in (1, 2):
        make_version(number)
        models.nominate(mlruns, NAME, number)
    models.promote(mlruns, NAME, 1, expected_parent=None)
    assert models.version(mlruns, NAME, 2).aliases == ("candidate",)
    models.promote(mlruns, NAME, 2, expected_parent=1)
    assert models.version(mlruns, NAME, 2).aliases == ("champion",)


# Erasure


def test_erasure_leaves_no_file_of_the_version_and_keeps_the_run(mlruns, tmp_path) -> None:
    run = tracking.start_run(mlruns, "forget", key="r1")
    weights = tmp_path / "w.safetensors"
    save(build(RECIPE), weights)
    made = models.register(mlruns, NAME, weights, dataclasses.asdict(RECIPE), {}, run)
    gone = Copy("model registry", "weights of version 1", Status.REMOVED)
    assert erase_version(mlruns, NAME, 1) == [gone]
    assert stored_weights(mlruns) == []
    assert not made.weights.parents[2].exists()
    assert models.versions(mlruns, NAME) == ()
    assert tracking.client(mlruns).get_run(run).info.run_name == "forget"
    assert erase_version(mlruns, NAME, 1) == []


def test_the_champion_is_not_erased(mlruns, make_version) -> None:
    make_version(1)
    models.promote(mlruns, NAME, 1, expected_parent=None)
    with pytest.raises(ChampionProtected, match="version 1 of digits"):
        erase_version(mlruns, NAME, 1)
    assert len(stored_weights(mlruns)) == 1


@pytest.mark.parametrize("step", ["_delete_row", "durable.remove_folder"])
def test_an_erasure_cut_short_is_finished_by_the_next(
    mlruns, make_version, monkeypatch, step
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    make_version(1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(f"systems.registry.store.{step}", die)
        erase_version(mlruns, NAME, 1)
    assert [copy.status for copy in erase_version(mlruns, NAME, 1)] == [Status.REMOVED]
    assert stored_weights(mlruns) == []


def test_another_version_with_the_same_bytes_is_reported(mlruns, make_version) -> None:
    make_version(1, **{"lethe.run": "r1"})
    kept = make_version(1, **{"lethe.run": "r2"})
    erased, remaining = erase_version(mlruns, NAME, 1)
    assert erased.gone
    assert remaining.status is Status.REMAINS
    assert remaining.what == kept.weights.relative_to(mlruns).as_posix()
    assert copies(mlruns, {kept.sha256}) == [remaining]
    assert copies(mlruns, {kept.sha256}, apart=[kept.weights]) == []


def test_what_somebody_else_marked_as_deleted_is_not_collected_too(mlruns, make_version) -> None:
    """A run that a colleague deleted in MLflow can be restored there, whatever we erase."""
    make_version(1)
    theirs = tracking.start_run(mlruns, "theirs", key="theirs")
    tracking.client(mlruns).delete_run(theirs)
    erase_version(mlruns, NAME, 1)
    tracking.client(mlruns).restore_run(theirs)
    assert tracking.client(mlruns).get_run(theirs).info.lifecycle_stage == "active"


def test_a_version_whose_address_leads_elsewhere_takes_nothing_along(
    mlruns, make_version, tmp_path
) -> None:
    theirs = tmp_path / "theirs" / "artifacts"
    theirs.mkdir(parents=True)
    made = make_version(1)
    database = mlruns / "mlflow.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE model_versions SET source = 'models:/../../../theirs'")
    with pytest.raises(OutsideWorkspace):
        erase_version(mlruns, NAME, 1)
    assert theirs.exists() and made.weights.exists()


# Places


@pytest.fixture
def elsewhere(mlruns, make_version, tmp_path) -> Path:
    """A copy of a registry with a version that serves and a run with an artifact."""
    run = tracking.start_run(mlruns, "forget", key="r1")
    note = tmp_path / "note.html"
    note.write_text("<p>")
    tracking.log(mlruns, run, artifacts=[note])
    make_version(1)
    make_version(2)
    models.promote(mlruns, NAME, 2, expected_parent=None)
    copy = tmp_path / "copy" / "mlruns"
    shutil.copytree(mlruns, copy)
    return copy


def addresses(mlruns: Path) -> list[str]:
    """Give every place that the database names."""
    tables = {
        "experiments": "artifact_location",
        "runs": "artifact_uri",
        "logged_models": "artifact_location",
        "model_versions": "storage_location",
    }
    with closing(sqlite3.connect(mlruns / "mlflow.db")) as connection:
        rows = [
            connection.execute(f"SELECT {column} FROM {table}") for table, column in tables.items()
        ]
        return [str(place) for found in rows for (place,) in found]


def test_an_erasure_in_a_copy_leaves_the_original_as_it_was(mlruns, elsewhere) -> None:
    before = {path: path.read_bytes() for path in mlruns.rglob("*") if path.is_file()}
    erase_version(elsewhere, NAME, 1)
    assert len(stored_weights(elsewhere)) == 1
    assert {path: path.read_bytes() for path in mlruns.rglob("*") if path.is_file()} == before


def test_every_address_of_a_copy_is_its_own(mlruns, elsewhere) -> None:
    assert all(place.startswith(mlruns.as_uri()) for place in addresses(mlruns))
    models.versions(elsewhere, NAME)
    assert all(place.startswith(elsewhere.as_uri()) for place in addresses(elsewhere))
    assert len(addresses(elsewhere)) == len(addresses(mlruns)) == 7


def test_mlflows_own_client_finds_all_in_a_registry_that_was_moved(
    mlruns, elsewhere, tmp_path, rng
) -> None:
    import mlflow.pyfunc

    shutil.rmtree(mlruns)
    models.versions(elsewhere, NAME)
    client = tracking.client(elsewhere)
    [run] = client.search_runs([tracking.experiment(elsewhere)])
    assert [found.path for found in client.list_artifacts(run.info.run_id)] == ["note.html"]
    mlflow.set_tracking_uri(tracking.database_uri(elsewhere))
    mlflow.set_registry_uri(tracking.database_uri(elsewhere))
    images = rng.integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
    served = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    assert served.predict(images).shape == (5, 10)
    mlflow.artifacts.download_artifacts(f"models:/{NAME}/1", dst_path=str(tmp_path / "fetched"))
    assert list((tmp_path / "fetched").rglob("*.safetensors"))


def test_a_settled_database_is_not_written(mlruns, elsewhere) -> None:
    places.settle(elsewhere)
    before = (elsewhere / "mlflow.db").read_bytes()
    places.settle(elsewhere)
    assert (elsewhere / "mlflow.db").read_bytes() == before


# Runs


def test_a_run_is_created_once_per_key_and_logged_twice_with_one_effect(mlruns, tmp_path) -> None:
    run = tracking.start_run(mlruns, "forget", key="r1", tags={"lethe.policy": "abc"})
    assert tracking.start_run(mlruns, "forget", key="r1") == run
    child = tracking.start_run(mlruns, "famr", key="r1/1", parent=run)
    page = tmp_path / "plots" / "a.png"
    page.parent.mkdir()
    page.write_bytes(b"png")
    note = tmp_path / "report.html"
    note.write_text("<p>")
    digest = "a" * 64
    for _ in range(2):
        tracking.log(
            mlruns,
            child,
            params={f"setting{k}": k for k in range(150)},
            metrics={"forget_auc": 0.5},
            history={"loss": [(0, 2.0), (1, 1.0)]},
            artifacts=[page.parent, note],
            datasets=[DatasetUse("train", digest, 1200, "training")],
            tables=[Table("verdicts", ("gate", "value"), [("utility", 0.5), ("bank", None)])],
            tags={"lethe.decision": "refused"},
        )
        tracking.finish(mlruns, child)
    client = tracking.client(mlruns)
    got = client.get_run(child)
    assert got.info.status == "FINISHED"
    assert got.data.tags["mlflow.parentRunId"] == run
    assert len(got.data.params) == 150
    assert got.data.metrics == {"forget_auc": 0.5, "loss": 1.0}
    history = [(m.step, m.value) for m in client.get_metric_history(child, "loss")]
    assert history == [(0, 2.0), (1, 1.0)]
    [used] = got.inputs.dataset_inputs
    assert used.dataset.digest == digest[:36]
    assert json.loads(used.dataset.profile) == {"num_rows": 1200, "digest": digest}
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "training")]
    files = {found.path for found in client.list_artifacts(child)}
    assert files == {"plots", "report.html", "verdicts.json"}


def test_a_table_reads_as_what_mlflow_itself_logs(mlruns) -> None:
    import mlflow

    run = tracking.start_run(mlruns, "forget", key="r1")
    table = Table("verdicts", ("gate", "value"), [("utility", 0.5), ("bank", None)])
    for _ in range(2):
        tracking.log(mlruns, run, tables=[table])
    mlflow.set_tracking_uri(tracking.registry_uri(mlruns))
    client, home = tracking.client(mlruns), tracking.experiment(mlruns)
    found = client.load_table(home, "verdicts.json", run_ids=[run])
    assert found["gate"].tolist() == ["utility", "bank"]


def test_an_experiment_of_an_older_lethe_gets_its_views_with_the_next_run(mlruns) -> None:
    client = tracking.client(mlruns)
    home = client.create_experiment("lethe")
    tracking.start_run(mlruns, "forget", key="r1")
    assert set(views.experiment_tags(home)) <= set(client.get_experiment(home).tags)


def test_a_description_is_put_on_each_version_that_is_there(mlruns, make_version) -> None:
    make_version(1, **{"lethe.run": "r1"})
    for _ in range(2):
        models.describe(mlruns, NAME, {1: "Serves.", 9: "was erased"}, "version 1 serves")
    client = tracking.client(mlruns)
    assert client.get_model_version(NAME, "1").description == "Serves."
    assert client.get_registered_model(NAME).description == "version 1 serves"


def test_a_registry_that_cannot_be_written_is_one_line(tmp_path) -> None:
    blocked = tmp_path / "mlruns"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(RegistryUnavailable) as caught:
        tracking.start_run(blocked, "forget", key="r1")
    assert caught.value.exit_code == 20
    assert "\n" not in str(caught.value)
