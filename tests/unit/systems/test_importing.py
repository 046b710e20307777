"""What may come in and how it is split and sharded; what may not is named by its row."""

from __future__ import annotations

import hashlib
import hmac
import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from systems.data import images
from systems.data.digits import digits_table
from systems.data.gathering import gather
from systems.data.sharding import Dataset, shard_bytes, spread
from systems.data.sources import Columns, Source
from systems.data.splitting import draw_splits
from systems.settings.params import Params, load_params
from systems.settings.workspace import Workspace, write_templates
from unlearning.errors import UsageError


def png(seed: int, *, size: tuple[int, int] = (8, 8), mode: str = "L") -> bytes:
    shape = size[::-1] if mode == "L" else (*size[::-1], 3)
    pixels = np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def columns(n: int = 40, **changed: Any) -> dict[str, Any]:
    """40 examples of 10 people and 2 classes."""
    made = {
        "image": [png(i) for i in range(n)],
        "label": [i % 2 for i in range(n)],
        "subject_id": [f"person/{i // 4}" for i in range(n)],
        "example_id": [f"e{i:03d}" for i in range(n)],
    }
    return {name: column for name, column in (made | changed).items() if column is not None}


def at(values: list[Any], row: int, value: Any) -> list[Any]:
    return [*values[:row], value, *values[row + 1 :]]


@pytest.fixture
def params(tmp_path: Path) -> Params:
    ws = Workspace.at(tmp_path / "workspace")
    write_templates(ws)
    return load_params(ws.root)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "offered"
    made.mkdir()
    return made


def offer(folder: Path, table: dict[str, Any], name: str = "train") -> str:
    path = folder / f"{name}.parquet"
    pq.write_table(pa.table(table), path)
    return str(path)


def taken(source: Source, params: Params) -> tuple[pa.Table, Dataset]:
    gathered = gather(source, params)
    return gathered.table, gathered.dataset


def given(train: str, split: str, path: Path) -> Source:
    return Source(train, test=path) if split == "test" else Source(train, holdout=path)


def test_a_parquet_file_comes_in_whole(folder: Path, params: Params) -> None:
    table, dataset = taken(Source(offer(folder, columns(style=["a", None] * 20))), params)
    assert table.num_rows == 40
    assert dataset.classes == ("0", "1")
    assert (dataset.size, dataset.channels, dataset.attributes) == (8, 1, ("style",))
    assert Counter(table["style"].to_pylist()) == {"a": 20, "": 20}
    assert table.schema.field("label").type == pa.int16()


def test_nobody_is_in_two_splits(folder: Path, params: Params) -> None:
    table, _ = taken(Source(offer(folder, columns())), params)
    pairs = set(zip(table["subject_id"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert len(pairs) == 10
    assert Counter(split for _, split in pairs) == {"train": 6, "holdout": 2, "test": 2}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"example_id": lambda c: at(c, 7, "e003")}, "row 7: its example id is that of row 3"),
        ({"example_id": lambda c: at(c, 7, None)}, "row 7: example id is empty"),
        ({"example_id": lambda c: at(c, 7, " ")}, "row 7: example id is empty"),
        ({"subject_id": lambda c: at(c, 5, None)}, "row 5: subject is empty"),
        ({"label": lambda c: at(c, 9, None)}, "row 9: label is empty"),
        ({"label": lambda c: at(c, 9, 17)}, "row 9: label 17 is out of range, expected 0 to 2"),
        ({"label": lambda c: at(c, 9, -1)}, "row 9: label -1 is out of range, expected 0 to 2"),
        ({"label": lambda c: [float(x) for x in c]}, "label column is double"),
        ({"image": lambda c: at(c, 11, None)}, "row 11: image is empty"),
        ({"image": lambda c: at(c, 11, b"no")}, "row 11: image cannot be decoded (cannot identify"),
        ({"image": lambda c: at(c, 11, c[0][:-40])}, "row 11: image cannot be decoded ("),
        ({"image": lambda c: [str(i) for i in range(len(c))]}, "image column is string"),
        (
            {"image": lambda c: None},
            "it has label, subject_id, example_id: name one of them with --image",
        ),
        ({"label": lambda c: None}, "has no column 'label'"),
    ],
)
def test_what_does_not_fit_is_named_by_its_row(
    folder: Path, params: Params, change: dict[str, Any], said: str
) -> None:
    good = columns()
    table = columns(**{name: edit(good[name]) for name, edit in change.items()})
    with pytest.raises(UsageError) as caught:
        gather(Source(offer(folder, table)), params)
    assert said in str(caught.value)
    assert str(caught.value).startswith("offered/train.parquet: ")
    assert "person/" not in str(caught.value)


def test_a_flipped_bit_in_an_image_is_found(folder: Path, params: Params) -> None:
    broken = bytearray(png(3))
    broken[60] ^= 4
    table = columns(image=at(columns()["image"], 3, bytes(broken)))
    with pytest.raises(UsageError, match="row 3: image cannot be decoded"):
        gather(Source(offer(folder, table)), params)


def test_without_subjects_everybody_has_one_example(folder: Path, params: Params) -> None:
    table, _ = taken(Source(offer(folder, columns(subject_id=None, example_id=None))), params)
    assert table["subject_id"].to_pylist() == table["example_id"].to_pylist()
    assert sorted(table["example_id"].to_pylist())[7] == "row/000007"


def test_columns_are_named_by_options(folder: Path, params: Params) -> None:
    """`label` is then an attribute of the source; so is a column called `split`."""
    table = columns(kind=["b", "a"] * 20, who=list(range(40)), split=["x"] * 40)
    source = Source(offer(folder, table), columns=Columns(label="kind", subject="who"))
    gathered, dataset = taken(source, params)
    assert dataset.classes == ("a", "b")
    assert gathered["label"].to_pylist()[:2] == [1, 0]
    assert dataset.attributes == ("source_label", "source_split", "source_subject_id")
    with pytest.raises(UsageError, match=r"has no column 'nowhere'.*--label"):
        gather(Source(source.data, columns=Columns(label="nowhere")), params)


def test_images_in_records_come_in(folder: Path, params: Params) -> None:
    records = [{"bytes": image, "path": "x.png"} for image in columns()["image"]]
    table, _ = taken(Source(offer(folder, columns(image=records))), params)
    assert table["image"][0].as_py() == png(0)


def test_class_names_are_taken_where_they_fit_the_labels(folder: Path, params: Params) -> None:
    named = columns(class_name=["cat", "dog"] * 20)
    _, dataset = taken(Source(offer(folder, named)), params)
    assert (dataset.classes, dataset.attributes) == (("cat", "dog"), ())
    loose = columns(class_name=["cat", "dog", "cat", "cow"] * 10)
    _, dataset = taken(Source(offer(folder, loose)), params)
    assert (dataset.classes, dataset.attributes) == (("0", "1"), ("class_name",))


def test_another_file_gives_the_test_set(folder: Path, params: Params) -> None:
    train = offer(folder, columns(class_name=["cat", "dog"] * 20))
    new: dict[str, Any] = {
        "subject_id": [f"other/{i}" for i in range(40)],
        "example_id": [f"t{i}" for i in range(40)],
    }
    test = Path(offer(folder, columns(class_name=["cat", "dog"] * 20, **new), "test"))
    table, _ = taken(Source(train, test=test), params)
    assert Counter(table["split"].to_pylist()) == {"train": 32, "holdout": 8, "test": 40}
    swapped = Path(offer(folder, columns(class_name=["dog", "cat"] * 20, **new), "swapped"))
    with pytest.raises(UsageError, match=r"swapped\.parquet: row 0: label and class_name disagree"):
        gather(Source(train, test=swapped), params)
    third = Path(offer(folder, columns(label=[0, 1, 2, 1] * 10, **new), "third"))
    with pytest.raises(UsageError, match=r"third\.parquet: row 2: its label is no class"):
        gather(Source(train, test=third), params)


@pytest.mark.parametrize("split", ["test", "holdout"])
def test_who_is_trained_on_may_not_be_in_another_set(
    folder: Path, params: Params, split: str
) -> None:
    train = offer(folder, columns())
    other = Path(offer(folder, columns(example_id=[f"t{i}" for i in range(40)]), "other"))
    with pytest.raises(UsageError, match="row 0: its subject is also in offered"):
        gather(given(train, split, other), params)
    with pytest.raises(UsageError, match="row 0: its example id is also in"):
        gather(given(train, split, Path(train)), params)


def test_a_folder_with_a_manifest_comes_in(folder: Path, params: Params) -> None:
    lines = ["file,label,subject,style"]
    for i in range(40):
        (folder / f"{i}.png").write_bytes(png(i, mode="RGB"))
        lines.append(f"{i}.png,{'cat' if i % 2 else 'ape'},p{i // 4},s{i % 3}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    table, dataset = taken(Source(str(folder)), params)
    assert (dataset.classes, dataset.attributes) == (("ape", "cat"), ("style",))
    assert dataset.channels == 3
    assert len(set(table["subject_id"].to_pylist())) == 10


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "", "link.png", "none.png"])
def test_a_manifest_leads_to_files_inside_its_folder_only(
    folder: Path, params: Params, name: str
) -> None:
    (folder.parent / "secret.png").write_bytes(png(0))
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "a.png").write_bytes(png(1))
    (folder / "manifest.csv").write_text(f"file,label\na.png,0\n{name},1\n")
    with pytest.raises(UsageError, match=r"manifest.csv: row 1"):
        gather(Source(str(folder)), params)


def test_files_of_another_kind_are_refused(folder: Path, params: Params) -> None:
    pickle = folder / "data.pkl"
    pickle.write_bytes(b"\x80\x04K\x01.")
    for offered in (str(pickle), str(folder / "absent.parquet"), str(folder)):
        with pytest.raises(UsageError) as caught:
            gather(Source(offered), params)
        assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match="has no rows"):
        gather(Source(offer(folder, {"image": pa.array([], pa.binary()), "label": []})), params)


def test_limit_keeps_so_many_for_training_and_a_holdout_in_proportion() -> None:
    """Of 1,000 single rows, limit 100 and holdout .5: 50 held out, 100 trained on, 850 left out."""
    subjects = np.array([f"{i:04d}" for i in range(1000)])
    splits = draw_splits(subjects, np.random.default_rng(0), holdout=0.5, test=0.0, limit=100)
    assert Counter(splits.tolist()) == {"": 850, "train": 100, "holdout": 50}


def test_a_split_exceeds_its_share_by_less_than_one_subject() -> None:
    subjects = np.repeat([f"s{i}" for i in range(30)], 7)
    splits = draw_splits(subjects, np.random.default_rng(1), holdout=0.2, test=0.1)
    counts = Counter(splits.tolist())
    assert (counts["holdout"], counts["test"]) == (42, 21)  # 6 and 3 subjects of 7, of 210 rows


def test_the_seed_decides_the_splits() -> None:
    subjects = np.array([f"{i}" for i in range(100)])

    def drawn(seed: int) -> list[str]:
        rng = np.random.default_rng(seed)
        splits: list[str] = draw_splits(subjects, rng, holdout=0.3, test=0.2).tolist()
        return splits

    assert drawn(0) == drawn(0) != drawn(1)


def test_digits_have_people_of_about_a_dozen_and_the_stated_share_of_wrong_labels() -> None:
    from sklearn.datasets import load_digits

    table = digits_table(np.random.default_rng(0), people_images=12, label_noise=0.1)
    wrong = np.array(table["label"].to_pylist()) != load_digits().target
    assert wrong.sum() == 180  # round(.1 * 1797)
    assert set(table["label"].to_pylist()) == set(range(10))
    sizes = Counter(table["subject_id"].to_pylist())
    assert len(sizes) == 149  # 1797 // 12
    assert 11 < np.mean(list(sizes.values())) < 13
    decoded = images.decode(table["image"].to_pylist()[:3], size=8, channels=1)
    assert decoded.max() == 255
    assert decoded.shape == (3, 1, 8, 8)


def test_images_of_another_size_are_scaled_when_decoded() -> None:
    flat = io.BytesIO()
    Image.new("RGB", (20, 10), (10, 200, 30)).save(flat, "PNG")
    decoded = images.decode([flat.getvalue(), png(1, mode="RGB")], size=8, channels=3)
    assert decoded.shape == (2, 3, 8, 8)
    assert decoded[0, :, 4, 4].tolist() == [10, 200, 30]
    with Image.open(io.BytesIO(png(1, mode="RGB"))) as image:
        assert decoded[1].transpose(1, 2, 0).tolist() == np.asarray(image).tolist()


def test_one_person_lies_in_one_shard_named_by_the_keyed_hash() -> None:
    key = b"k" * 32
    table = pa.table({"subject_id": ["ann", "bob", "ann", "cid"], "row": [0, 1, 2, 3]})
    shards = spread(table, key=key, shards=16)
    digest = hmac.new(key, b"ann", hashlib.sha256).digest()
    name = f"{int.from_bytes(digest, 'big') % 16:02x}"
    assert {0, 2} <= set(shards[name]["row"].to_pylist())
    assert sum(len(shard) for shard in shards.values()) == 4


def test_the_same_rows_give_the_same_bytes(folder: Path, params: Params) -> None:
    table, _ = taken(Source(offer(folder, columns())), params)
    backwards = table.take(list(range(table.num_rows))[::-1])
    assert shard_bytes(table) == shard_bytes(backwards)


def test_what_depends_on_a_librarys_version_is_not_in_a_shard(folder: Path, params: Params) -> None:
    """No compression, no statistics, no schema of Arrow's, no name of pyarrow's."""
    table = gather(Source(offer(folder, columns())), params).table
    content = shard_bytes(table)
    metadata = pq.ParquetFile(pa.BufferReader(content)).metadata
    columns_of = [metadata.row_group(0).column(i) for i in range(metadata.num_columns)]
    assert {column.compression for column in columns_of} == {"UNCOMPRESSED"}
    assert not any(column.is_stats_set for column in columns_of)
    assert (metadata.created_by, metadata.metadata) == ("lethe", None)
    assert b"arrow" not in content.lower()


def test_the_digits_pictures_are_png_that_nobody_compressed() -> None:
    from sklearn.datasets import load_digits

    made = digits_table(np.random.default_rng(0), people_images=12, label_noise=0.1)
    decoded = images.decode(made["image"].to_pylist(), size=8, channels=1)
    expected = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    assert np.array_equal(decoded[:, 0], expected)
    assert {len(image) for image in made["image"].to_pylist()} == {140}
