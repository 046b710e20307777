"""Great Expectations run on one table: rules in, what became of each of them out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from systems.expectations.offline_docs import make_offline
from systems.expectations.rules import Rule
from systems.settings.quiet import quiet_environment

if TYPE_CHECKING:
    from great_expectations import Checkpoint, ExpectationSuite
    from great_expectations.checkpoint.actions import ValidationAction
    from great_expectations.checkpoint.checkpoint import CheckpointResult
    from great_expectations.data_context.data_context.ephemeral_data_context import (
        EphemeralDataContext,
    )

SITE = "docs"
# Counts only: example values of a failed expectation could name people.
NO_VALUES = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class Expected:
    """What became of one rule."""

    words: str
    success: bool


@dataclass(frozen=True)
class Checked:
    """What became of a suite. docs: its pages, index.html first, if they were asked for."""

    success: bool
    results: tuple[Expected, ...]
    docs: Path | None = None

    @property
    def failures(self) -> tuple[str, ...]:
        """Give the rules that were not met, in words."""
        return tuple(result.words for result in self.results if not result.success)


def run_suite(name: str, frame: Any, rules: Sequence[Rule], docs_folder: Path | None) -> Checked:
    """Ask Great Expectations and match what it says to the rules by their words, not by order."""
    quiet_environment()
    import great_expectations as gx

    # This one is set to INFO by the package, and reports temporary folders, which it removes.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    for site in context.get_site_names():
        context.delete_data_docs_site(site)  # it would lie in a temporary folder
    present = [r for r in rules if r.settings.get("column", None) in {None, *frame.columns}]
    suite = gx.ExpectationSuite(name, expectations=[_expectation(rule) for rule in present])
    result = _checkpoint(context, suite, docs_folder).run(batch_parameters={"dataframe": frame})
    met = _met(result)
    results = tuple(Expected(rule.words, met.get(rule.words, False)) for rule in rules)
    success = bool(result.success) and bool(results) and all(r.success for r in results)
    return Checked(success, results, docs_folder and make_offline(docs_folder))


def _expectation(rule: Rule) -> Any:
    import great_expectations.expectations as kinds

    return getattr(kinds, rule.kind)(**rule.settings, meta={"rule": rule.words})


def _met(result: CheckpointResult) -> dict[str, bool]:
    return {
        config.meta["rule"]: bool(found.success)
        for run in result.run_results.values()
        for found in run.results
        if (config := found.expectation_config) is not None and config.meta
    }


def _checkpoint(
    context: EphemeralDataContext, suite: ExpectationSuite, docs_folder: Path | None
) -> Checkpoint:
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction

    asset = context.data_sources.add_pandas("lethe").add_dataframe_asset(suite.name)
    whole = asset.add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(suite)
    check = gx.ValidationDefinition(name=suite.name, data=whole, suite=suite)
    check = context.validation_definitions.add(check)
    actions: list[ValidationAction] = []
    if docs_folder is not None:
        context.add_data_docs_site(SITE, _site(docs_folder))
        actions.append(UpdateDataDocsAction(name=SITE, site_names=[SITE]))
    return context.checkpoints.add(
        gx.Checkpoint(
            name=suite.name,
            validation_definitions=[check],
            actions=actions,
            result_format=NO_VALUES,
        )
    )


def _site(folder: Path) -> Any:
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False}
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "site_index_builder": index,
        "store_backend": store,
    }
