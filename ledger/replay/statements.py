"""A signed statement held against the excerpt of the log that it carries.

Whoever has the signing key can sign anything. What he cannot do is let a statement say one thing
and the log another: every value of a statement that the journal of its run has too must be that
value, and what the journal lacks has not happened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ledger.adoptions import objections
from ledger.chain import Entry
from ledger.replay import approvals
from ledger.replay import purged as purging
from ledger.replay.judgements import judgements
from ledger.replay.lineage import TAINTED
from unlearning.counting import numbered
from unlearning.digests import canonical_json, digest_of, sha256_hex

SEALED, ATTESTED, COMPLETED = "sealed", "attested", "attested-completion"
"""Steps of a run that seal a statement: on the run, on the erasure, on its completion."""

WITHOUT_STEPS, WITH_STEPS = "lethe/evidence/1", "lethe/evidence/2"
"""Types of a run's first statement; by the second each step has an in-toto statement too."""

_OPEN = ("remains", "kept")
"""What a connector's copy may not be when its requests are complete."""

ABORTED = "aborted"
"""Step of a run that was given up; its entry says why."""


class Journal:
    """The entries of one run in an excerpt."""

    def __init__(self, run: object, entries: Sequence[Entry]) -> None:
        """Look at a run through these entries, which may be of many runs."""
        self.entries = entries
        self._of = {entry.key: entry for entry in entries}
        self.run = run

    def find(self, step: str) -> Entry | None:
        """The entry of a step."""
        return self._of.get(f"{self.run}/{step}")

    def body(self, step: str) -> Mapping[str, Any]:
        """What a step recorded; nothing if it is not there."""
        entry = self.find(step)
        return {} if entry is None else entry.body

    def value(self, step: str) -> dict[str, Any] | None:
        """What a step recorded, None if it is not there."""
        entry = self.find(step)
        return None if entry is None else dict(entry.body)


def contradictions(statement: Mapping[str, Any], entries: Sequence[Entry]) -> Iterator[str]:
    """Where a run's first statement is not what its log says, one line each.

    entries: of the excerpt, in order.
    """
    journal = Journal(statement.get("run"), entries)
    if not entries or entries[0].seq != 1:
        yield "log_head: the excerpt does not begin with entry 1: what came before cannot be seen"
    yield from objections(statement, entries)
    yield from approvals.objections(entries, statement.get("run"))
    if journal.find(ABORTED):
        yield "decision: the run was aborted, expected no decision after that"
    yield from _unfit(statement, journal)
    yield from _differences(statement, _said(journal))
    yield from _attempts(statement.get("attempts"), journal)


def _unfit(statement: Mapping[str, Any], journal: Journal) -> Iterator[str]:
    """Requests that had ended or were held when the run began, and a parent that was tainted."""
    begun = journal.find("started")
    before = [e for e in journal.entries if begun is not None and e.seq < begun.seq]
    states = {e.body.get("request"): e.body["state"] for e in before if "state" in e.body}
    for ref in journal.body("started").get("requests") or ():
        if states.get(ref) in ("denied", "held"):
            yield f"requests: {ref} was {states[ref]} when the run began"
    marked = {e.body.get("version") for e in before if e.event == TAINTED}
    if journal.body("begun").get("parent") in marked:
        yield "parent: was marked as tainted before the run began"


def _said(journal: Journal) -> dict[str, Any]:
    """What a statement must say, by the journal."""
    begun, decided = journal.body("begun"), journal.find("decided")
    made, requests = journal.body("decided"), journal.body("started").get("requests")
    return {
        "type": begun.get("evidence", WITHOUT_STEPS),
        "requests": requests,
        "parent": {"version": begun.get("parent"), "sha256": begun.get("parent_sha256")},
        "only_method": begun.get("method"),
        "earlier_attempts": begun.get("earlier"),
        "forget_level": journal.body("extracted").get("level", begun.get("level")),
        "judgements": judgements(journal.entries, requests or ()),
        "forget_set": journal.value("extracted"),
        "data_expectations": journal.value("expected-data"),
        "limit_expectations": journal.value("expected-limits"),
        "decision": made.get("decision"),
        "assurance": made.get("assurance"),
        "candidate": {"sha256": made.get("candidate")},
        "decided_at": None if decided is None else decided.at,
        "log_head": None if decided is None else decided.hash,
        **({"approval": made["approval"]} if "approval" in made else {}),
    }


def _differences(statement: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[str]:
    for name, value in said.items():
        if name not in statement:
            yield f"{name}: is missing"
        elif statement[name] != value:
            yield f"{name}: is not what the log says"


def _attempts(attempts: object, journal: Journal) -> Iterator[str]:
    stated = attempts if isinstance(attempts, list) else []
    judged = 0
    while journal.find(f"judged-{judged}"):
        judged += 1
    if len(stated) != judged or journal.find(f"unlearned-{judged}"):
        yield f"attempts: got {len(stated)}, the log tells of {judged} that were judged"
    for number, attempt in enumerate(stated[:judged]):
        fields = attempt if isinstance(attempt, dict) else {}
        for problem in _differences(_shown(fields), _logged(journal, number)):
            yield f"attempt {number + 1}: {problem}"


def _logged(journal: Journal, number: int) -> dict[str, Any]:
    made, judged = journal.body(f"unlearned-{number}"), journal.body(f"judged-{number}")
    return {
        "method": made.get("method"),
        "settings": made.get("settings"),
        "seed": made.get("seed"),
        "sha256": made.get("sha256"),
        "judged": judged.get("sha256"),
        "decision": judged.get("decision"),
        "verdicts": judged.get("verdicts"),
    }


def _shown(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """What an attempt states, in the form in which the log has it."""
    verdicts = attempt.get("verdicts")
    listed = verdicts if isinstance(verdicts, list) else []
    outcomes = [v if isinstance(v, dict) else {} for v in listed]
    return {
        "method": attempt.get("method"),
        "settings": digest_of(attempt.get("settings")),
        "seed": attempt.get("seed"),
        "sha256": attempt.get("sha256"),
        "judged": attempt.get("sha256"),
        "decision": attempt.get("decision"),
        "verdicts": {str(v.get("gate")): v.get("outcome") for v in outcomes},
    }


def record_contradictions(
    statement: Mapping[str, Any], records: object, entries: Sequence[Entry]
) -> Iterator[str]:
    """Where attempts.json is not what was decided on, or the statement is not what it says.

    The log holds the SHA-256 of each attempt's record, measurements and reasons included.
    """
    digests = Journal(statement.get("run"), entries).body("decided").get("records")
    found = records if isinstance(records, list) else []
    if [sha256_hex(canonical_json(record)) for record in found] != digests:
        yield "attempts.json: is not what the log's decision was made on"
    stated = statement.get("attempts")
    for number, (attempt, record) in enumerate(zip(stated or [], found, strict=False), 1):
        for name in sorted(set(record) & set(STATED) | set(attempt)):
            if attempt.get(name) != record.get(name):
                yield f"attempt {number}: {name}: is not what attempts.json says"


STATED = (
    *("method", "exact", "settings", "seed", "sha256", "seconds", "report", "error"),
    *("decision", "verdicts", "controls", "measurements", "effect"),
    *("class_out_models", "models_apart", "not_measured", "parts", "ancestors"),
    "replay",
)
"""What a statement repeats of an attempt's record."""


def erasure_contradictions(
    statement: Mapping[str, Any], entries: Sequence[Entry], run: object
) -> Iterator[str]:
    """Where the statement on the erasure is not what the log says; entries: after the decision."""
    journal = Journal(run, entries)
    purged = journal.find("purged")
    said = {
        "run": run,
        "suppressed": journal.value("suppressed"),
        "erased": journal.value("erased"),
        "expected_erased": journal.value("expected-erased"),
        "copies": journal.body("purged").get("copies"),
        "promoted": journal.value("promoted"),
        "purged_at": None if purged is None else purged.at,
        "log_head": None if purged is None else purged.hash,
    }
    known = purging.told(entries, run)
    if "purged" in statement or known["unverified"]:  # older statements did not count them
        made = journal.body("decided")
        said["purged"] = known
        said["assurance"] = purging.assured(made.get("decision"), made.get("assurance"), known)
    yield from _differences(statement, said)


def completion_contradictions(
    statement: Mapping[str, Any], entries: Sequence[Entry], run: object
) -> Iterator[str]:
    """Where the statement that no copy remains is not what the log says; entries: from the purge.

    Every request of the run is complete, each by an entry of the log.
    """
    closed = {
        str(e.body["request"]): e.at
        for e in entries
        if e.event == "moved" and e.body.get("state") == "complete"
    }
    requests = statement.get("requests")
    wanted = requests if isinstance(requests, list) else []
    completed = {ref: closed.get(ref) for ref in wanted}
    said: dict[str, Any] = {"run": run, "completed_at": completed}
    known = purging.told(entries, run)
    if "purged" in statement or known["unverified"] or known["confirmed"]:
        said |= {"purged": known, "confirmed": purging.as_stated(entries, run)}
    if statement.get("type") == purging.AFTER_A_LOOK:
        said["looked_at"] = looked_at(entries, run, wanted)
        if said["looked_at"] is None:
            yield "looked_at: the log does not tell that all was looked into again before the end"
    yield from _differences(statement, said)
    if known["unverified"]:
        copies = numbered(len(known["unverified"]), "copy is", "copies are")
        yield f"purged: {copies} neither verified nor confirmed"
    open_lines = [row for row in purging.connected(entries, run) if row["status"] in _OPEN]
    if open_lines:
        yield f"purged: {len(open_lines)} connectors have not said that nothing is left"
    if not wanted or None in completed.values():
        yield "completed_at: the log does not tell that every request is complete"


def looked_at(entries: Sequence[Entry], run: object, requests: Collection[str]) -> str | None:
    """Give when a run's places were looked into for the last time before its end.

    None unless that was before each of its requests was complete, and nothing was told to be back
    or otherwise in between.
    """
    looked = last = None
    for entry in entries:
        ours = entry.body.get("run") == run
        ends = entry.event == "moved" and entry.body.get("state") == "complete"
        if ours and entry.event == purging.LOOKED_AGAIN:
            looked = last = entry.at
        elif ours and entry.event == purging.CHANGED:
            looked = None
        elif ends and entry.body.get("request") in requests and looked is None:
            return None
    return last


def version_contradictions(
    statement: Mapping[str, Any], entries: Sequence[Entry], run: object
) -> Iterator[str]:
    """Where a completion does not name the versions that went, or the log has none of one's end.

    entries: the log from its first entry to the last request's end.
    """
    yield from _differences(statement, {"versions": purging.versions_gone(entries, run)})
    gone = purging.erased_versions(entries)
    for version, sha256 in sorted(purging.learned(entries, run).items()):
        if version not in gone:
            yield f"versions: the log does not tell that the weights of version {version} went"
        elif gone[version].body["sha256"] != sha256:
            yield f"versions: version {version}: the weights that went are not those that served"
