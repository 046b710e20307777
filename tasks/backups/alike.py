"""What a backup holds that looks like a picture that was erased since: a person says what it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ledger import suppression
from ledger.suppression import Suppression
from systems.data import loading
from systems.data.alike.present import Present, present
from tasks.data.alike import ALIKE, Decided, Listed, asked
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.errors import UsageError


def left_out(
    at: Opened, restore: str, newest: Suppression, decided: Decided, back: Collection[str]
) -> list[str]:
    """Give the ids of examples that are to be erased too, since they look like erased pictures.

    back: those that are erased anyway. decided: logged, and what is logged holds from then on.
    UsageError where there are such examples and nobody has said, or another word was logged.
    """
    noted = held_to(at, restore, decided)
    decided = noted or decided
    if decided.accepted is not None and noted:
        return []
    own = suppression.load(at.ws.records, at.ws.keys).likenesses()
    since = {one: run for one, run in newest.likenesses().items() if one not in own}
    found = present(at.ws, [*since], at.params.data.alike_bits, back)
    if found and not decided.said:
        raise _asked(at, found, [*since.values()])
    if found and not noted:
        said = {"accepted": decided.accepted, "leave_out": decided.leave_out}
        body = {"pictures_alike": len(found), "decided": said}
        at.ledger.record(ALIKE, body, key=f"{restore}/{ALIKE}", now=utc_now())
    return [one.example for one in found] if decided.leave_out else []


def held_to(at: Opened, restore: str, decided: Decided) -> Decided | None:
    """Give what was decided before, None if nothing was; UsageError where it is another now."""
    entry = at.ledger.log.find(f"{restore}/{ALIKE}")
    noted = Decided(**entry.body["decided"]) if entry else None
    if noted and decided.said and decided != noted:
        word = "left out" if noted.leave_out else "others', for a reason that is logged"
        raise UsageError(
            f"restore: what looks like erased ones was decided before and logged: {word}; expected "
            "the same options, or none of them: leave them out and run it again, or restore anew "
            "into another empty folder"
        )
    return noted


def _asked(at: Opened, found: Sequence[Present], runs: Sequence[str]) -> UsageError:
    theirs = tuple(sorted({runs[one.listed] for one in found}))
    rows = Listed(frozenset(), (), tuple(range(len(found))), theirs)
    of = sum(loading.counts(at.ws).values())
    return UsageError(f"restore: {asked(rows, of, [one.place for one in found])}")
