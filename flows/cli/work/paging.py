"""`lethe pages`: what the log says as pages for people, in a folder or through the door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.cli.work.opening import looked_at
from flows.cli.work.registered import REGISTERED
from flows.cli.work.standing import all_requests
from ledger import durable
from ledger.errors import UnknownReference
from systems.report.certificates import as_page
from systems.report.letters import FOLDER as LETTERS
from systems.report.pdf import FONTS, as_pdf
from systems.settings.workspace import Workspace, private
from tasks.keeping.verified import verify_records
from tasks.pages.certificates import certificates
from tasks.pages.known import known_of
from tasks.pages.making import pages
from tasks.running.records import utc_now
from unlearning.errors import IntegrityError, RequestDenied, UsageError

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


def certify(path: Path, request: str, out: Path) -> dict[str, Any]:
    """Write the certificates on a request, as pages and as PDF; RequestDenied before the purge."""
    ws, now = Workspace.at(path), utc_now()
    rows = [row for row in all_requests(ws, None, now) if row["request"] == request]
    if not rows:
        raise UnknownReference(f"request {request}: is not known, expected one of `lethe list`")
    if out.resolve().is_relative_to(ws.root.resolve()):
        raise UsageError(f"--out: {out.name} lies in the workspace, expected a folder elsewhere")
    require_whole_log(ws)
    sheets = dict(certificates(known_of(looked_at(ws), now), rows[0]))
    if not sheets:
        raise RequestDenied(
            f"request {request}: is {rows[0]['state']} and has no certificate, expected one whose "
            "erasure is attested: `lethe show` tells how it stands"
        )
    fonts = _fonts_of(ws)
    papers = {name: as_pdf(sheet, now, fonts) for name, sheet in sheets.items()}
    lost = [name for name, paper in papers.items() if paper is None]
    files = {f"{name}.html": as_page(sheet) for name, sheet in sheets.items()}
    files |= {f"{name}.pdf": paper for name, paper in papers.items() if paper is not None}
    written = [*_written(out, request, dict(sorted(files.items())))]
    return {"request": request, "certificates": written, "notes": _without_paper(lost)}


def _fonts_of(ws: Workspace) -> list[Path]:
    """Give the fonts of one's own, for letters that ours lack."""
    folder = ws.root / LETTERS / FONTS
    return sorted(p for p in folder.glob("*") if p.suffix.lower() in (".ttf", ".otf"))


def _without_paper(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [
        f"no PDF of {', '.join(names)}: a template of yours has letters that no font here has, or "
        f"that join: print the HTML, or put a font that has them into {LETTERS}/{FONTS}/"
    ]


def _written(out: Path, request: str, files: Mapping[str, bytes]) -> Iterator[str]:
    with private():
        durable.make_folder(out)
        for name, content in files.items():
            durable.write(out / f"{request}-{name}", content)
            yield str(out / f"{request}-{name}")


def require_whole_log(ws: Workspace) -> None:
    """Raise IntegrityError for a log that was altered: nothing is certified from it."""
    found = verify_records(ws, None)
    if not found.ok:
        raise IntegrityError(
            f"certificate: {found.problems[0]}: nothing is certified from such a log; restore "
            "records/ from your backup"
        )


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
