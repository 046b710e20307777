"""Releases that the policy of their run sends to a person, and about which nobody was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger import adoptions
from ledger.chain import Entry
from ledger.errors import SealAltered
from ledger.replay.approvals import PROPOSED, miscounted
from ledger.replay.drift import Line
from ledger.replay.lineage import PROMOTED
from systems.settings.approval import Approval
from systems.settings.policy import load_policy
from systems.settings.workspace import Workspace
from tasks.approval.facts import going_of, in_class_of, summed_of
from unlearning.errors import LetheError


def unasked(ws: Workspace, entries: Sequence[Entry]) -> Iterator[str]:
    """Say which releases the log alone shows to lack a question; what was measured, bundles tell.

    A policy that is lost is a problem that others name.
    """
    line = Line.of(entries)
    for key in line.found:
        run, _, step = key.rpartition("/")
        if step == PROMOTED and f"{run}/{PROPOSED}" not in line.found:
            rules = _approval(ws, line.body(f"{run}/begun"))
            yield from miscounted(line, run, rules.skew.examples if rules.skew else None)
            reasons = _reasons(rules, line.body(f"{run}/extracted"))
            if reasons:
                yield f"approval: {run} was released, nobody was asked although {reasons[0]}"


def _approval(ws: Workspace, begun: Mapping[str, Any]) -> Approval:
    try:
        return load_policy(adoptions.kept(ws.policies, str(begun.get("policy")))).approval
    except (SealAltered, LetheError):
        return Approval()


def _reasons(rules: Approval, extracted: Mapping[str, Any]) -> tuple[str, ...]:
    if rules == Approval():
        return ()
    counts: list[Any] = [extracted.get(n) for n in ("whole_classes", "train", "training_set")]
    if not all(isinstance(count, int) for count in counts):
        return ("the log does not tell how much is forgotten",)
    whole, forgets, known = counts
    more = (in_class_of(extracted), going_of(extracted), summed_of(extracted))
    return rules.foreseen(whole, forgets, known, *more)
