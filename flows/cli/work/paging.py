"""`lethe pages`: what the log says as pages for people, in a folder or through the door."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from flows.cli.work.opening import looked_at
from flows.cli.work.registered import REGISTERED
from flows.cli.work.standing import all_requests
from ledger import durable
from systems.settings.workspace import Workspace, private
from tasks.keeping.verified import verify_records
from tasks.pages.known import known_of
from tasks.pages.making import pages
from tasks.running.records import utc_now
from unlearning.errors import UsageError

FOLDER = "pages"
"""Where they lie in the workspace, unless told otherwise."""


def made(ws: Workspace, now: datetime) -> dict[str, bytes]:
    """Make all pages, by place; nothing is written, and no lock is needed."""
    rows = all_requests(ws, None, now)
    found = verify_records(ws, None)
    verdict = (
        f"Checked {now:%Y-%m-%d %H:%M} UTC: every entry is signed and follows the one before it."
        if found.ok
        else f"ALTERED: {'; '.join(found.problems)}"
    )
    return dict(pages(known_of(looked_at(ws), now), rows, REGISTERED["methods"](), verdict))


def write(path: Path, out: Path | None) -> dict[str, Any]:
    """Write the pages into a folder that holds nothing else, or earlier pages."""
    ws = Workspace.at(path)
    folder = out or ws.root / FOLDER
    _require_ours(ws, folder)
    files = made(ws, utc_now())
    with private():
        for page, content in files.items():
            durable.make_folder((folder / page).parent)
            durable.write(folder / page, content)
    return {"pages": str(folder / "index.html"), "files": len(files)}


def _require_ours(ws: Workspace, folder: Path) -> None:
    place, root = folder.resolve(), ws.root.resolve()
    own = (root / FOLDER, ws.service.resolve() / FOLDER)
    if place.is_relative_to(root) and place not in own:
        raise UsageError(
            f"--out: {folder.name} lies in the workspace, expected {FOLDER}/ or a folder elsewhere"
        )
    if folder.is_file() or (
        folder.is_dir() and any(folder.iterdir()) and not (folder / "index.html").is_file()
    ):
        raise UsageError(
            f"--out: {folder.name} holds something else, expected a new folder or earlier pages"
        )
