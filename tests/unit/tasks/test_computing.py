"""Where it is computed: here, unless the settings name a cluster, which has to be one of use."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from systems.compute.cluster import over_cluster
from systems.settings.params import change_params
from tasks.running.computing import asking, away, require_cluster, spreading
from tasks.running.opened import Opened
from tests.unit.submitted import workspace
from unlearning.errors import UsageError
from unlearning.judging.doors import answers

ADDRESS = "tcp://10.0.0.1:8786"


def test_without_a_cluster_all_is_done_here(tmp_path: Path) -> None:
    at = Opened(str(workspace(tmp_path).root))
    require_cluster(at)
    assert (away(at), spreading(at), asking(at)) == (None, None, answers)


def test_a_cluster_takes_all_that_computes(tmp_path: Path) -> None:
    change_params(workspace(tmp_path).root, {"compute.cluster": ADDRESS})
    at = Opened(str(tmp_path))
    for done in (away(at), spreading(at), asking(at)):
        assert isinstance(done, partial)
    send = away(at)
    assert isinstance(send, partial) and send.func is over_cluster
    assert send.keywords == {"address": ADDRESS}
    with (
        temporary_settings(updates={PREFECT_API_URL: None}),
        pytest.raises(UsageError, match="got no PREFECT_API_URL"),
    ):
        require_cluster(at)
