"""The forget set: found in the verified data version, checked, counted and sealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger import suppression
from ledger.domain import Selector
from systems.data import loading, resolving, versions
from systems.settings.workspace import Workspace
from tasks.running.opened import Opened
from tasks.running.run import Run, close, give_back
from unlearning.domain import SPLITS, TRAIN
from unlearning.errors import RequestDenied


def find(ws: Workspace, selectors: Sequence[Selector]) -> dict[str, list[str]]:
    """Give the ids that any of the selectors names, by split, and the unknown values."""
    found = resolving.resolve_all(ws, selectors)
    parts = {part: {i for one in found for i in getattr(one, part)} for part in SPLITS}
    unknown = {value for one in found for value in one.unknown}
    return {**{part: sorted(ids) for part, ids in parts.items()}, "unknown": sorted(unknown)}


def erasing_run(ws: Workspace, selector: Selector, ids: dict[str, list[str]]) -> str | None:
    """Name the run that erased all that a selector means; None if it still means something.

    Also None if nothing of it was ever here. ids: what `find` gives for the selector.
    """
    if any(ids[part] for part in SPLITS):
        return None
    return suppression.load(ws.records, ws.keys).erased_by(selector)


def likewise(selectors: Sequence[Selector]) -> bool:
    """Say whether the selected holdout examples are the ones to compare with.

    So it is for classes and attributes: other examples would measure the class or attribute, not
    the membership. A person's or a single example in the holdout set is no such comparison.
    """
    return all(selector.kind in ("class", "where") for selector in selectors)


def refusal(at: Opened, ids: dict[str, list[str]]) -> str | None:
    """Say why no unlearning can serve a selection: nothing found, or nothing would be left."""
    if not any(ids[part] for part in SPLITS):
        return "the selection matches no example, expected at least one; nothing was changed"
    count = loading.counts(at.ws)[TRAIN]
    if len(ids[TRAIN]) >= count:
        return (
            f"the selection is all {count} training examples, expected some to be left; "
            "that is not unlearning: retire the model instead"
        )
    return None


def extract_forget_set(run: Run) -> dict[str, Any]:
    """Verify the data version, find the forget set in it and seal its ids.

    If nothing can serve the requests any more, as when another run has erased the examples since,
    the run ends and they wait again, so that they hold up nobody else.
    """
    try:
        return run.once("extracted", lambda: _extract(run))
    except RequestDenied as problem:
        give_back(run, str(problem))
        close(run)
        raise


def _extract(run: Run) -> dict[str, Any]:
    ws = run.at.ws
    loading.verify(ws)
    selectors = [run.at.ledger.selector(ref) for ref in run.requests]
    ids = find(ws, selectors)
    reason = refusal(run.at, ids)
    if reason:
        raise RequestDenied(f"request: {reason}")
    commitment = run.seal_forget_ids({part: ids[part] for part in SPLITS})
    return {
        "data_version": versions.data_version(ws),
        "commitment": commitment,
        "likewise": likewise(selectors),
        **{part: len(ids[part]) for part in SPLITS},
    }
