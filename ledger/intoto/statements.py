"""One in-toto statement for each step of a run, in an envelope of its own.

They say nothing that the log does not say, but say it in a form that needs no tool of ours. So they
are made of the log when it is sealed, and made of it again when they are verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import durable
from ledger.chain import Entry
from ledger.evidence import json_value, read_part
from ledger.intoto.envelopes import opened, sealed
from ledger.intoto.steps import Digests, Step, entry_name, steps_of, vouched
from ledger.keyring import Keyring
from unlearning.digests import canonical_json

FOLDER = "steps"
TYPE, PREDICATE = "https://in-toto.io/Statement/v1", "lethe:step/v1"
Payload = Mapping[str, Any]


def before_release(statement: Mapping[str, Any], entries: Sequence[Entry]) -> dict[str, Any]:
    """Give the statements on a run's steps up to its decision, by their files' names, in order.

    statement: its first one. entries: the log from its first entry to the decision.
    """
    run = statement.get("run")
    steps = steps_of(run, entries, statement.get("attempts"))
    told = {"versions": _versions(statement.get("environment"))}
    return {_name(n, step): _payload(run, n, step, told) for n, step in enumerate(steps, 1)}


def after_release(run: object, entries: Sequence[Entry], decided: int) -> dict[str, Any]:
    """Give those on its steps after the decision, which is the entry of number `decided`.

    entries: the log from its first entry to the purge.
    """
    steps = enumerate(steps_of(run, entries, None), 1)
    later = ((n, step) for n, step in steps if step.entry.seq > decided)
    return {_name(n, step): _payload(run, n, step, {}) for n, step in later}


def write(folder: Path, stated: Mapping[str, Any], key: Ed25519PrivateKey) -> None:
    """Write the envelopes of statements into a folder that is to be sealed."""
    durable.make_folder(folder / FOLDER)
    durable.clear_unfinished(folder / FOLDER)
    for name, payload in stated.items():
        durable.write(folder / name, sealed(canonical_json(payload), key))


def objections(folder: Path, wanted: Mapping[str, Any], ring: Keyring) -> Iterator[str]:
    """Where a sealed folder's envelopes are not those of its steps, one line each.

    wanted: the statements by their files' names. ring: the key that may have signed them.
    """
    there = {f"{FOLDER}/{path.name}" for path in (folder / FOLDER).glob("*")}
    for name in sorted(there | set(wanted)):
        if name not in wanted:
            yield f"{name}: is of no step of this run"
        elif name not in there:
            yield f"{name}: is missing, the log tells of that step"
        elif problem := _altered(read_part(folder, name), wanted[name], ring):
            yield f"{name}: {problem}"


def unjoined(stated: Mapping[str, Any], entries: Iterable[Entry]) -> Iterator[str]:
    """Where a step took in what no step before it made, nor the log vouches for, one line each.

    The first step takes in what there was: the data, the champion, policy and params.
    """
    known = set(vouched(entries))
    for number, (name, payload) in enumerate(stated.items()):
        taken = payload["predicate"]["materials"]
        for one in taken if number else ():
            if one["digest"]["sha256"] not in known:
                yield f"{name}: {one['name']}: was made by no step before, nor there at the first"
        known |= {one["digest"]["sha256"] for one in (*taken, *payload["subject"])}


def _name(number: int, step: Step) -> str:
    return f"{FOLDER}/{number:02d}-{step.name}.intoto.jsonl"


def _payload(run: object, number: int, step: Step, told: Mapping[str, Any]) -> dict[str, Any]:
    made = {entry_name(step.entry): step.entry.hash, **step.products}
    return {
        "_type": TYPE,
        "subject": _described(made),
        "predicateType": PREDICATE,
        "predicate": {
            "run": run,
            "step": step.name,
            "number": number,
            "loggedAt": step.entry.at,
            "materials": _described(step.materials),
            "outcome": dict(step.outcome),
            **told,
        },
    }


def _versions(environment: object) -> dict[str, Any]:
    """Give the versions of Lethe, Python and libraries, but nothing of the machine."""
    told = environment if isinstance(environment, dict) else {}
    packages = told.get("packages")
    own = {name: told.get(name) for name in ("lethe", "python")}
    return {**own, **(packages if isinstance(packages, dict) else {})}


def _described(digests: Digests) -> list[dict[str, Any]]:
    return [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in digests.items()]


def _altered(content: bytes, wanted: Payload, ring: Keyring) -> str | None:
    payload = opened(content, json_value(content), ring)
    if payload is None:
        return "is no envelope that this run's key signed: it was altered, or is another key's"
    if payload == canonical_json(wanted):
        return None
    return f"{_differing(json_value(payload), wanted)}: is not what the log says of this step"


def _differing(found: Any, wanted: Payload) -> str:
    """Name what differs, as far as what was signed has the form of a statement."""
    stated = found if isinstance(found, dict) else {}
    parts = {**wanted, **wanted["predicate"]}
    inner = stated.get("predicate")
    got = {**stated, **(inner if isinstance(inner, dict) else {})}
    names = [n for n, value in parts.items() if n != "predicate" and got.get(n) != value]
    return ", ".join(names) or "statement"
