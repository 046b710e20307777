"""Which clusters may be used; the cluster itself is an integration test."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from systems.compute import cluster
from unlearning.errors import InfrastructureError, UsageError

ADDRESS = "tcp://10.0.0.1:8786"
FIT = {"memory_limit": 0, "nthreads": 1}


def refused(address: str, api: str | None = "http://10.0.0.1:4200/api") -> str:
    with (
        temporary_settings(updates={PREFECT_API_URL: api}),
        pytest.raises(UsageError) as caught,
    ):
        cluster.require_cluster(address)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_cluster_that_is_no_address_is_refused() -> None:
    assert "got '10.0.0.1', expected tcp://HOST:PORT or tls://" in refused("10.0.0.1")


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    assert 'pip install "lethe[dask]"' in refused(ADDRESS)


def test_workers_need_a_prefect_server_that_they_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: object())
    assert "got no PREFECT_API_URL" in refused(ADDRESS, api=None)


def test_a_cluster_without_workers_may_have_some_later() -> None:
    with pytest.raises(InfrastructureError, match="has no workers"):
        cluster.refuse_unfit(ADDRESS, {})


@pytest.mark.parametrize("unfit", [{"memory_limit": 2**30}, {"nthreads": 2}])
def test_a_worker_that_may_spill_or_share_its_generator_is_refused(unfit: dict[str, Any]) -> None:
    cluster.refuse_unfit(ADDRESS, {"one": FIT, "two": FIT})
    with pytest.raises(UsageError, match=r"worker two .* --memory-limit 0 --nthreads 1"):
        cluster.refuse_unfit(ADDRESS, {"one": FIT, "two": FIT | unfit})
