"""What a received request means in the present data, and what only its sender could say of it."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.domain import Selector
from ledger.inbox import Incoming
from ledger.requests.grounds import NOT_FOUND
from systems.data.resolving import NoAttribute
from systems.data.texts import KINDS
from systems.settings.workspace import Workspace
from tasks.extract import erased_alike, erasing_run, find, refusal
from tasks.running.opened import Opened
from unlearning.domain import SPLITS

NO_ATTRIBUTE = "names an attribute that the data do not have"
DECIDE = "a person decides: `lethe resume` takes it as it is written, `lethe deny` ends it"
ASK = (
    "expected its own way of writing; nothing was recorded: write it so, name both, or say "
    "--as-written if the other is not meant"
)


@dataclass(frozen=True)
class Meaning:
    """examples: how many it selects. unknown: how many of its values belong to nothing.

    denial: why nothing can serve it. erased_by: the run that erased all of it. asked: what its
    sender would be asked if he waited for the answer. hold: why a person has to look at it else.
    ground: of the denial.
    """

    examples: int = 0
    unknown: int = 0
    denial: str | None = None
    erased_by: str | None = None
    asked: str | None = None
    hold: str | None = None
    ground: str | None = None


def meaning_of(at: Opened, incoming: Incoming) -> Meaning:
    """Find out what a request means. What it named is not shown, neither here nor in the log."""
    selector = incoming.selector
    try:
        ids = find(at.ws, [selector])
    except NoAttribute as problem:
        return Meaning(denial=NO_ATTRIBUTE, asked=str(problem), ground=NOT_FOUND)
    examples = sum(len(ids[part]) for part in SPLITS)
    question = None if incoming.as_written else _question(at.ws, selector, ids)
    return Meaning(
        examples=examples,
        unknown=len(ids["unknown"]),
        denial=refusal(at, ids),
        erased_by=erasing_run(at, selector, ids),
        asked=f"submit: {question}, {ASK}" if question else None,
        hold=f"{question}: {DECIDE}" if question else None,
        ground=None if examples else NOT_FOUND,
    )


def _question(ws: Workspace, selector: Selector, ids: dict[str, list[str]]) -> str | None:
    """A request must not miss what its sender meant."""
    if ids["alike"]:
        return _alike(len(ids["alike"]), selector, "the data has another")
    erased = erased_alike(ws, selector, ids)
    return _alike(erased, selector, "the suppression list has an erased one") if erased else None


def _alike(count: int, selector: Selector, there: str) -> str:
    values = len(selector.values)
    return f"for {count} of {values} values {there} that differs only by {KINDS}"
