"""What each step of a run took in and produced, by the log: digests, and no word of a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.chain import Entry
from ledger.replay.ancestry import BUILT, BY_ANCESTORS
from ledger.replay.purged import standing
from ledger.replay.retained import LIST
from ledger.replay.statements import SEALED, Journal

Digests = Mapping[str, str]
"""SHA-256 by the name of what it is of."""

BANK_COMPLETE = "bank_complete"
"""Event of the log: a shadow bank was built, or carried over without the columns of the erased."""


@dataclass(frozen=True)
class Step:
    """A step that is done.

    entry: of the log, which tells of it. materials: what it took in. products: what it made; the
    entry itself is one. outcome: what came of it, in states and numbers.
    """

    name: str
    entry: Entry
    materials: Digests
    products: Digests = field(default_factory=dict)
    outcome: Mapping[str, Any] = field(default_factory=dict)


def steps_of(run: object, entries: Sequence[Entry], attempts: object) -> list[Step]:
    """Give the steps of a run that these entries tell of, in their order.

    entries: the log, from its first entry on. attempts: of the run's statement.
    """
    journal = Journal(run, entries)
    stated = attempts if isinstance(attempts, list) else []
    found = [
        _extract(journal),
        *_attempts(journal, stated),
        *(make(journal) for make in (_decide, _seal, _promote, _suppress, _erase, _purge)),
    ]
    return sorted((step for step in found if step), key=lambda step: step.entry.seq)


def vouched(entries: Iterable[Entry]) -> frozenset[str]:
    """Give what the log vouches for that no run made: shadow banks and bases."""
    made = (e for e in entries if e.event in (BANK_COMPLETE, BUILT))
    return frozenset(str(e.body.get("sha256")) for e in made)


def entry_name(entry: Entry) -> str:
    """Name an entry of the log as something that a step made."""
    return f"log entry {entry.seq}"


def _step(
    journal: Journal,
    at: str,
    name: str,
    *takes: Mapping[str, object],
    makes: Callable[[Mapping[str, Any]], Mapping[str, object]] = lambda _: {},
    tells: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _: {},
) -> Step | None:
    """Give the step of an entry, None where the log has none; what has no digest is left out."""
    entry = journal.find(at)
    if entry is None:
        return None
    materials = {n: str(d) for one in takes for n, d in one.items() if d}
    products = {n: str(d) for n, d in makes(entry.body).items() if d}
    return Step(name, entry, materials, products, tells(entry.body))


def _champion(journal: Journal) -> dict[str, object]:
    return {"champion": journal.body("begun").get("parent_sha256")}


def _data(journal: Journal) -> dict[str, object]:
    return {"data": journal.body("extracted").get("manifest")}


def _rules(journal: Journal, *kinds: str) -> dict[str, object]:
    return {f"{kind}.yaml": journal.body("begun").get(kind) for kind in kinds}


def _forget_set(journal: Journal) -> dict[str, object]:
    return {"forget set": journal.body("extracted").get("commitment")}


def _statement(journal: Journal) -> dict[str, object]:
    return {"statement.json": journal.body(SEALED).get("statement")}


def _records(journal: Journal) -> dict[str, object]:
    digests = journal.body("decided").get("records")
    listed = digests if isinstance(digests, list) else []
    return {f"record {number}": digest for number, digest in enumerate(listed, 1)}


def _extract(journal: Journal) -> Step | None:
    return _step(
        journal,
        "extracted",
        "extract",
        _champion(journal),
        _data(journal),
        _rules(journal, "policy", "params"),
        makes=lambda _: _forget_set(journal),
        tells=lambda body: _of(body, "data_version", "train", "holdout", "test"),
    )


def _attempts(journal: Journal, stated: Sequence[Any]) -> Iterator[Step | None]:
    number = 0
    while journal.find(f"unlearned-{number}"):
        attempt = stated[number] if number < len(stated) else {}
        yield _unlearn(journal, number)
        yield _judge(journal, number, attempt if isinstance(attempt, dict) else {})
        number += 1


def _unlearn(journal: Journal, number: int) -> Step | None:
    return _step(
        journal,
        f"unlearned-{number}",
        f"unlearn-{number + 1}",
        _champion(journal),
        _data(journal),
        _forget_set(journal),
        _rules(journal, "policy", "params"),
        _bases(journal, number),
        makes=lambda body: {
            f"candidate {number + 1}": body.get("sha256"),
            f"list of retained examples {number + 1}": body.get(LIST),
        },
        tells=lambda body: _of(body, "method", "settings", "seed") | _made(body),
    )


def _bases(journal: Journal, number: int) -> dict[str, object]:
    if journal.body(f"unlearned-{number}").get("method") not in BY_ANCESTORS:
        return {}
    named = (journal.body("extracted").get("lineage") or {}).get("ancestors") or []
    return {f"base {place}": digest for place, digest in enumerate(named, 1)}


def _made(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"made": "nothing" if body.get("sha256") is None else "candidate"}


def _judge(journal: Journal, number: int, attempt: Mapping[str, Any]) -> Step | None:
    bank, record = attempt.get("bank"), f"record {number + 1}"
    judged = journal.body(f"judged-{number}").get("sha256")
    return _step(
        journal,
        f"judged-{number}",
        f"judge-{number + 1}",
        {f"candidate {number + 1}": judged},
        {**_champion(journal), **_data(journal), **_forget_set(journal)} if judged else {},
        _rules(journal, "policy", "params"),
        {"shadow bank": bank.get("sha256") if isinstance(bank, dict) else None},
        makes=lambda _: {record: _records(journal).get(record)},
        tells=lambda body: _of(body, "decision", "verdicts"),
    )


def _decide(journal: Journal) -> Step | None:
    return _step(
        journal,
        "decided",
        "decide",
        _forget_set(journal),
        _rules(journal, "policy"),
        _records(journal),
        {"candidate": journal.body("decided").get("candidate")},
        makes=lambda body: {"released candidate": body.get("candidate")},
        tells=lambda body: _of(body, "decision", "assurance"),
    )


def _seal(journal: Journal) -> Step | None:
    decided = journal.find("decided")
    return _step(
        journal,
        SEALED,
        "seal",
        {entry_name(decided): decided.hash} if decided else {},
        _records(journal),
        makes=lambda _: _statement(journal),
    )


def _promote(journal: Journal) -> Step | None:
    return _step(
        journal,
        "promoted",
        "promote",
        _champion(journal),
        {"released candidate": journal.body("decided").get("candidate")},
        _statement(journal),
        makes=lambda body: {"new champion": body.get("sha256")},
        tells=lambda body: _of(body, "version", "parent"),
    )


def _suppress(journal: Journal) -> Step | None:
    return _step(
        journal,
        "suppressed",
        "suppress",
        _forget_set(journal),
        _statement(journal),
        makes=lambda body: {"suppression.jsonl": body.get("sha256")},
        tells=lambda body: _of(body, "added"),
    )


def _erase(journal: Journal) -> Step | None:
    return _step(
        journal,
        "erased",
        "erase",
        _data(journal),
        _forget_set(journal),
        {"suppression.jsonl": journal.body("suppressed").get("sha256")},
        makes=lambda body: {"data": body.get("manifest")},
        tells=lambda body: _of(body, "old_version", "new_version"),
    )


def _purge(journal: Journal) -> Step | None:
    erased = journal.find("erased")
    return _step(
        journal,
        "purged",
        "purge",
        {entry_name(erased): erased.hash, "data": erased.body.get("manifest")} if erased else {},
        _forget_set(journal),
        tells=lambda body: {"copies": _counted(body.get("copies"))},
    )


def _counted(copies: Any) -> dict[str, int]:
    """Count copies by what is known of them; their places are in the statement on the erasure."""
    known = standing(copies if isinstance(copies, list) else [])
    return {k: v if isinstance(v, int) else len(v) for k, v in known.items()}


def _of(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: body[name] for name in names if name in body}
