"""The whole log replayed: whether each entry may follow those before it, by the ledger's own rules.

Hash and signature tell that nobody else wrote an entry. Whether it may be written the ledger asks
before it writes; whoever holds the signing key can pass by that, and so can a mistake of ours. So
the same rules are asked again, of the log alone: an entry's key is its own, its time is not before
those of others, requests, runs and releases go on from where they stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from ledger.chain import Entry, Verification
from ledger.clock import ALLOWED, WENT_BACK, told, turned
from ledger.replay.drift import FIRST
from ledger.replay.lineage import TAINTED
from ledger.replay.semantics import asked, releases, served
from ledger.replay.semantics.standing import History, Illegal, Rule
from ledger.requests.identity import CONFIRMED
from unlearning.counting import counted, numbered
from unlearning.errors import UsageError

RULES: Mapping[str, Rule] = {
    "submitted": asked.submitted,
    "moved": asked.moved,
    "linked": asked.linked,
    "denied": asked.said,
    "held": asked.said,
    "resumed": asked.said,
    "extended": asked.extended,
    CONFIRMED: asked.confirmed,
    "run_started": served.started,
    "step": served.step,
    "run_finished": served.finished,
    "suppression_brought": served.brought,
    FIRST: releases.first,
    "rolled_back": releases.rolled_back,
    "champion_put_back": releases.put_back,
    TAINTED: releases.tainted,
}
"""By event; any other may tell of copies, and of nothing that has to follow."""


def replayed(entries: Sequence[Entry], name: str) -> Verification:
    """Replay a log from its first entry on, once; name: what it is called in what is said."""
    history = History()
    problems = [f"{name}: {line}" for line in _problems(entries, history)]
    back = sum(entry.event == WENT_BACK for entry in entries)
    words = f"; the clock went back {numbered(back, 'time', 'times')}, as it tells" if back else ""
    later = ", ".join(f"entry {seq} by {one.seq}" for seq, one in told(entries).later.items())
    words += f", of which afterwards: {later}" if later else ""
    of = (
        numbered(len(history.requests), "request", "requests"),
        numbered(len(history.runs), "run", "runs"),
        numbered(len(history.versions), "release", "releases"),
    )
    return Verification((f"{name}: {', '.join(of)}: replayed{words}",), tuple(problems))


def _problems(entries: Sequence[Entry], history: History) -> Iterator[str]:
    keys: dict[str, int] = {}
    back = told(entries)
    turns = turned(entries, back)
    latest: datetime | None = None
    for entry in counted(entries, len(entries), "log", "entries"):
        first = keys.setdefault(entry.key, entry.seq)
        if first != entry.seq:
            yield f"entry {entry.seq}, {entry.event}: has the key of entry {first}: {entry.key}"
        try:
            at = datetime.fromisoformat(entry.at)
            if latest is None or at > latest:
                latest = at
            elif entry.seq in back:
                history.turns |= {entry.seq: turns[entry.seq]} if entry.seq in turns else {}
                latest = at
            elif latest - at > ALLOWED:
                yield (
                    f"entry {entry.seq}, {entry.event}: is of {entry.at}, an entry before it of "
                    f"{latest.isoformat()}, and the log tells of no clock that went back"
                )
        except (ValueError, TypeError):
            yield f"entry {entry.seq}, {entry.event}: its time is none"
        if one := next((n for n, by in back.later.items() if by is entry and n not in turns), None):
            yield f"entry {entry.seq}, {entry.event}: the time of entry {one} did not go back"
        for line in _asked(RULES.get(entry.event, served.told), history, entry):
            yield f"entry {entry.seq}, {entry.event}: {line}"


def _asked(rule: Rule, history: History, entry: Entry) -> Iterator[str]:
    """Ask one rule; what an entry lacks, or has of another type, is a problem like any other."""
    try:
        yield from rule(history, entry)
    except (Illegal, UsageError) as problem:
        yield str(problem)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as problem:
        yield f"does not say what such an entry says ({type(problem).__name__})"
