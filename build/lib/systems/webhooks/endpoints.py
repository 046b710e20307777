"""All endpoints of a workspace, each told by a loop of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.sources import require_name
from systems.settings.events import Endpoint
from systems.settings.workspace import Workspace
from systems.webhooks.notices import Outbox
from systems.webhooks.sending import Post, Telling, posted
from unlearning.errors import PolicyError


def tellings(ws: Workspace, endpoints: Sequence[Endpoint], post: Post = posted) -> list[Telling]:
    """One loop for each endpoint; PolicyError for two of one source, who share a cursor."""
    sources = [require_name(endpoint.source) for endpoint in endpoints]
    if len(set(sources)) != len(sources):
        raise PolicyError("service.yaml: webhooks: two have the same source, expected one of each")
    if not endpoints:
        return []
    outbox = Outbox(ws)
    return [Telling(ws, endpoint, outbox, post) for endpoint in endpoints]
