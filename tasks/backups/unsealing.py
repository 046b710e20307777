"""A backup is unsealed, held against what is known since, and put in its place, closed.

What is to be done is noted before it is in its place; until then a second call begins anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ledger import durable, suppression
from ledger.checkpoint import name_of
from ledger.domain import require_reason
from ledger.keyring import Keyring
from ledger.log import require_recordable
from systems.archive.packing import Description
from systems.archive.unpacking import chosen, key_of, unpack
from systems.settings import restoring as closed
from systems.settings.mailing import shown
from systems.settings.restoring import Restoring, restoring
from systems.settings.service import FILE as SERVICE
from systems.settings.service import load_service
from systems.settings.workspace import Workspace
from systems.witness.places import witness_at
from tasks.backups.newest import (
    backup_of,
    imports_since,
    known_since,
    marks_since,
    open_requests,
    require_described,
    said_since,
)
from tasks.witness import seen
from unlearning.errors import InfrastructureError, RequestDenied, UsageError

HALFWAY, WHOLE = ".restoring", "whole"
ASIDE = "service.before-restore.yaml"
"""What service.yaml is called where it names a witness or a database of the original's."""


@dataclass(frozen=True)
class Asked:
    """Which backup, where its key is, and who knows what came after it.

    gone: witnesses of its own that nobody can ask any more, as somebody says for this reason.
    """

    place: Path
    key: Path | None = None
    newest: tuple[Path, ...] = ()
    witnesses: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    reason: str | None = None

    def __post_init__(self) -> None:
        """Refuse a word on witnesses without a reason, or with one that the log will not hold.

        It is logged last: what is refused then would keep the workspace closed for good.
        """
        if self.gone:
            require_reason(self.reason or "", "how it is known that the witness is gone")
            require_recordable(self.reason)


def begin(ws: Workspace, asked: Asked) -> None:
    """Put a backup in its place, closed; one that was begun is gone on with.

    UsageError for a folder that holds anything else.
    """
    halfway = ws.root / HALFWAY
    if restoring(ws) is None and not (halfway / WHOLE).exists():
        _refuse_occupied(ws)
        described, file = chosen(asked.place.expanduser())
        key = key_of(described, file, asked.key)
        ws.root.mkdir(parents=True, exist_ok=True)
        durable.remove_folder(halfway, within=ws.root)
        try:
            _unseal(ws, described, file, key, asked)
        except BaseException:
            durable.remove_folder(halfway, within=ws.root)
            raise
    _put_in_place(ws)


def _refuse_occupied(ws: Workspace) -> None:
    others = [p.name for p in ws.root.iterdir() if p.name != HALFWAY] if ws.root.is_dir() else []
    if others or (ws.root.exists() and not ws.root.is_dir()):
        raise UsageError(
            f"{ws.root.name}: holds {len(others) or 'a'} files or folders, expected an empty "
            "folder: restore writes over nothing; name another with --workspace"
        )


def _unseal(ws: Workspace, described: Description, file: Path, key: bytes, asked: Asked) -> None:
    tree = ws.root / HALFWAY / "tree"
    durable.make_folder(tree)
    unpack(described, file, key, tree)
    found = Workspace(tree)
    backup = backup_of(found)
    require_described(described, file.name, backup, found)
    gone = [url for named in asked.gone for url in _meant(found, named)]
    for url in gone:
        _require_gone(backup.ring, url)
    known = known_since(backup, asked.newest, _witnesses(found, asked, gone))
    durable.write(found.records / closed.LIST, suppression.encoded(known.listed))
    plan = Restoring(
        restore=f"rst-{secrets.token_hex(6)}",
        backup=described.backup,
        sha256=described.sha256,
        taken_at=described.taken_at,
        data_version=described.data_version,
        entries=len(backup.entries),
        told=known.told,
        sources=known.sources,
        open_requests=open_requests(backup, known.log),
        imports=imports_since(backup, known.log),
        marks=marks_since(backup, known.log),
        said=said_since(backup, known.log),
        aside=_put_aside(found),
        gone=tuple(sorted({*map(name_of, gone)})),
        reason=asked.reason,
    )
    closed.note(found, plan)
    durable.write(ws.root / HALFWAY / WHOLE, b"")


def _witnesses(found: Workspace, asked: Asked, gone: Collection[str]) -> list[str]:
    """Those that are named, and those of the workspace itself, less those that are gone."""
    all_ = dict.fromkeys((*asked.witnesses, *load_service(found.root).witness.at))
    return [url for url in all_ if url not in gone]


def _meant(found: Workspace, named: str) -> list[str]:
    """Give a witness of the backup's own by its address, or as it is shown; UsageError for none."""
    meant = [url for url in load_service(found.root).witness.at if named in (url, shown(url))]
    if not meant:
        raise UsageError(
            f"--witness-gone: got {shown(named)}, which is none of the backup's witnesses, "
            f"expected one as its {SERVICE} has it"
        )
    return meant


def _require_gone(ring: Keyring, url: str) -> None:
    """RequestDenied for a witness that answers."""
    try:
        known = seen(witness_at(url), ring)
    except InfrastructureError:
        return
    if known:
        raise RequestDenied(
            f"--witness-gone: {shown(url)} answers, and has {len(known)} checkpoints, expected "
            "one that is gone: leave it out, and the witness is asked"
        )


def _put_aside(found: Workspace) -> bool:
    """Witness and database have seen the original: what was restored gets its own from a person."""
    service = load_service(found.root)
    if not service.witness.at and service.database is None:
        return False
    (found.root / SERVICE).replace(found.root / ASIDE)
    return True


def _put_in_place(ws: Workspace) -> None:
    halfway = ws.root / HALFWAY
    tree = halfway / "tree"
    with durable.storing(ws.root):
        for path in sorted(tree.iterdir()) if tree.is_dir() else ():
            path.replace(ws.root / path.name)
    durable.remove_folder(halfway, within=ws.root)
