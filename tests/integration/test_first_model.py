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
from unlearning import networks
from unlearning.digests import sha256_file
from unlearning.errors import UsageError


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
    change_params(at.ws.root, {"training.learning_rate": 1e30})
    with pytest.raises(UsageError, match=r"training.learning_rate of params.yaml: .*diverged"):
        train.train(opened(at.root))
