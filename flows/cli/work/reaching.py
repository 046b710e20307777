"""What a workspace names outside of itself, reached for by `lethe doctor`; nothing is changed."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from systems.settings.mailing import Mailing, is_mailbox
from systems.settings.params import load_params
from systems.settings.service import load_service
from systems.settings.workspace import Workspace
from unlearning.errors import InfrastructureError

PATIENCE = 3
"""Seconds for a connection."""

Check = tuple[str, Callable[[], str]]


def outside(ws: Workspace) -> Iterator[Check]:
    """Give each thing by its name, and what says why it is not there; empty where it is."""
    yield "remote", lambda: _remote(ws)
    yield "witnesses", lambda: _witnesses(ws)
    yield "cluster", lambda: _cluster(ws)


def _remote(ws: Workspace) -> str:
    from systems.data import versions

    missing = versions.missing_in_remote(ws)
    return (
        f"dvc remote: lacks the data version's listing {missing}, expected what was pushed: bring "
        "the remote back, or if it is lost run `dvc push` in the workspace"
        if missing
        else ""
    )


def _witnesses(ws: Workspace) -> str:
    settings = load_service(ws.root).witness
    return "; ".join(filter(None, (_witness(url, settings.mail) for url in settings.at)))


def _witness(url: str, mail: Mailing | None) -> str:
    from systems.witness.mailbox import mailbox_at
    from systems.witness.places import witness_at

    try:
        if mail is not None and is_mailbox(url):
            mailbox_at(url, mail).reach()
            return ""
        if next(iter(witness_at(url).keys("")), None) is not None:
            return ""
    except InfrastructureError as problem:
        return str(problem)
    return (
        f"witness {url}: has nothing of this workspace, expected its evidence: mount or make that "
        "place, then `lethe purge` gives it what it lacks"
    )


def _cluster(ws: Workspace) -> str:
    address = load_params(ws.root).compute.cluster
    if address is None:
        return ""
    from systems.compute.cluster import require_cluster

    require_cluster(address)
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), PATIENCE).close()
    except OSError as problem:
        return (
            f"compute.cluster {address}: does not answer ({problem.strerror or problem}), expected "
            "a Dask scheduler: start it, or set compute.cluster to null"
        )
    return ""
