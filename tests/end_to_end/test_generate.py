"""A class of a generator, and a person's pictures: from `init` to `verify`, by the command line."""

from __future__ import annotations

import io
import re
import shlex
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from systems.settings.workspace import TEMPLATES
from tests.end_to_end.commandline import Answer, Lethe
from tests.end_to_end.followed import blocks

CLASSES, PICTURES, PERSON = 4, 400, 4
FORGOTTEN = "3"
PAGE = (Path(__file__).parents[2] / "docs" / "generators.md").read_text("utf-8")
WAITS = 13
DRAWN = {
    "network": "dit",
    "width": 32,
    "depth": 2,
    "steps": 250,
    "batch_size": 32,
    "learning_rate": 0.004,
    "ema": 0.97,
    "sampling_steps": 5,
}
FEW = {"steps": 10, "batch_size": 16}
RULES: dict[str, Any] = {
    "attempts": 3,
    "drift": {"releases": 5, "share": 0.5},
    "approval": {"class": True},
    "ladder": [
        {"method": "sfr_on", "settings": {**FEW, "sampled": "average"}},
        {"method": "retrain"},
    ],
    "gates": {
        "integrity": {"classes": 2},
        "concept": {"pictures": 30},
        "generated_utility": {"each": 10},
        "recovery": {
            "tuning_steps": 2,
            "shots": 2,
            "shot_steps": [1],
            "row_steps": 2,
            "guidances": [1.0],
        },
    },
}


def squares(path: Path) -> Path:
    """Write pictures of four classes, each with another quarter bright, four of each person."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 40, (PICTURES, 8, 8)).astype(np.uint8)
    for number, image in enumerate(images):
        down, across = divmod(number % CLASSES, 2)
        image[4 * down : 4 * down + 4, 4 * across : 4 * across + 4] += np.uint8(190)
    table = {
        "image": [png(image) for image in images],
        "label": [str(number % CLASSES) for number in range(PICTURES)],
        "example_id": [f"square/{number:03d}" for number in range(PICTURES)],
        "subject_id": [f"person/{number // PERSON:03d}" for number in range(PICTURES)],
    }
    pq.write_table(pa.table(table), path)
    return path


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def drawing(context: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> Lethe:
    """A workspace whose model draws the four classes."""
    folder = tmp_path_factory.mktemp("drawing")
    made = Lethe(folder / "workspace", folder / "tmp", context)
    made.root.mkdir()
    params = yaml.safe_load((TEMPLATES / "params.yaml").read_text())
    params["generator"] = DRAWN
    params["training"] |= {"epochs": 8, "batch_size": 32}
    params["data"]["shards"] = 8
    (made.root / "params.yaml").write_text(yaml.safe_dump(params))
    (made.root / "policy.yaml").write_text(yaml.safe_dump(RULES))
    told = made("init", "--data", str(squares(folder / "squares.parquet"))).json
    assert told["agreement"] > 0.9 and told["judge"]["test_accuracy"] > 0.9
    return made


def verdicts(attempt: dict[str, Any]) -> dict[str, str]:
    return {verdict["gate"]: verdict["outcome"] for verdict in attempt["verdicts"]}


def said(drawing: Lethe, line: str, reference: str = "", code: int = 0) -> Answer:
    """Run a line of the page, in the workspace; reference: what its req-... or run-... is here."""
    words = shlex.split(re.sub(r"(req|run)-\.\.\.", reference, line), comments=True)[1:]
    places = [str(drawing.root / word) if word.startswith("evidence/") else word for word in words]
    return drawing(*places, code=code)


def test_a_class_goes_from_init_to_verify(drawing: Lethe) -> None:
    """As docs/generators.md says. The untouched generator is refused, its stale average too."""
    submit, plan, forget, approve, again, verify = (
        line for block in blocks(PAGE) for line in block.lines
    )
    request = str(said(drawing, submit).json["request"])
    planned = said(drawing, plan, request).json
    assert planned["decidable"]
    assert [row["method"] for row in planned["ladder"]] == ["sfr_on", "retrain"]
    assert any("judge" in copy["what"] for copy in planned["copies"])
    untouched = drawing("judge", "--request", request, "--version", "1", code=10).json
    assert verdicts(untouched)["concept"] == "FAILED"
    said(drawing, forget, request, code=WAITS)
    said(drawing, approve, request)
    done = said(drawing, again, request).json
    stale, retrained = done["attempts"]
    assert verdicts(stale)["concept"] == "FAILED" and stale["decision"] == "refused"
    assert retrained["decision"] == "released" and done["assurance"] == "A3"
    told = said(drawing, verify, done["run"]).json
    assert told["ok"] and told["decision"] == "released"
    gone = [copy for copy in done["copies"] if copy["where"] == "artifacts/trained"]
    assert {copy["status"] for copy in gone} == {"removed"}
    assert {copy["what"].split()[0].strip(",") for copy in gone} == {"judge", "network"}
    assert not (drawing.root / "artifacts" / "trained").exists()
    # Of what refused candidates draw nothing is kept: it may show the class.
    assert [path.name for path in (Path(done["evidence"]) / "plots").iterdir()] == ["sheet-2.png"]


@pytest.mark.long
def test_a_persons_pictures_are_served_by_exact_retraining_alone(drawing: Lethe) -> None:
    request = drawing.submit("--subject", "person/001")
    plan = drawing("plan", request).json
    assert not plan["decidable"] and "one class that goes whole" in plan["why"]
    assert [row["method"] for row in plan["ladder"]] == ["retrain"]
    refused = drawing("forget", request, "--method", "sfr_on", code=12)
    assert "exact retraining alone" in refused.err
    done = drawing("forget", request, code=None).json
    assert {attempt["method"] for attempt in done["attempts"]} == {"retrain"}
    assert {one["method"] for one in done["not_tried"]} == {"sfr_on"}
    assert all("one class that goes whole" in one["why"] for one in done["not_tried"])
    assert all(verdicts(one)["concept"] == "INCONCLUSIVE" for one in done["attempts"])
    assert done["assurance"] in ("A3", "A0")  # by lineage, or nothing is released
