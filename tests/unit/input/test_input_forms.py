"""Every form of input: what comes of it is what docs/input.md says; nothing is silently wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from systems.compute import producing
from systems.data import images
from systems.data.gathering import gather
from systems.settings.params import Params, load_params
from systems.settings.workspace import Workspace, write_templates
from tests.unit.input.files_of_weights import WEIGHTS
from tests.unit.input.forms import REFUSED, TAKEN, Form
from tests.unit.input.pictures import PICTURES
from tests.unit.input.tables import FOLDERS, MANIFESTS, PARQUET
from tests.unit.input.words import IDS, LABELS
from unlearning.errors import LetheError, UsageError

DOCS = Path(__file__).parents[3] / "docs" / "input.md"
DATA = {
    "Pictures": PICTURES,
    "Labels": LABELS,
    "Ids of people and examples": IDS,
    "Manifests": MANIFESTS,
    "Folders of pictures": FOLDERS,
    "Parquet": PARQUET,
}
ALL = {**DATA, "Weights and networks": WEIGHTS}


def cases(forms: dict[str, list[Form]], outcome: str) -> list[object]:
    return [
        pytest.param(form, id=f"{kind}: {form.name}")
        for kind, listed in forms.items()
        for form in listed
        if form.outcome == outcome
    ]


@pytest.fixture
def params(tmp_path: Path) -> Params:
    ws = Workspace.at(tmp_path / "workspace")
    write_templates(ws)
    return load_params(ws.root)


@pytest.mark.parametrize("form", cases(DATA, TAKEN))
def test_what_is_taken(form: Form, tmp_path: Path, params: Params) -> None:
    found = gather(form.make(tmp_path), params)
    form.check(found)
    assert form.notes in "\n".join(found.notes)
    data, stored = found.dataset, found.table["image"].to_pylist()
    assert images.decode(stored, size=data.size, channels=data.channels).shape[0] == len(stored)


@pytest.mark.parametrize("form", cases(DATA, REFUSED))
def test_what_is_refused(form: Form, tmp_path: Path, params: Params) -> None:
    with pytest.raises(UsageError) as caught:
        gather(form.make(tmp_path), params)
    line = str(caught.value)
    assert form.words in line
    assert "\n" not in line
    assert not re.search(r"person/|p\d\b|e00\d", line)  # nobody's id


@pytest.mark.parametrize("form", cases({"Weights": WEIGHTS}, TAKEN))
def test_weights_that_are_taken(form: Form, tmp_path: Path) -> None:
    path, recipe, given = form.make(tmp_path)
    form.check(producing.brought(path, recipe, given=given))


@pytest.mark.parametrize("form", cases({"Weights": WEIGHTS}, REFUSED))
def test_weights_that_are_refused(form: Form, tmp_path: Path) -> None:
    with pytest.raises(LetheError) as caught:
        path, recipe, given = form.make(tmp_path)
        producing.brought(path, recipe, given=given)
    assert form.words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ALL)
def test_the_docs_have_the_same_table(kind: str) -> None:
    text = DOCS.read_text()
    section = text.partition(f"### {kind}\n")[2].partition("\n#")[0]
    found = [line for line in section.splitlines() if line.startswith("|")]
    rows = [f"| {form.name} | {form.outcome} | {form.words} |" for form in ALL[kind]]
    assert found[2:] == rows
