"""The share of released retrainings that is drawn is the policy's in force, not the operator's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ledger import adoptions
from ledger.chain import Entry
from ledger.replay.draws import failed, is_draw, known_to
from systems.settings.policy import load_policy
from systems.settings.workspace import Workspace
from unlearning.errors import LetheError


def share_in_force(ws: Workspace, entries: Sequence[Entry]) -> float | None:
    """Give the share by the policy that is in force after these entries; None if it is lost.

    0 where none was yet: nothing can have been released.
    """
    held = adoptions.in_force(entries)
    try:
        return load_policy(adoptions.kept(ws.policies, held.sha256)).replay.share if held else 0.0
    except LetheError:  # others name it
        return None


def objections(ws: Workspace, entries: Sequence[Entry]) -> Iterator[str]:
    """Draws of another share than the policy had; entries: the whole log.

    It is the one in force at the checkpoint that a draw names, or else when it was drawn.
    """
    for entry in entries:
        if is_draw(entry):
            over = known_to(entry.body["name"], entries[: entry.seq - 1])
            share = share_in_force(ws, over)
            if share is not None and entry.body["share"] != share:
                got = entry.body["share"]
                yield f"log: entry {entry.seq} drew a share of {got}, the policy has {share}"


def problem(entries: Sequence[Entry]) -> str:
    """Name the runs whose replay gave other weights; nothing where there are none."""
    runs = failed(entries)
    if not runs:
        return ""
    return (
        f"{', '.join(runs)}: training again gave other weights than were released: do not rely on "
        "them; retrain, or replay again with `lethe replay RUN` once the cause is mended"
    )
