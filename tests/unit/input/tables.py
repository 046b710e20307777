"""Manifests, folders of pictures, Parquet."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from systems.data.gathering import Gathered
from systems.data.sources import Columns, Source
from tests.unit.input.forms import REFUSED, TAKEN, Form, N, classes, columns, encoded, picture, put
from tests.unit.input.forms import table as parquet

LINES = [(f"{i}.png", "cat" if i % 2 else "ape", f"p{i // 4}") for i in range(N)]
HEADER = ("file", "label", "subject")


def pictures(folder: Path) -> None:
    """Put 40 pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(N):
        (folder / f"{i}.png").write_bytes(encoded(picture(i)))


def written(
    lines: list[tuple[str, ...]] = LINES,
    header: tuple[str, ...] = HEADER,
    *,
    mark: str = ",",
    end: str = "\n",
    encoding: str = "utf-8",
    **options: Any,
) -> Callable[[Path], Source]:
    """Give a maker of a folder with this manifest."""

    def make(folder: Path) -> Source:
        pictures(folder / "photos")
        text = end.join(mark.join(fields) for fields in (header, *lines))
        (folder / "photos" / "manifest.csv").write_bytes(text.encode(encoding))
        return Source(str(folder / "photos"), columns=Columns(**options))

    return make


def first(name: str) -> list[tuple[str, ...]]:
    """Name another file in the first row."""
    return [(name, *LINES[0][1:]), *LINES[1:]]


def below(folder: Path) -> Source:
    """Name the files as Windows does."""
    pictures(folder / "photos" / "images")
    lines = [HEADER, *((f"images\\{file}", *rest) for file, *rest in LINES)]
    (folder / "photos" / "manifest.csv").write_text("\n".join(map(",".join, lines)))
    return Source(str(folder / "photos"))


def linked(folder: Path) -> Source:
    """Link to a file outside."""
    (folder / "secret.png").write_bytes(encoded(picture(0)))
    made = written(first("link.png"))(folder)
    (folder / "photos" / "link.png").symlink_to(folder / "secret.png")
    return made


def pipe(folder: Path) -> Source:
    """Name a pipe that nobody writes into."""
    made = written(first("pipe.png"))(folder)
    os.mkfifo(folder / "photos" / "pipe.png")
    return made


def by_class(folder: Path) -> Source:
    """Make one subfolder a class."""
    for i in range(N):
        path = folder / "photos" / ("cat" if i % 2 else "ape") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(i)))
    (folder / "photos" / ".DS_Store").write_bytes(b"")
    return Source(str(folder / "photos"))


def with_file(name: str) -> Callable[[Path], Source]:
    """Put a file, or an empty folder, into the folder of classes."""

    def make(folder: Path) -> Source:
        made = by_class(folder)
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not a picture") if path.suffix else path.mkdir()
        return made

    return make


def loose(folder: Path) -> Source:
    """Leave the manifest out."""
    pictures(folder / "photos")
    return Source(str(folder / "photos"))


def named(names: list[str] | None, column: str = "label") -> bytes:
    """Write the metadata of Hugging Face."""
    feature = {"names": names, "_type": "ClassLabel"} if names else {"dtype": "int64"}
    return json.dumps({"info": {"features": {column: feature}}}).encode()


def table(metadata: bytes, **changed: Any) -> pa.Table:
    """Make a table as Hugging Face's data sets are."""
    records = [{"bytes": image, "path": "x.png"} for image in columns()["image"]]
    made = pa.table(columns(image=None, subject_id=None, **changed) | {"img": records})
    return made.replace_schema_metadata({b"huggingface": metadata})


def hugging(metadata: bytes, **changed: Any) -> Callable[[Path], Source]:
    """Give a maker of one such file."""

    def make(folder: Path) -> Source:
        folder.mkdir(exist_ok=True)
        pq.write_table(table(metadata, **changed), folder / "train.parquet")
        return Source(str(folder / "train.parquet"))

    return make


def other_names(folder: Path) -> Source:
    """Name the classes of the test set in another order."""
    made = hugging(named(["ape", "cat"]))(folder)
    ids = [f"t{i}" for i in range(N)]
    swapped = table(named(["cat", "ape"])).drop_columns(["example_id"])
    pq.write_table(swapped.append_column("example_id", pa.array(ids)), folder / "test.parquet")
    return Source(made.data, test=folder / "test.parquet")


def parts(*names: str, **second: Any) -> Callable[[Path], Source]:
    """Give a maker of a folder of parts, the second changed."""

    def make(folder: Path) -> Source:
        for number, name in enumerate(names):
            more: dict[str, Any] = second if number else {}
            ids = [f"{number}/{i}" for i in range(N)]
            put(folder / "data" / name, **({"example_id": ids, "subject_id": ids} | more))
        return Source(str(folder / "data"))

    return make


def cut(folder: Path) -> Source:
    """Cut a file short."""
    path = put(folder / "train.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    return Source(str(path))


def twice(folder: Path) -> Source:
    """Name two columns alike."""
    made = columns()
    both = [*made.values(), made["label"]]
    pq.write_table(pa.table(both, names=[*made, "label"]), folder / "train.parquet")
    return Source(str(folder / "train.parquet"))


def broken_text(folder: Path) -> Source:
    """Write ids that are no UTF-8."""
    ids = pa.array([b"\xff\xfe%d" % i for i in range(N)]).view(pa.string())
    return parquet(subject_id=ids)(folder)


def elsewhere(name: str, content: bytes) -> Callable[[Path], Source]:
    """Give a maker of a file of another kind."""

    def make(folder: Path) -> Source:
        (folder / name).write_bytes(content)
        return Source(str(folder / name))

    return make


def of_people(found: Gathered) -> None:
    assert found.dataset.classes == ("ape", "cat")
    assert set(found.table["subject_id"].to_pylist()) == {f"p{i}" for i in range(10)}


def of_files(found: Gathered) -> None:
    assert found.dataset.classes == ("ape", "cat")
    assert "ape/0.png" in found.table["example_id"].to_pylist()


def double(found: Gathered) -> None:
    assert found.table.num_rows == 2 * N


QUOTED = [
    (f'"{name}"', '"cat, wild"' if i % 2 else "ape", p) for i, (name, _, p) in enumerate(LINES)
]
RECORDS = [{"bytes": image, "path": "x.png"} for image in columns()["image"][1:]]
RECORDS = [*RECORDS, {"bytes": None, "path": "x.png"}]
PAIR = ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet")

MANIFESTS = [
    Form("columns `file`, `label`, `subject`", TAKEN, "needs no option", written(), of_people),
    Form("other names, by --image, --label, --subject", TAKEN, "the same",
         written(header=("photo", "kind", "who"), image="photo", label="kind", subject="who"),
         of_people),
    Form("semicolons", TAKEN, "the same", written(mark=";"), of_people),
    Form("tabs", TAKEN, "the same", written(mark="\t"), of_people),
    Form("a BOM, CRLF", TAKEN, "the same", written(end="\r\n", encoding="utf-8-sig"), of_people),
    Form("commas in quotes", TAKEN, "part of the text", written(QUOTED),
         classes("ape", "cat, wild")),
    Form("backslashes in paths", TAKEN, "as slashes", below, of_people),
    Form("a column without a name", TAKEN, "left out",
         written([("7", *line) for line in LINES], ("", *HEADER)), of_people),
    Form("UTF-16, Latin-1", REFUSED, "is no UTF-8 text", written(encoding="utf-16")),
    Form("commas and semicolons in the header", REFUSED, "expected one kind between the columns",
         written(header=("file", "label;old", "subject"))),
    Form("blanks around a column's name", REFUSED, "has blanks around its name",
         written(header=("file", " label", "subject"))),
    Form("a column twice", REFUSED, "has the column 'label' 2 times",
         written(header=("file", "label", "label"))),
    Form("columns that look alike", REFUSED, "differ only by case",
         written(header=("file", "label", "Label"))),
    Form("no column of files or labels", REFUSED, "has no column 'image' or 'img' or 'file'",
         written(header=("name", "label", "subject"))),
    Form("no rows", REFUSED, "has no rows", written([])),
    Form("a row with more or fewer fields", REFUSED, "fields, expected 3 as in the header",
         written([*LINES, ("x.png", "cat")])),
    Form("a file outside the folder, `..` or by a link", REFUSED, "leads out of the folder",
         linked),
    Form("an absolute path, a drive", REFUSED, "leads out of the folder",
         written(first("C:\\a.png"))),
    Form("a file that is not there", REFUSED, "the file cannot be read (No such file",
         written(first("none.png"))),
    Form("a pipe, a device, a folder", REFUSED, "is no plain file", pipe),
    Form("a NUL in a path", REFUSED, "the file cannot be read", written(first("a\0.png"))),
]  # fmt: skip

FOLDERS = [
    Form("one subfolder a class", TAKEN, "file names are example ids, every picture is a person",
         by_class, of_files, "names no people"),
    Form("an empty subfolder", REFUSED, "holds no picture", with_file("dog")),
    Form("a file that is no picture", REFUSED, "holds a file that is no picture",
         with_file("ape/notes.txt")),
    Form("folders in folders", REFUSED, "holds folders, expected the pictures of one class",
         with_file("ape/young")),
    Form("pictures in no subfolder, without a manifest", REFUSED, "lie in no subfolder of a class",
         loose),
]  # fmt: skip

PARQUET = [
    Form("encoded images as binary", TAKEN, "needs no option if named `image`", parquet(),
         classes("0", "1")),
    Form("Hugging Face: bytes and path, class names in the metadata", TAKEN,
         "the names of the metadata, classes without examples too",
         hugging(named(["ape", "cat", "dog"])), classes("ape", "cat", "dog")),
    Form("another tool's metadata", TAKEN, "passed over", hugging(b"{"), classes("0", "1")),
    Form("a label beyond the metadata's names", REFUSED, "2 class names in its metadata",
         hugging(named(["ape", "cat"]), label=[i % 3 for i in range(N)])),
    Form("other names in the test set's metadata", REFUSED, "names the classes otherwise",
         other_names),
    Form("a path without bytes", REFUSED, "a path only",
         parquet(image=RECORDS)),
    Form("decoded pixels, text", REFUSED, "expected the encoded image files as binary",
         parquet(image=[[0, 1]] * N)),
    Form("a folder of parts", TAKEN, "one data set", parts(*PAIR), double),
    Form("a folder that lacks a part", REFUSED, "holds 1 of 2 parts", parts(PAIR[0])),
    Form("parts of several sets in one folder", REFUSED, "holds the parts of several sets",
         parts("test-00000-of-00001.parquet", "train-00000-of-00001.parquet")),
    Form("parts with other columns or types", REFUSED, "has other columns, types or class names",
         parts("a.parquet", "b.parquet", label=["x", "y"] * (N // 2))),
    Form("a column twice", REFUSED, "has the column 'label' more than once", twice),
    Form("ids that are no UTF-8", REFUSED, "holds text that is no UTF-8", broken_text),
    Form("cut off, or no Parquet at all", REFUSED, "is no readable Parquet file", cut),
    Form("a pickle, a ZIP file, HDF5...", REFUSED, "is no readable Parquet file",
         elsewhere("data.pkl", b"\x80\x04K\x01.")),
]  # fmt: skip
