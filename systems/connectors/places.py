"""The place that a connector's settings name, and what it must not be."""

from __future__ import annotations

from pathlib import Path

from ledger.sources import SourceKeys
from systems.connectors.bucket import Bucket
from systems.connectors.contract import Place
from systems.connectors.folder import Folder
from systems.connectors.webhook import Call, Webhook, called
from systems.settings.connectors import BUCKET, FOLDER, Connector
from systems.settings.workspace import Workspace
from unlearning.errors import UsageError


def place_of(settings: Connector, keys: Path, call: Call = called) -> Place:
    """Give the place. keys: where the sources' secrets lie. call: how a webhook is called."""
    if settings.kind == BUCKET:
        bucket, _, prefix = settings.at.removeprefix("s3://").partition("/")
        return Bucket(bucket, prefix.strip("/") + "/", settings.names, settings.content)
    if settings.kind == FOLDER:
        return Folder(Path(settings.at), settings.names, settings.content)
    return Webhook(settings.at, str(settings.source), SourceKeys(keys), call)


def require_outside(settings: Connector, ws: Workspace, others: tuple[str, ...]) -> None:
    """UsageError for a place that is the workspace's own, or has it within.

    others: addresses of the remote and the witnesses, which are looked after elsewhere.
    """
    if settings.kind == FOLDER:
        place = Path(settings.at).resolve()
        taken = [ws.root.resolve(), *(Path(one).resolve() for one in others if "://" not in one)]
        overlaps = any(place.is_relative_to(one) or one.is_relative_to(place) for one in taken)
    else:
        place_url = _whole(settings.at)
        urls = [_whole(one) for one in others if "://" in one]
        overlaps = any(place_url.startswith(url) or url.startswith(place_url) for url in urls)
    if overlaps:
        raise UsageError(
            f"connector {settings.name}: its place overlaps the workspace, its remote or a "
            "witness, expected one outside of them: change connectors in service.yaml"
        )


def _whole(url: str) -> str:
    """Give an address as it is used: with one slash where there are several, and one at its end."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{'/'.join(part for part in rest.split('/') if part)}/"
