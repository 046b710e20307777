"""The log and what lies beside it, checked with the public key alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ledger import durable, keys
from ledger.chain import Chain, Verification, read_chain, verify_chain
from ledger.keyring import NONSENSE, Keyring
from ledger.replay import draws, upgrades
from ledger.replay.approvals import unapproved
from ledger.replay.beside import check_beside, missing_head
from ledger.replay.lineage import objections
from ledger.replay.semantics import replayed
from systems.settings.recording import ledger_at, lines_of
from systems.settings.workspace import Workspace
from tasks.approval.unasked import unasked
from tasks.replaying import shares
from unlearning.counting import numbered
from unlearning.errors import IntegrityError


def verify_records(ws: Workspace, head: str | None, key: Path | None = None) -> Verification:
    """Check a workspace's log, what lies beside it, and its tables; each only if the last is ok."""
    public = keys.load_public_keys(key or ws.public_key)
    lines = lines_of(ws)
    chain = read_chain(lines.read(), public)
    found = _as_replayed(chain, lines.name)
    if found.ok:
        found = joined(found, check_beside(lines, ws.records, public, head=head))
    if found.ok:
        entries = chain.entries
        problems = (*unasked(ws, entries), *shares.objections(ws, entries))
        found = joined(found, Verification((), problems))
    if found.ok and (ws.elsewhere.is_file() or ws.tables.is_file()):
        found = joined(found, ledger_at(ws, read_only=True).check())
    if found.ok and ws.received.is_file():
        found = joined(found, Verification((_waiting(ws),), ()))
    return found


def verify_exported(path: Path, public: Keyring, head: str | None) -> Verification:
    """Check a log that was exported, with nothing beside it: whole, signed, and as it may go on."""
    chain = read_chain(durable.read(path), public)
    found = _as_replayed(chain, path.name)
    problems = tuple(missing_head(chain.entries, head)) if found.ok else ()
    return joined(found, Verification((), problems))


def _as_replayed(chain: Chain, name: str) -> Verification:
    """Check what is genuine, and, if all is, what it tells: each entry after those before it."""
    found = verify_chain(chain, name)
    if not found.ok:
        return found
    again = replayed(chain.entries, name)
    return joined(joined(found, again), Verification((), _contradictions(chain, again.ok)))


def _contradictions(chain: Chain, legal: bool) -> tuple[str, ...]:
    """What else a log gives the lie to; of one that does not replay, as much as can be asked."""
    entries, found = chain.entries, list[str]()
    for ask in (objections, unapproved, draws.objections, upgrades.objections):
        try:
            found += ask(entries)
        except (IntegrityError, *NONSENSE):
            if legal:
                raise
    return tuple(found)


def _waiting(ws: Workspace) -> str:
    from ledger.inbox import Inbox  # SQLAlchemy takes half a second to import

    with closing(Inbox.look(ws.inbox, ws.keys)) as inbox:
        waiting = numbered(len(inbox.waiting()), "request waits", "requests wait")
        return f"{durable.short_name(ws.received)}: {waiting}"


def joined(one: Verification, other: Verification) -> Verification:
    """Join what two checks found."""
    return Verification(one.checked + other.checked, one.problems + other.problems)
