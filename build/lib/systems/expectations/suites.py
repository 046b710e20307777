"""Great Expectations run on one table: rules in, what became of each of them out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from systems.expectations.offline_docs import write_page
from systems.expectations.rules import Rule
from systems.settings.quiet import quiet_environment

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import (
        EphemeralDataContext,
    )
    from great_expectations.datasource.fluent.interfaces import Batch

# Counts only: example values of a failed expectation could name people.
NO_VALUES = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class Expected:
    """What became of one rule."""

    words: str
    success: bool


@dataclass(frozen=True)
class Checked:
    """What became of a suite. docs: the folder of its page, index.html, if that was asked for."""

    success: bool
    results: tuple[Expected, ...]
    docs: Path | None = None

    @property
    def failures(self) -> tuple[str, ...]:
        """Give the rules that were not met, in words."""
        return tuple(result.words for result in self.results if not result.success)


def run_suite(name: str, frame: Any, rules: Sequence[Rule], docs_folder: Path | None) -> Checked:
    """Ask Great Expectations and match what it says to the rules by their words, not by order."""
    present = [r for r in rules if r.settings.get("column", None) in {None, *frame.columns}]
    result = _asked(name, frame, present)
    met = _met(result)
    results = tuple(Expected(rule.words, met.get(rule.words, False)) for rule in rules)
    success = bool(result.success) and bool(results) and all(r.success for r in results)
    if docs_folder is not None:
        write_page(docs_folder, result)
    return Checked(success, results, docs_folder)


def rehearse() -> None:
    """Ask one question about a table of one number, so that the next ones find all prepared.

    No thread stays: what is forked later would have half of it.
    """
    import pandas as pd

    from systems.expectations.offline_docs import page_of
    from systems.expectations.rules import seen, table_rules

    rules = [*table_rules(("number",)), seen("number", 0, 1)]
    frame = pd.DataFrame({"number": [0.5]})
    bars: Any = import_module("great_expectations.validator.validation_graph")
    bars.tqdm.monitor_interval = 0  # a thread that watches bars, which are not shown
    page_of(_asked("rehearsal", frame, rules))


def _expectation(rule: Rule) -> Any:
    import great_expectations.expectations as kinds

    return getattr(kinds, rule.kind)(**rule.settings, meta={"rule": rule.words})


def _asked(name: str, frame: Any, rules: Sequence[Rule]) -> ExpectationSuiteValidationResult:
    quiet_environment()
    import great_expectations as gx

    suite = gx.ExpectationSuite(name, expectations=[_expectation(rule) for rule in rules])
    return _batch(name, frame).validate(suite, result_format=NO_VALUES)


def _met(result: ExpectationSuiteValidationResult) -> dict[str, bool]:
    return {
        config.meta["rule"]: bool(found.success)
        for found in result.results
        if (config := found.expectation_config) is not None and config.meta
    }


def _batch(name: str, frame: Any) -> Batch:
    """Give the table as what can be asked; nothing of it stays with Great Expectations."""
    source = _context().data_sources.add_or_update_pandas("lethe")
    asset = source.add_dataframe_asset(name)
    whole = asset.add_batch_definition_whole_dataframe("all")
    return whole.get_batch(batch_parameters={"dataframe": frame})


@cache
def _context() -> EphemeralDataContext:
    """Make the one context of this process, without pages of its own: they would lie in /tmp."""
    import great_expectations as gx

    # This one is set to INFO by the package, and reports temporary folders, which it removes.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    for site in context.get_site_names():
        context.delete_data_docs_site(site)
    return context
