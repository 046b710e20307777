"""The commands on copies of a whole workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.cli.output import CODES
from flows.cli.work.opening import held, working
from systems.settings.quiet import quiet_environment
from systems.settings.workspace import Workspace, private
from tasks.backups import restoring
from tasks.backups.unsealing import Asked as Asked
from tasks.backups.unsealing import begin
from tasks.data.alike import NOBODY
from tasks.data.alike import Decided as Decided
from tasks.running.holding import workable
from unlearning.counting import numbered


def backup(path: Path, folder: Path, key: Path | None) -> dict[str, Any]:
    """Take a backup; say where its key lies, and what is to be done with that."""
    with working(path) as at:
        from tasks.backups.destroying import outdated
        from tasks.backups.taking import take

        found = take(at, folder, key)
        notes = []
        if found["key_beside"]:
            notes.append(
                f"{Path(found['key']).name} lies beside the backup: put it into another place, "
                "since whoever has both has everything; --key FOLDER does so at once"
            )
        if older := outdated(at):
            held = numbered(len(older), "earlier backup holds", "earlier backups hold")
            notes.append(
                f"{held} people who were erased since: destroy what is named here, then say so "
                f"with --destroyed ({', '.join(older)})"
            )
        return {**found, "notes": notes}


def destroyed(path: Path, ref: str, reason: str) -> dict[str, Any]:
    """Log somebody's word that a backup is destroyed; requests that waited for it are completed."""
    with working(path) as at:
        from tasks.backups.destroying import destroyed as declare
        from tasks.keeping.purging import purge_due

        found = declare(at, ref, reason)
        return {**found, "requests": purge_due(at)["requests"]}


def restore(path: Path, asked: Asked, decided: Decided = NOBODY) -> dict[str, Any]:
    """Make a workspace of a backup, and erase in it who was erased since; or go on with that."""
    quiet_environment()
    ws = Workspace.at(path)
    with private():
        begin(ws, asked)
    with held(workable(path, restoring=True)):
        at = restoring.prepare(ws)
        found = restoring.replay(at, decided)
        run = _erased(str(ws.root), found[0]) if found else None
        if run is not None and CODES[run["decision"]] != 0:
            return {"restored": False, "run": run, "notes": [_unfinished(run)]}
        request, examples = found or (None, 0)
        done = restoring.finish(restoring.reopened(ws), examples, request)
        return {"restored": True, "run": run, **done}


def _erased(root: str, request: str) -> dict[str, Any] | None:
    """Erase by a run, as any request is served; None where a run before did."""
    from flows.served import served
    from ledger.domain import State
    from tasks.running.opened import opened

    at = opened(root)
    if at.ledger.request(request).state is State.COMPLETE:
        return None
    return served(at, [request], everything=False)


def _unfinished(run: dict[str, Any]) -> str:
    return (
        f"{run['run']} erased nobody yet ({run['decision']}), so the workspace stays closed: "
        "answer what it asks, or adopt another policy, and run `lethe restore` again"
    )


def drill(path: Path) -> dict[str, Any]:
    """Restore the newest backup into a temporary folder, or one that is made for it."""
    with working(path) as at:
        from tasks.keeping.drill import drill as restored

        return restored(at)
