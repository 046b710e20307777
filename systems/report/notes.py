"""What a reviewer reads first of a run, an attempt or a version: a few lines of Markdown.

They are made of sealed values and of nothing else, so that the same record gives the same lines.
Where a page is shown that cannot link to another one, addresses are empty and words stand alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from systems.report.wording import ASSURANCES
from unlearning.domain import Decision, Outcome, Verdict

_MEANS_SOMETHING = re.compile(r"([\\`*_\[\]<>|#])")
"""What Markdown or HTML would not print as it is written."""


@dataclass(frozen=True)
class Named:
    """What is named, and the address of its page; no address where it cannot be linked to."""

    name: str
    page: str | None = None

    def __str__(self) -> str:
        """As Markdown."""
        shown = plain(self.name)
        return shown if self.page is None else f"[{shown}]({self.page})"


@dataclass(frozen=True)
class Tried:
    """One attempt of a run. named: its number and method."""

    named: Named
    decision: str
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class Told:
    """What is told of a run.

    requests: opaque references. forget: examples to forget, by split. parent: the version that it
    began from. decision: None before there is one. served: the version that it released. waits:
    what is asked of a person. links: pages about it. figure: address of its picture.
    """

    run: str
    requests: Sequence[str]
    forget: Mapping[str, int]
    parent: Named
    tried: Sequence[Tried]
    not_tried: Mapping[str, str] = field(default_factory=dict)
    decision: str | None = None
    assurance: str = "A0"
    served: Named | None = None
    waits: str | None = None
    links: Sequence[Named] = ()
    figure: str | None = None


@dataclass(frozen=True)
class Standing:
    """What is told of a version.

    run: that made it, None for the first. since and until: when it served, ended by `by`.
    tainted: when and by what, oldest first.
    """

    version: Named
    since: datetime | None
    run: Named | None = None
    requests: int = 0
    method: str | None = None
    assurance: str | None = None
    parent: Named | None = None
    until: datetime | None = None
    by: Named | None = None
    tainted: Sequence[tuple[datetime, str]] = ()
    digests: Mapping[str, str] = field(default_factory=dict)


def plain(text: str) -> str:
    """Give a text as Markdown prints it unchanged, on one line."""
    return _MEANS_SOMETHING.sub(r"\\\1", " ".join(text.split()))


def level(assurance: str) -> str:
    """Name an assurance level and what it means."""
    return f"{assurance} ({ASSURANCES[assurance]})"


def run_note(told: Told) -> str:
    """Say what was asked, what each attempt got from each gate, and what came of it."""
    parts = [_outcome(told), _asked(told), _links(told.links), _attempts(told.tried)]
    parts += [_why_not(told), _picture(told.figure)]
    return "\n\n".join(part for part in parts if part)


def _outcome(told: Told) -> str:
    if told.decision is None:
        waits = f" It waits for a person: {plain(told.waits)}" if told.waits else ""
        return f"**Not decided yet.** {told.parent} serves.{waits}"
    if told.decision == Decision.RELEASED:
        now = f" {told.served} served when it ended." if told.served else ""
        return f"**Released** in place of {told.parent}: {level(told.assurance)}.{now}"
    if told.decision == Decision.PURGE:
        return f"**To be purged**: no training example is concerned. {told.parent} serves on."
    return f"**{told.decision.capitalize()}**: nothing was released. {told.parent} serves on."


def _asked(told: Told) -> str:
    counts = ", ".join(f"{n} {split}" for split, n in told.forget.items())
    many = f"{len(told.requests)} request{'s' if len(told.requests) != 1 else ''}"
    return f"Asked by {many} ({', '.join(map(plain, told.requests))}): to forget {counts} examples."


def _links(links: Sequence[Named]) -> str:
    return "Read: " + " · ".join(map(str, links)) if links else ""


def _attempts(tried: Sequence[Tried]) -> str:
    """Lay out attempts by gates."""
    if not tried:
        return ""
    gates = list(dict.fromkeys(v.gate for one in tried for v in one.verdicts))
    rows = [_row(["attempt", *gates, "decision"]), _row(["---"] * (len(gates) + 2))]
    return "\n".join([*rows, *(_row(_cells(one, gates)) for one in tried)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(one: Tried, gates: Sequence[str]) -> list[str]:
    got = {verdict.gate: str(verdict.outcome) for verdict in one.verdicts}
    return [str(one.named), *(got.get(gate, "not asked") for gate in gates), f"**{one.decision}**"]


def _why_not(told: Told) -> str:
    """Say of each gate that did not pass an attempt why, and of each rung why it was left out."""
    said = [
        f"- {plain(one.named.name)}, {_verdict(verdict)}"
        for one in told.tried
        for verdict in one.verdicts
        if verdict.outcome != Outcome.PASSED
    ]
    said += [f"- {plain(name)} was not tried: {plain(why)}" for name, why in told.not_tried.items()]
    return "\n".join(said)


def _verdict(verdict: Verdict) -> str:
    return f"{plain(verdict.gate)} **{verdict.outcome}**: {plain(verdict.reason)}"


def _picture(address: str | None) -> str:
    return "" if address is None else f"![Attack AUC of each attempt, and the limits]({address})"


def attempt_note(tried: Tried, links: Sequence[Named] = ()) -> str:
    """Say what each gate said of an attempt, and why."""
    head = f"**{tried.decision.capitalize()}**: {tried.named}"
    said = "\n".join(f"- {_verdict(verdict)}" for verdict in tried.verdicts)
    return "\n\n".join(part for part in (head, said, _links(links)) if part)


def version_note(known: Standing) -> str:
    """Say whether a version serves, how it came to be, what it assures, and what taints it."""
    digests = "\n".join(f"- {name}: `{digest}`" for name, digest in known.digests.items())
    parts = [standing_words(known), *_taints(known), _origin(known), digests]
    return "\n\n".join(part for part in parts if part)


def standing_words(known: Standing) -> str:
    """Say whether a version serves."""
    if known.since is None:
        return "Never served."
    since = f"{known.since:%Y-%m-%d %H:%M} UTC"
    if known.until is None:
        return f"Serves since {since}."
    return f"Served from {since} to {known.until:%Y-%m-%d %H:%M} UTC, then {known.by}."


def _taints(known: Standing) -> Iterator[str]:
    if known.tainted:
        by = ", ".join(plain(by) for _, by in known.tainted)
        since = f"{known.tainted[0][0]:%Y-%m-%d}"
        yield f"**Tainted since {since}** by {by}: it must never serve again."


def _origin(known: Standing) -> str:
    if known.run is None:
        return "The first version, from `lethe init`."
    many = f"{known.requests} request{'s' if known.requests != 1 else ''}"
    by = f" by {plain(known.method)}" if known.method else ""
    stands = f" Assurance {level(known.assurance)}." if known.assurance else ""
    return f"Made{by} in place of {known.parent}, in {known.run}, for {many}.{stands}"


def model_note(serving: Standing | None) -> str:
    """Say which version serves."""
    if serving is None:
        return "No version serves."
    return f"{serving.version}. {version_note(serving)}"
