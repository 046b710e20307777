"""A first model that cannot work is refused before it serves: no successor could be released."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ledger import keys
from systems.data import importing
from systems.data.sources import Columns, Source
from systems.registry import models
from systems.settings.params import change_params, load_params
from systems.settings.workspace import Workspace, write_templates
from tasks import train
from tasks.running.opened import Opened, opened
from tasks.running.parts import parts_of
from unlearning import networks
from unlearning.digests import sha256_file
from unlearning.errors import InfrastructureError, IntegrityError, UsageError
from unlearning.heads.fitting import fitted
from unlearning.networks import Recipe


@pytest.fixture
def at(tmp_path: Path) -> Opened:
    """Make a workspace of 200 digits without a model."""
    ws = Workspace.at(tmp_path)
    write_templates(ws)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    source = Source("digits", columns=Columns(), limit=200)
    importing.import_dataset(ws, source, load_params(ws.root), key=keys.shard_key(ws.keys))
    return opened(str(ws.root))


def test_a_network_that_answers_one_class_never_serves(at: Opened) -> None:
    """A rate of 1e-30 moves no weight; here all answers are made alike by hand."""
    change_params(at.ws.root, {"training.epochs": 1})
    made = train.train(opened(at.root))
    network = networks.load(made.weights)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    networks.save(network, made.weights)
    same = replace(made, sha256=sha256_file(made.weights))
    with pytest.raises(UsageError, match=r"answers only 1 class .* --learning-rate") as refused:
        train.register_first(opened(at.root), same)
    assert refused.value.exit_code == 2
    assert at.ledger.log.find("initialised") is None
    assert models.versions(at.ws.mlruns, at.params.model.name) == ()


def test_a_rate_that_diverges_is_a_mistake_and_no_bad_luck(at: Opened) -> None:
    change_params(at.ws.root, {"training.learning_rate": 1e30, "bank.workers": 1})
    with pytest.raises(UsageError, match=r"training.learning_rate of params.yaml: .*diverged"):
        train.train(opened(at.root))
    with pytest.raises(UsageError, match=r"of params.yaml: a shadow: .*diverged"):
        train.build_bank(opened(at.root))


def frozen(at: Opened) -> Opened:
    """The same workspace with random frozen weights, as `lethe init --backbone` leaves it."""
    recipe = Recipe(network="conv-small", classes=10, channels=1, size=8, mean=(0.3,), std=(0.3,))
    networks.save(networks.build(recipe, torch.Generator().manual_seed(1)), at.ws.backbone)
    changes = {"head.backbone": sha256_file(at.ws.backbone), "bank.shadows": 4}
    change_params(at.ws.root, changes)
    return opened(at.root)


def test_a_head_is_fitted_on_the_workspaces_backbone_and_so_are_shadows(at: Opened) -> None:
    at = frozen(at)
    made = networks.load(train.train(at).weights)
    kept = networks.load(at.ws.backbone)
    again, _ = fitted(made, parts_of(at).train)
    assert torch.equal(again.last_layer.weight, made.last_layer.weight)
    assert torch.equal(made.body.state_dict()["0.weight"], kept.body.state_dict()["0.weight"])
    bank = train.build_bank(at)
    assert (bank["shadows"], bank["test_accuracy"] > 0.3) == (4, True)


def test_a_backbone_that_is_lost_or_another_is_named(at: Opened) -> None:
    at = frozen(at)
    other = networks.build(networks.load(at.ws.backbone).recipe, torch.Generator().manual_seed(2))
    networks.save(other, at.ws.backbone)
    with pytest.raises(IntegrityError, match=r"backbone backbone\.safetensors: SHA-256 got"):
        train.train(at)
    at.ws.backbone.unlink()
    with pytest.raises(InfrastructureError, match="put it back from your backup"):
        train.train(at)
