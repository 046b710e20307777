"""Whatever bytes and texts come in: they are taken exactly, or refused in a line; nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from systems.data import images
from systems.data.forms.pictures import inspect
from systems.data.gathering import gather
from systems.data.sources import Source
from systems.data.texts import difference, first_alike, look
from systems.settings.params import Params, load_params
from systems.settings.workspace import Workspace, write_templates
from tests.unit import toys
from tests.unit.input.files_of_weights import TENSORS
from tests.unit.input.forms import N, encoded, picture, put
from tests.unit.input.pictures import animated, lying, telephone
from unlearning import networks
from unlearning.errors import IntegrityError, LetheError, UsageError

ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
KINDS = [
    encoded(picture(1)),
    encoded(
        picture(1), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
    ),
    encoded(picture(1), "WEBP"),
    encoded(picture(1), "BMP"),
    encoded(picture(1).quantize(4), "PNG", transparency=0),
    animated("PNG"),
    lying(),
    telephone(),
]


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Params:
    ws = Workspace.at(tmp_path_factory.mktemp("fuzzed") / "workspace")
    write_templates(ws)
    return load_params(ws.root)


@given(st.sampled_from(KINDS), st.data())
@settings(max_examples=100)
def test_a_picture_that_is_taken_can_be_decoded(content: bytes, data: st.DataObject) -> None:
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(0, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(broken[: data.draw(st.integers(0, len(broken)))])
    for tried in (bytes(broken), cut):
        try:
            inspect([tried], [0], name="fuzzed")
        except UsageError as refused:
            assert "row 0" in str(refused)
        else:
            assert images.decode([tried], size=8, channels=3).shape == (1, 3, 8, 8)


@given(st.text())
def test_a_look_looks_like_itself(text: str) -> None:
    assert look(look(text)) == look(text)
    for alike in (f" {text}\t", f"\u200b{text}"):
        assert look(alike) == look(text)


@given(st.lists(st.text(max_size=3), max_size=8))
def test_look_alikes_are_found_wherever_they_are(texts: list[str]) -> None:
    distinct = set(texts)
    pair = first_alike(texts)
    assert (pair is None) == (len({look(text) for text in distinct}) == len(distinct))
    if pair:
        earlier, later = (texts[at] for at in pair)
        assert earlier != later
        assert look(earlier) == look(later)
        assert difference(earlier, later)


@given(st.lists(st.text(min_size=1, max_size=4), min_size=N, max_size=N, unique=True))
@ONE_FOLDER
def test_ids_come_in_exactly_as_written_or_not_at_all(
    tmp_path: Path, params: Params, ids: list[str]
) -> None:
    path = put(tmp_path / "train.parquet", example_id=ids, subject_id=None)
    try:
        found = gather(Source(str(path), as_written=True), params)
    except UsageError as refused:
        assert any(ord(c) < 32 or 127 <= ord(c) < 160 for text in ids for c in text) or any(
            not look(text) for text in ids
        ), refused
    else:
        assert sorted(found.table["subject_id"].to_pylist()) == sorted(ids)
        assert len(set(np.array(ids))) == N  # what numpy makes of them in memory


@given(st.binary(max_size=200))
@ONE_FOLDER
def test_a_manifest_is_taken_or_refused(tmp_path: Path, params: Params, text: bytes) -> None:
    for header in (b"", b"file,label\n", b"file;label;subject\n"):
        (tmp_path / "manifest.csv").write_bytes(header + text)
        with pytest.raises(UsageError):  # none of these has pictures
            gather(Source(str(tmp_path)), params)


@given(st.binary(max_size=60), st.integers(0, 2_000), st.booleans())
@ONE_FOLDER
def test_a_parquet_file_is_taken_or_refused(
    tmp_path: Path, params: Params, new: bytes, at: int, cut: bool
) -> None:
    path = put(tmp_path / "train.parquet")
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + new + (b"" if cut else whole[at + len(new) :]))
    try:
        gather(Source(str(path)), params)
    except UsageError as refused:
        assert "\n" not in str(refused)


RECIPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.text() | RECIPES.map(json.dumps), st.text(max_size=10))
@ONE_FOLDER
def test_another_tools_metadata_is_passed_over(tmp_path: Path, recipe: str, other: str) -> None:
    assume("\ud800" not in recipe)
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"tool": other, "recipe": recipe})
    found = networks.load(tmp_path / "model.safetensors", toys.RECIPE)
    assert found.recipe == toys.RECIPE


@given(st.sampled_from(["classes", "channels", "size", "mean", "std", "network"]), RECIPES)
@ONE_FOLDER
def test_a_recipe_of_ours_works_or_is_refused(tmp_path: Path, name: str, value: object) -> None:
    recipe = json.dumps(asdict(toys.RECIPE) | {name: value})
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"recipe": recipe})
    try:
        found = networks.load(tmp_path / "model.safetensors", toys.RECIPE)
    except UsageError:
        return
    assert (found.recipe.classes, found.recipe.size) == (toys.RECIPE.classes, toys.RECIPE.size)


@given(st.binary(max_size=100), st.integers(0, 400))
@ONE_FOLDER
def test_a_broken_file_of_weights_is_refused(tmp_path: Path, new: bytes, at: int) -> None:
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + new + whole[at + len(new) :])
    try:
        networks.load(path, toys.RECIPE)
    except (UsageError, IntegrityError) as refused:
        assert isinstance(refused, LetheError)
