"""A run's whole bundle: what was stated before the release, after the purge, and at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.chain import Entry, Verification
from ledger.evidence import (
    COMPLETION,
    ERASURE,
    EXCERPT,
    LATER,
    STATEMENT,
    Sealed,
    json_value,
    read_part,
    read_sealed,
    refuse_other_folder,
)
from ledger.intoto.statements import after_release, before_release, objections, unjoined
from ledger.keyring import Keyring
from ledger.replay import certificates
from ledger.replay.ancestry import ancestry_contradictions, shard_contradictions
from ledger.replay.purged import AFTER_A_LOOK, assured, told
from ledger.replay.semantics import replayed
from ledger.replay.statements import (
    SEALED,
    WITH_STEPS,
    WITHOUT_STEPS,
    Journal,
    completion_contradictions,
    contradictions,
    erasure_contradictions,
    record_contradictions,
    version_contradictions,
)

RECORDS = "attempts.json"
TYPES = {ERASURE: "lethe/erasure/1", COMPLETION: "lethe/completion/1"}
ERASING = ("released", "purge")
"""Decisions after which the examples are erased."""


@dataclass(frozen=True)
class Bundle:
    """What a run's folder states, first and later, and what is wrong with it."""

    first: Sealed
    later: Mapping[str, Sealed]
    verification: Verification


def read_bundle(folder: Path, ring: Keyring) -> Bundle:
    """Check a run's folder, its later statements too, and hold each to the log that it carries.

    UsageError for a folder that is no bundle at all.
    """
    refuse_other_folder(folder)
    first = read_sealed(folder, ring)
    later: dict[str, Sealed] = {}
    for name in (name for name in LATER if (folder / name).exists()):
        before = next(reversed(later.values()), first)
        later[name] = read_sealed(folder / name, before.ring)
    problems = [*first.verification.problems, *_of_run(folder, first)]
    checked = [*first.verification.checked, f"{STATEMENT}: against {EXCERPT} and {RECORDS}"]
    for name, found in later.items():
        problems += [_within(name, line) for line in found.verification.problems]
        checked.append(f"{name}/{STATEMENT}: signature, files, and against its log")
    if not problems:  # what is not genuine need not be consistent
        problems += _of_later(first, later)
    if not problems:
        whole = [*first.entries, *(e for part in later.values() for e in part.entries[1:])]
        again = replayed(whole, EXCERPT)
        checked += again.checked
        problems += again.problems
    if not problems:
        problems += _of_versions(first, later, whole)
        stated = _stated(first, later)
        problems += _of_steps(folder, first, later, stated)
        if count := sum(map(len, stated.values())):
            checked.append(f"{count} in-toto statements on steps: signed, joined, against the log")
    return Bundle(first, later, Verification(tuple(checked), tuple(problems)))


def _within(name: str, line: str) -> str:
    file = line.removeprefix("file ")
    return f"{name}/{line}" if file == line else f"file {name}/{file}"


def _of_run(folder: Path, first: Sealed) -> Iterator[str]:
    if not first.verification.ok:
        return
    records = json_value(read_part(folder, RECORDS))
    yield from _named(contradictions(first.statement, first.entries))
    yield from _named(
        ancestry_contradictions(first.statement, first.entries, first.statement.get("run"))
    )
    yield from _named(record_contradictions(first.statement, records, first.entries))
    yield from _named(certificates.objections(first.statement.get("attempts"), first.entries))


def _named(lines: Iterable[str], folder: str = "") -> list[str]:
    return [f"{folder}{STATEMENT}: {line}" for line in lines]


def _of_later(first: Sealed, later: Mapping[str, Sealed]) -> Iterator[str]:
    before = first
    for name in LATER:
        if name in later:
            yield from _named(_follows(name, later[name], before, first), f"{name}/")
            before = later[name]


def _of_versions(
    first: Sealed, later: Mapping[str, Sealed], entries: Sequence[Entry]
) -> Iterator[str]:
    """entries: the log to the last statement's end, whose releases follow one another."""
    said = later[COMPLETION].statement if COMPLETION in later else {}
    if said.get("type") == AFTER_A_LOOK:
        lines = version_contradictions(said, entries, first.statement.get("run"))
        yield from _named(lines, f"{COMPLETION}/")


def type_of(name: str, journal: Journal) -> object:
    """Give the type of a later statement: of a completion as the log noted it with the purge."""
    noted = journal.body("purged").get(COMPLETION) if name == COMPLETION else None
    return TYPES[name] if noted is None else AFTER_A_LOOK


def _follows(name: str, found: Sealed, before: Sealed, first: Sealed) -> Iterator[str]:
    """Why a later statement does not go on where the one before it ended."""
    statement, run = found.statement, first.statement.get("run")
    for key, wanted in (
        ("type", type_of(name, Journal(run, found.entries))),
        ("requests", first.statement.get("requests")),
        ("evidence", first.digest),
        ("before", before.digest),
    ):
        if statement.get(key) != wanted:
            yield f"{key}: got {statement.get(key)!r}, expected {wanted!r}"
    head = before.statement.get("log_head")
    if not found.entries or found.entries[0].hash != head:
        yield f"log_head: the excerpt does not begin with {head}, where the one before it ended"
    against = {ERASURE: erasure_contradictions, COMPLETION: completion_contradictions}
    yield from against[name](statement, found.entries, run)
    if name == COMPLETION and "assurance" in statement:
        known = told(found.entries, run)
        wanted = assured(first.statement.get("decision"), first.statement.get("assurance"), known)
        if statement["assurance"] != wanted:
            yield f"assurance: got {statement['assurance']!r}, expected {wanted!r}"
    if name == ERASURE:
        yield from shard_contradictions(first.statement, statement)
        yield from _sealed_another(first, found)
    if name == ERASURE and first.statement.get("decision") not in ERASING:
        yield f"decision: is {first.statement.get('decision')}, expected one that erases"


def _sealed_another(first: Sealed, erasure: Sealed) -> Iterator[str]:
    told = Journal(first.statement.get("run"), erasure.entries).body(SEALED).get("statement")
    if told != first.digest:
        yield f"evidence: the log has sealed {told} before the release, expected {first.digest}"


def _stated(first: Sealed, later: Mapping[str, Sealed]) -> dict[str, Mapping[str, Any]]:
    """Give the statements on steps that each of a bundle's folders has to hold, by its name.

    None in a bundle of before, which is told by its log.
    """
    found: dict[str, Mapping[str, Any]] = {name: {} for name in ("", *later)}
    if first.statement.get("type") == WITH_STEPS:
        found[""] = before_release(first.statement, first.entries)
        if ERASURE in later:
            entries = (*first.entries, *later[ERASURE].entries[1:])
            found[ERASURE] = after_release(first.statement["run"], entries, len(first.entries))
    return found


def _of_steps(
    folder: Path, first: Sealed, later: Mapping[str, Sealed], stated: Mapping[str, Any]
) -> Iterator[str]:
    """Where the statements on steps are not what the log tells of them, or do not join."""
    if first.statement.get("type") not in (WITHOUT_STEPS, WITH_STEPS):
        yield f"{STATEMENT}: type: is none that this Lethe knows: it may be a newer one"
    for name, wanted in stated.items():
        signer = later[name].signer if name else first.signer
        lines = objections(folder / name, wanted, signer)
        yield from (f"{name}/{line}" if name else line for line in lines)
    whole = {
        (f"{name}/{file}" if name else file): payload
        for name, wanted in stated.items()
        for file, payload in wanted.items()
    }
    yield from unjoined(whole, first.entries)
