"""The forget set: found in the verified data version, checked, counted and sealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.requests import Selector
from tasks import datasets
from tasks.expectations import check_forget_set, check_manifest
from tasks.settings import Workspace
from tasks.steps.running import Opened, Run, close, give_back
from unlearning.errors import IntegrityError, RequestDenied

SPLITS = ("train", "holdout", "test")


def find(ws: Workspace, selectors: Sequence[Selector]) -> dict[str, list[str]]:
    """Give the ids that any of the selectors names, by split, and the unknown values."""
    found = [datasets.resolve(ws, selector) for selector in selectors]
    parts = {part: {i for one in found for i in getattr(one, part)} for part in SPLITS}
    unknown = {value for one in found for value in one.unknown}
    return {**{part: sorted(ids) for part, ids in parts.items()}, "unknown": sorted(unknown)}


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
    count = datasets.counts(at.ws)["train"]
    if len(ids["train"]) >= count:
        return (
            f"the selection is all {count} training examples, expected some to be left; "
            "that is not unlearning: retire the model instead"
        )
    return None


def extract(run: Run) -> dict[str, Any]:
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
    datasets.verify(ws)
    selectors = [run.at.ledger.selector(ref) for ref in run.requests]
    ids = find(ws, selectors)
    reason = refusal(run.at, ids)
    if reason:
        raise RequestDenied(f"request: {reason}")
    commitment = run.seal_forget_ids({part: ids[part] for part in SPLITS})
    return {
        "data_version": datasets.data_version(ws),
        "commitment": commitment,
        "likewise": likewise(selectors),
        **{part: len(ids[part]) for part in SPLITS},
    }


def expect_data(run: Run) -> dict[str, Any]:
    """Hold the manifest and the forget set to what Great Expectations can say of them."""
    return run.once("expected-data", lambda: _expect_data(run))


def _expect_data(run: Run) -> dict[str, Any]:
    table = datasets.read_table(run.at.ws, ["label", "example_id", "subject_id", "split"])
    pages = run.folder / "expectations"
    ids = [found for part in run.forget_ids().values() for found in part]
    manifest = check_manifest(
        table, classes=len(datasets.classes(run.at.ws)), docs_folder=pages / "manifest"
    )
    forget = check_forget_set(ids, table, splits=SPLITS, docs_folder=pages / "forget-set")
    broken = [*manifest.failures, *forget.failures]
    if broken:
        raise IntegrityError(
            f"data version: got a table of which {len(broken)} expectations do not hold, first: "
            f"{broken[0]}; nothing was changed; restore the data and run it again"
        )
    return {"manifest": manifest.success, "forget_set": forget.success}
