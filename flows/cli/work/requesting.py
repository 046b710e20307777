"""`lethe submit`: what is to be forgotten, and since when, is recorded under the lock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flows.cli.work.opening import working
from ledger.deadlines import profile_of
from ledger.domain import Selector, State
from systems.data.texts import KINDS
from tasks.running.records import as_record, utc_now
from unlearning.errors import UsageError

EARLIEST_YEAR = 2000
"""No request under today's laws was received before; a year such as 0026 is mistyped."""


def selector_of(
    subject: Sequence[str] | None,
    example: Sequence[str] | None,
    class_: Sequence[str] | None,
    where: str | None,
) -> Selector:
    """Read what is to be forgotten; exactly one way of saying it."""
    given = [option for option in (subject, example, class_, where) if option]
    if len(given) != 1:
        raise UsageError(
            f"submit: got {len(given)} of --subject, --example, --class, --where; expected one"
        )
    if subject:
        return Selector("subject", tuple(subject))
    if example:
        return Selector("example", tuple(example))
    if class_:
        return Selector("class", tuple(class_))
    column, equals, value = str(where).partition("=")
    if not (column and equals and value):
        raise UsageError("--where: got something else, expected COLUMN=VALUE")
    return Selector("where", (value,), column)


def submit(
    path: Path,
    selector: Selector,
    received_at: str | None,
    jurisdiction: str,
    key: str | None,
    *,
    as_written: bool = False,
) -> dict[str, Any]:
    """Record a request as accepted, or as denied with its reason.

    Values that look like one of the data and are none are asked about, unless meant as_written.
    """
    received = _moment(received_at, profile_of(jurisdiction).zone)
    with working(path) as at:
        from tasks.extract import erased_alike, erasing_run, find, refusal
        from unlearning.domain import SPLITS

        ids = find(at.ws, [selector])
        if ids["alike"] and not as_written:
            _refuse_alike(len(ids["alike"]), len(selector.values), "the data has another")
        if not as_written and (erased := erased_alike(at.ws, selector, ids)):
            _refuse_alike(erased, len(selector.values), "the suppression list has an erased one")
        request = at.ledger.submit(
            selector,
            received_at=received,
            jurisdiction=jurisdiction,
            idempotency_key=key,
            examples=sum(len(ids[part]) for part in SPLITS),
            now=utc_now(),
            denial=refusal(at, ids),
            erased_by=erasing_run(at.ws, selector, ids),
        )
        if request.state is State.PURGING:
            from tasks.purge import (
                finish_linked,  # torch: seconds that other requests need not wait
            )

            finish_linked(at, [request.ref])
        return {**as_record(at.ledger.request(request.ref)), "unknown": len(ids["unknown"])}


def _refuse_alike(alike: int, count: int, there: str) -> None:
    """A request must not miss what its sender meant; what it named is not shown."""
    raise UsageError(
        f"submit: for {alike} of {count} values {there} that differs only by {KINDS}, expected its "
        "own way of writing; nothing was recorded: write it so, name both, or say --as-written if "
        "the other is not meant"
    )


def _moment(text: str | None, zone: ZoneInfo) -> datetime:
    """Read a time; one that names no zone is a time where the law counts its days."""
    if text is None:
        return utc_now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise UsageError(
            f"--received-at: got {text!r}, expected ISO 8601 such as 2026-01-31T09:00:00Z"
        ) from problem
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    if moment.year < EARLIEST_YEAR or moment.year > utc_now().year + 1:
        raise UsageError(
            f"--received-at: got {text!r}, expected a day since {EARLIEST_YEAR} and not in the "
            "future: correct the year"
        )
    return moment
