"""The certificates on a request: for the person the words of the letter, for an auditor the proofs.

There is none before its erasure is attested. Nothing here names anybody: one request's reference,
digests, counts and days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ledger import adoptions
from ledger.chain import Entry
from ledger.checkpoint import WITNESSED
from ledger.domain import State
from ledger.evidence import STATEMENT, json_value, read_part
from ledger.keys import load_public_keys
from ledger.replay.bundles import RECORDS
from ledger.replay.draws import REPLAYED
from ledger.replay.purged import purged_copies
from ledger.replay.statements import ATTESTED, COMPLETED, SEALED
from ledger.requests.identity import identity_in_words
from systems.report import assured
from systems.report.certificates import FOOT, Facts, Part, Sheet, from_letter
from systems.report.letters import COMPLETION
from tasks.pages.known import Known, day
from tasks.pages.letters import letters
from tasks.pages.requests import kept_versions
from unlearning.digests import sha256_hex

Row = Mapping[str, Any]
SUBJECT, AUDITOR = "subject", "auditor"
DRAWN, AGAIN = "judge", "replay"
"""What an attempt's record has where its model draws pictures, and where it can be done again."""

WHAT_IT_IS = (
    "This page repeats what is signed elsewhere and proves nothing by itself. The proof is the "
    "bundle that it names, the log, and the public key, which you need from somebody whom you "
    "trust; the last part says how to check them without a network."
)
CHAINED = (
    "Each entry of the log names the hash of the one before it, from entry 1 on, and is signed. "
    "The bundle holds every entry from 1 to the one that its last statement is about: with it and "
    "the public key anybody can reckon these hashes again, and so see that they stand in the log. "
    "What follows, up to the log's end when this was written, follows so in the log itself. That a "
    "single entry stands there is proved without the log by its Merkle inclusion proof (RFC 6962), "
    "which `lethe log --prove ENTRY` makes: the entry, its path, and a signed checkpoint."
)


def certificates(known: Known, row: Row) -> Iterator[tuple[str, Sheet]]:
    """Give the sheets that a request has come to by their names; none before the purge."""
    told = {"at": f"{known.now:%Y-%m-%d %H:%M}", "entry": len(known.entries)}
    for kind, language, text in letters(known, row):
        if kind == COMPLETION:
            foot = FOOT[language].format(**told)
            yield f"{SUBJECT}-{language}", from_letter(text, language, foot)
    if known.entry(row["run"], ATTESTED) and row["state"] in (State.PURGING, State.COMPLETE):
        yield AUDITOR, _auditors(known, row, FOOT["en"].format(**told))


def _auditors(known: Known, row: Row, foot: str) -> Sheet:
    run = str(row["run"])
    attempt = _released(known, run)
    parts = (
        Part(paragraphs=(WHAT_IT_IS,), facts=_request(known, row, run)),
        _assured(known, row, run, attempt),
        Part("Digests", facts=tuple(_digests(known, run))),
        Part("Attestations", paragraphs=(CHAINED,), facts=tuple(_attested(known, run))),
        _copies(known, run),
        _check(known, row, run, attempt),
    )
    return Sheet(f"Erasure of request {row['request']}: for an auditor", "en", parts, foot)


def _request(known: Known, row: Row, run: str) -> Facts:
    found = {
        "Request": row["request"],
        "State": str(row["state"]).replace("_", " "),
        "Received": day(row["received_at"]),
        "Due": day(row["due_at"]),
        "Law": row["jurisdiction"],
        "Examples of the request": row["examples"],
        "Run that served it": run,
        "Requests served by that run": len(_served(known, run)),
        "Decision": known.step(run, "decided").get("decision"),
    }
    confirmed = known.at.ledger.identity(str(row["request"]))
    said = identity_in_words(confirmed, reference=False) if confirmed else None
    apart = known.at.ledger.parts(str(row["request"]))
    named = [f"{one.ref} ({one.examples})" for one in apart]
    found["Not in it, but apart"] = ", ".join(named) or None
    return _shown(found | {"Who asks was confirmed": said} | _linked(known, row, run))


def _served(known: Known, run: str) -> list[str]:
    return list(known.step(run, "started").get("requests", ()))


def _linked(known: Known, row: Row, run: str) -> dict[str, str]:
    """Say how a request goes with a run that erased its examples for others."""
    entries = known.of_request.get(str(row["request"]), ())
    own = [e.seq for e in entries if e.event == "linked" and e.body.get("run") == run]
    return {"Goes with that run": f"by entry {own[-1]}"} if own else {}


def _assured(known: Known, row: Row, run: str, attempt: Row) -> Part:
    level = known.assurance(run)
    method, risen = attempt.get("method"), known.upgraded.get(str(row["request"]))
    told = (assured.level(level), *assured.how(level, method, attempt.get("report") or {}))
    replays = [e for e in known.entries if e.event == REPLAYED and e.body.get("run") == run]
    done = tuple(f"Replayed {day(e.at)}: {e.body['outcome']}" for e in replays)
    facts = _shown({"Method": method, "Seed": attempt.get("seed")}) if method else ()
    measured = assured.measured(attempt.get("measurements", ())) if level == "A2" else ()
    lines = (*done, *measured, *assured.limits(level, draws=DRAWN in attempt))
    heading = "What is assured, and what is not"
    if risen is None:
        return Part(heading, told, facts, lines)
    now = (*_risen(known, risen), "Before that, by the run that served the request:", *told)
    lines = (*assured.limits(str(risen.body["assurance"])), *lines)
    return Part(heading, now, (*_by(known, risen), *facts), lines)


def _risen(known: Known, entry: Entry) -> tuple[str, ...]:
    """Say what is assured since an exact release followed, and how that came about."""
    level, by = str(entry.body["assurance"]), str(entry.body["by"])
    when = f"Since {day(entry.at)} UTC, by entry {entry.seq} of the log and the release of {by}:"
    method = known.step(by, "decided").get("method")
    return (when, assured.level(level), *assured.how(level, method, {}))


def _by(known: Known, entry: Entry) -> Facts:
    by = str(entry.body["by"])
    return _shown(
        {
            "Upgraded by run": by,
            "Its entry in the log": f"{entry.seq} ({entry.hash})",
            "Its weights, version": f"{entry.body['sha256']}, {entry.body['version']}",
            "Its statement (SHA-256)": known.step(by, SEALED).get("statement"),
        }
    )


def _released(known: Known, run: str) -> Row:
    """Give the released attempt's record as the bundle has it; nothing where none was."""
    records = json_value(read_part(known.at.ws.evidence / run, RECORDS))
    decided = known.step(run, "decided")
    if decided.get("decision") != "released" or not isinstance(records, list) or not records:
        return {}
    return records[-1] if isinstance(records[-1], dict) else {}


def _digests(known: Known, run: str) -> Iterator[tuple[str, str]]:
    begun, decided = known.step(run, "begun"), known.step(run, "decided")
    extracted, erased = known.step(run, "extracted"), known.step(run, "erased")
    named = {
        "Weights released": decided.get("candidate"),
        "Weights before": begun.get("parent_sha256"),
        "Data version before": erased.get("old_version"),
        "Data version after": erased.get("new_version"),
        "Commitment to the examples (keyed)": extracted.get("commitment"),
        "Suppression list": known.step(run, "suppressed").get("sha256"),
    }
    yield from _shown(named)
    for kind in (adoptions.POLICY, adoptions.PARAMS):
        yield f"{kind.capitalize()} that the run kept to", _in_force(known, run, kind)


def _in_force(known: Known, run: str, kind: str) -> str:
    begun = known.entry(run, adoptions.BEGUN)
    held = adoptions.in_force(known.entries, kind, before=begun.seq) if begun else None
    if held is None:
        return "none that the log tells of"
    return f"{held.sha256}, adopted {day(held.at)} by entry {held.seq}"


STATEMENTS = (
    ("On the run, before the release", SEALED, "decided"),
    ("On the erasure, after the purge", ATTESTED, "purged"),
    ("On the completion", COMPLETED, None),
)
"""What is stated, by which step, and with which step its part of the log ends."""


def _attested(known: Known, run: str) -> Iterator[tuple[str, str]]:
    for name, step, ended in STATEMENTS:
        entry = known.entry(run, step)
        if entry is None:
            yield name, "not made yet"
            continue
        last = known.entry(run, ended) if ended else None
        upto = f", about the log up to entry {last.seq} ({last.hash})" if last else ""
        words = f"{STATEMENT} has SHA-256 {entry.body['statement']}, {day(entry.at)} UTC"
        yield name, f"{words}, logged by entry {entry.seq} ({entry.hash}){upto}"
    yield "End of the log", f"entry {len(known.entries)} ({known.entries[-1].hash})"
    keys = load_public_keys(known.at.ws.public_key).keys
    yield "Public keys (SHA-256 of the 32 bytes)", ", ".join(map(sha256_hex, keys))
    yield "Witnesses", _witnessed(known, run)


def _witnessed(known: Known, run: str) -> str:
    sealed = known.entry(run, ATTESTED)
    since = sealed.seq if sealed else 0
    given = [e for e in known.entries if e.event == WITNESSED and e.seq > since]
    if not given:
        return "none was given the statement on the erasure"
    return "; ".join(sorted({_witness(entry) for entry in given}))


def _witness(entry: Entry) -> str:
    locked = ", locked" if entry.body.get("locked") else ""
    mailed = "" if entry.body.get("asked", True) else ", mailed: what it keeps cannot be asked"
    return f"{entry.body['witness']} (digest of its address{locked}{mailed})"


def _copies(known: Known, run: str) -> Part:
    found = purged_copies(known.entries, run) or {"verified": 0}
    listed = [
        f"{words}: {name}"
        for key, words in (
            ("confirmed", "an operator's word that it is gone"),
            ("unverified", "not verified as gone"),
            ("remaining", "not gone"),
        )
        for name in found.get(key, ())
    ]
    listed += [
        f"kept until {until:%Y-%m-%d}: weights of version {number}, which may not serve"
        for number, until in kept_versions(known, run)
    ]
    words = (
        f"{found['verified']} copies were removed, and looking again found nothing. Copies that "
        "Lethe was never told of are not among them, nor are the files that it was given to read.",
    )
    return Part("Copies", words, lines=tuple(listed))


def _check(known: Known, row: Row, run: str, attempt: Row) -> Part:
    sealed, served = known.entry(run, "decided"), row["request"] in _served(known, run)
    head = f" --head {sealed.hash}" if sealed else ""
    mine = f" --request {row['request']}" if served else ""
    last = known.entries[-1].hash
    commands = [
        f"lethe verify {run} --key public.pem{mine}{head}",
        f"lethe verify log.jsonl --log --key public.pem --head {last}",
        "lethe verify proof.json --key public.pem",
    ]
    if risen := known.upgraded.get(str(row["request"])):
        commands.append(f"lethe verify {risen.body['by']} --key public.pem")
    if known.assurance(run) == "A3" and AGAIN in attempt:
        commands.append(f"lethe verify {run} --key public.pem --replay --data DATA")
    words = (
        f"Ask for the folder evidence/{run}, the log as `lethe log --export log.jsonl` writes it, "
        f"the proof of one entry, as by `lethe log --prove {run}/{ATTESTED} --out proof.json`, "
        "and, from another source than these, the public key. Then, without a network and with "
        "Lethe alone installed (its extra `run` for a replay), compare what these print with this "
        "page:",
    )
    return Part("How to check it", words, code=tuple(commands))


def _shown(values: Mapping[str, object]) -> Facts:
    return tuple((name, "-" if value is None else str(value)) for name, value in values.items())
