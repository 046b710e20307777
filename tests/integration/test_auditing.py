"""The steps of an audit over a small workspace, without a server: models, report, log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger import keys
from ledger.domain import Selector, State
from systems.data import importing
from systems.data.sources import Columns, Source
from systems.settings.params import change_params, load_params
from systems.settings.workspace import Workspace, write_templates
from tasks import audit as steps
from tasks import train
from tasks.extract import find
from tasks.references import class_out, forgets_a_class, geometry_notes
from tasks.running.opened import Opened, opened
from tasks.running.parts import bank_state, cut, parts_of
from tasks.running.records import utc_now
from unlearning.digests import canonical_json, sha256_hex
from unlearning.domain import SPLITS
from unlearning.errors import RequestDenied, UsageError
from unlearning.gates.geometry import Geometry

SETTINGS = {"training.epochs": 2, "bank.shadows": 8, "bank.workers": 1}
COLUMNS = Columns(image="image", label="label", subject=None, example=None)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Make a workspace of 300 digits, a champion of two epochs and eight shadows."""
    ws = Workspace.at(tmp_path_factory.mktemp("audits"))
    write_templates(ws)
    change_params(ws.root, SETTINGS)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    source = Source(data="digits", columns=COLUMNS, test=None, holdout=None, limit=300)
    key = keys.shard_key(ws.keys)
    importing.import_dataset(
        ws, source, load_params(ws.root), key=key, suppressed=lambda example, image: False
    )
    made = opened(str(ws.root))
    train.register_first(made, train.train(made))
    train.build_bank(made)
    return made


def submit(at: Opened, selector: Selector) -> str:
    ids = find(at.ws, [selector])
    request = at.ledger.submit(
        selector,
        received_at=utc_now(),
        jurisdiction="gdpr",
        idempotency_key=None,
        examples=sum(len(ids[part]) for part in SPLITS),
        now=utc_now(),
    )
    return request.ref


def audit(at: Opened, request: str) -> dict[str, Any]:
    case = steps.begin(at, request, None, None)
    retrained = steps.retrain(at, case, 3)
    return steps.record(at, case, retrained, steps.measure(at, case, retrained))


def test_a_class_is_audited_with_all_that_can_be_measured(at: Opened) -> None:
    """The champion beside itself: it lost no confidence, and its body has not moved."""
    found = audit(at, submit(at, Selector("class", ("3",))))
    for row in found["audits"]:
        assert bool(row["measurements"]) is (row["not_measured"] is None)
    missing = {row["audit"]: row["not_measured"] for row in found["audits"] if row["not_measured"]}
    assert set(missing) == {"klom", "collateral_erased_before"}
    assert missing["collateral_erased_before"] == "nobody was erased"
    measured = {m["name"]: m for row in found["audits"] for m in row["measurements"]}
    assert measured["pair_auc/holdout"]["value"] == 0.5
    assert (measured["moved/body"]["value"], measured["moved/body"]["inside"]) == (0.0, "below")
    assert measured["class_tv"]["reference_low"] < measured["class_tv"]["reference_high"]

    content = Path(found["report"]).read_bytes()
    assert sha256_hex(content) == found["sha256"]
    assert canonical_json(json.loads(content)) == content
    (logged,) = [e.body for e in at.ledger.log.entries() if e.event == "audited"]
    assert logged["report"] == found["sha256"]
    assert set(logged) == {"request", "candidate", "original", "data_version", "report"}
    train = parts_of(at).train
    texts = [*train.ids[train.labels == 3], *train.subjects[train.labels == 3]]
    assert not [name for name in texts if name.encode() in content]


def test_models_to_compare_with_are_trained_once_and_never_saw_the_class(at: Opened) -> None:
    ids = find(at.ws, [Selector("class", ("3",))])
    split = cut(at, ids, likewise=True)
    assert forgets_a_class(split)
    made = class_out(at, ids["train"], split, [Geometry()])
    times = [model.weights.stat().st_mtime_ns for model in made]
    again = class_out(at, ids["train"], split, [Geometry()])
    assert (len({model.sha256 for model in made}), again) == (3, made)
    assert [model.weights.stat().st_mtime_ns for model in again] == times
    notes = geometry_notes(split, [Geometry()], made)["class_out_models"]
    assert notes["sha256"] == [model.sha256 for model in made]
    assert notes["seconds"] == round(sum(model.seconds for model in made), 1)


def test_a_class_request_without_the_gate_says_that_geometry_was_not_measured(at: Opened) -> None:
    ids = find(at.ws, [Selector("class", ("3",))])
    split = cut(at, ids, likewise=True)
    assert class_out(at, ids["train"], split, []) == ()
    assert "no gate `geometry`" in geometry_notes(split, [], ())["not_measured"][0]
    for request in at.ledger.requests(None, utc_now()):
        at.ledger.move(request.ref, State.DENIED, now=utc_now())  # or nobody may learn the class
    one = cut(at, {**ids, "train": ids["train"][:1]}, likewise=False)
    assert class_out(at, ids["train"][:1], one, [Geometry()]) == ()
    assert geometry_notes(one, [], ()) == {}


def test_what_cannot_be_audited_is_refused_in_a_line(at: Opened) -> None:
    holdout = parts_of(at).holdout.ids[:1].tolist()
    with pytest.raises(RequestDenied, match="selects no training example"):
        steps.begin(at, submit(at, Selector("example", tuple(holdout))), None, None)
    with pytest.raises(UsageError, match="expected one of them, or neither"):
        steps.begin(at, "req-0", Path("weights.safetensors"), 1)


def test_a_bank_that_nobody_left_need_not_be_built_again(at: Opened) -> None:
    state = bank_state(at, train.recipe_of(at))
    assert state is not None
    assert (state.left, state.unseen, state.rebuild) == (state.built, 4, None)
