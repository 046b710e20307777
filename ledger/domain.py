"""A deletion request as a value: what it asks for, where it stands, where it may go next."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, get_args

from unlearning.errors import RequestDenied, UsageError

COMMAND_LINE = "cli"
"""The source of what `lethe submit` received; no other source may take this name."""

JUDGED_WITH = "judged_with"
"""What a part's entry calls the request whose candidates were judged by its examples too, by then;
parts of before have none, and are counted anew."""

SelectorKind = Literal["subject", "example", "class", "where"]


class State(StrEnum):
    """Where a request stands."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    DENIED = "denied"
    HELD = "held"
    EXTRACTING = "extracting"
    UNLEARNING = "unlearning"
    JUDGING = "judging"
    AWAITING_APPROVAL = "awaiting_approval"
    PROMOTING = "promoting"
    PURGING = "purging"
    COMPLETE = "complete"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """True if the request's deadline no longer runs."""
        return not NEXT[self]


# A refused run, a lost race for the champion and a retry all lead back to `accepted`. A request
# that touches no training data goes from `extracting` straight to `purging`, and one whose examples
# another request's run erased from `accepted`. `purging` leads back only where the key is
# lost before anything was listed to be erased.
NEXT: dict[State, frozenset[State]] = {
    State.RECEIVED: frozenset({State.ACCEPTED, State.DENIED, State.HELD}),
    State.ACCEPTED: frozenset({State.EXTRACTING, State.PURGING, State.DENIED, State.HELD}),
    State.DENIED: frozenset(),
    State.HELD: frozenset({State.ACCEPTED, State.DENIED}),
    State.EXTRACTING: frozenset({State.UNLEARNING, State.PURGING, State.ACCEPTED, State.FAILED}),
    State.UNLEARNING: frozenset({State.JUDGING, State.ACCEPTED, State.FAILED}),
    State.JUDGING: frozenset(
        {
            State.UNLEARNING,
            State.AWAITING_APPROVAL,
            State.PROMOTING,
            State.ACCEPTED,
            State.FAILED,
        }
    ),
    State.AWAITING_APPROVAL: frozenset(
        {State.PROMOTING, State.ACCEPTED, State.DENIED, State.FAILED}
    ),
    State.PROMOTING: frozenset({State.PURGING, State.UNLEARNING, State.ACCEPTED, State.FAILED}),
    State.PURGING: frozenset({State.COMPLETE, State.ACCEPTED}),
    State.COMPLETE: frozenset(),
    State.FAILED: frozenset({State.ACCEPTED, State.DENIED}),
}


@dataclass(frozen=True)
class Selector:
    """What a request wants forgotten: personal data, so it lives in the sealed store only.

    values: subject ids, example ids, class names, or the one value of `column` for "where".
    only, without: example ids; of what belongs to the values it selects those alone, or not those.
    """

    kind: SelectorKind
    values: tuple[str, ...]
    column: str | None = None
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a selector that selects nothing or in no known way."""
        kinds = get_args(SelectorKind)
        if self.kind not in kinds:
            raise UsageError(f"selector kind '{self.kind}': expected one of {', '.join(kinds)}")
        if not self.values or not all(self.values):
            raise UsageError(f"a selector by {self.kind} has an empty value: expected at least one")
        if (self.column is not None) != (self.kind == "where"):
            raise UsageError(
                f"a selector by {self.kind}: expected a column for 'where' and no other"
            )

    def ordered(self) -> Selector:
        """The same demand in one form: each value once, in order."""
        only, without = (tuple(sorted(set(ids))) for ids in (self.only, self.without))
        values = tuple(sorted(set(self.values)))
        return replace(self, values=values, only=only, without=without)

    def apart(self, ids: Collection[str]) -> tuple[Selector, Selector]:
        """Cut it in two: these of its examples, and all others."""
        part = tuple(sorted(ids))
        if not self.only:
            return replace(self, only=part), replace(self, without=(*self.without, *part))
        rest = tuple(example for example in self.only if example not in ids)
        return replace(self, only=part), replace(self, only=rest)

    def as_value(self) -> dict[str, Any]:
        """All of it as canonical JSON takes it, in the form that every selector has had."""
        whole = {"kind": self.kind, "values": self.values, "column": self.column}
        cut = {"only": self.only, "without": self.without}
        return whole | {name: ids for name, ids in cut.items() if ids}


def selector_of(value: Mapping[str, Any]) -> Selector:
    """What `Selector.as_value` gave."""
    cut = {name: tuple(value.get(name, ())) for name in ("only", "without")}
    return Selector(value["kind"], tuple(value["values"]), value["column"], **cut)


@dataclass(frozen=True)
class DeletionRequest:
    """A request as the ledger knows it; nothing in it identifies a person.

    examples: how many it selected when it was submitted. reason: why it is in its state.
    key_digest: keyed digest of its idempotency key. run: the last run that worked on it.
    """

    ref: str
    state: State
    received_at: datetime
    due_at: datetime
    jurisdiction: str
    examples: int
    reason: str | None = None
    key_digest: str | None = None
    run: str | None = None


MAIL = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
"""What an e-mail address looks like: it names a person, and the log is kept for good."""

STAFF = r"[^\W_][\w .:/+-]{1,63}"
"""A role or staff reference, as a regular expression; no e-mail address is one."""


def require_reason(reason: str, wanted: str) -> None:
    """Raise UsageError for an empty --reason, or an address in it; wanted: what it is to say."""
    if not reason.strip():
        raise UsageError(f"--reason: got nothing, expected {wanted}")
    if MAIL.search(reason):
        raise UsageError("--reason: holds an e-mail address, expected words that name nobody")


def require_staff(name: str, where: str) -> str:
    """Give the name of a role or staff member, trimmed; UsageError for what cannot be one.

    where: what stands first in the message, such as the option.
    """
    if not re.fullmatch(STAFF, name.strip()):
        raise UsageError(
            f"{where}: got something else, expected a role or staff reference of 2 to 64 letters, "
            "digits, blanks or any of . : / + _ -, such as dpo or staff-0417; no e-mail address"
        )
    return name.strip()


def same_staff(one: str, other: str) -> bool:
    """Whether two names mean the same person: case and blanks tell nobody apart."""
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()


def check_move(current: DeletionRequest, state: State) -> None:
    """Raise RequestDenied if a request may not go to this state from its own."""
    legal = NEXT[current.state]
    if state not in legal:
        expected = ", ".join(sorted(legal)) or "nothing, it is closed"
        raise RequestDenied(
            f"request {current.ref}: is {current.state}, cannot become {state}: expected {expected}"
        )
