"""Data Docs as pages that ask nobody: as built they load style, scripts and a logo from others.

Whoever opens the evidence would tell those servers when, and without a network would not see
whether an expectation was met. Great Expectations' own site has pages beside for what was asked,
which this one says too, and styles that nobody sees: building it takes longer than the questions.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger import durable

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult

FOREIGN = re.compile(
    r"<script\b.*?</script>"
    r"|<(?:link|img)\b[^>]*https?://[^>]*>"
    r"|<footer\b.*?</footer>"
    r"|url\('https?://[^)]*\)",
    re.DOTALL,
)
STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 60rem;
  padding: 0 1rem; color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #c8c8c8; padding: .35rem .6rem; text-align: left; }
.fa-check-circle::before { content: "\\2713 met"; color: #0b6e4f; }
.fa-times::before { content: "\\2717 not met"; color: #b3261e; font-weight: bold; }
.fa-exclamation-triangle::before { content: "! not checked"; color: #8a5a00; font-weight: bold; }
.ge-breadcrumbs, #ge-cta-footer, .alert, .ge-navigation-sidebar-container, .cooltip .top,
.ge-validation-results-actions, .sidebar { display: none; }
</style>"""


def write_page(docs: Path, result: ExpectationSuiteValidationResult) -> None:
    """Write what became of a suite as the one page, index.html, of a folder."""
    durable.make_folder(docs)
    (docs / "index.html").write_text(page_of(result), encoding="utf-8")


def page_of(result: ExpectationSuiteValidationResult) -> str:
    """Render what became of a suite."""
    for one in result.results:
        one.result = {name: _plain(value) for name, value in one.result.items()}
    return _offline(_view().render(_renderer().render(result)))


def _plain(value: object) -> object:
    """Numbers as Python has them: a page of others shows a traceback in their place."""
    return value.item() if hasattr(value, "item") else value


def _offline(page: str) -> str:
    return FOREIGN.sub("", page).replace("</head>", f"{STYLE}</head>", 1)


@cache
def _view() -> Any:
    """One for all pages of this process: each has to compile its twenty templates."""
    from great_expectations.render.view.view import DefaultJinjaPageView

    return DefaultJinjaPageView()


@cache
def _renderer() -> Any:
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    return ValidationResultsPageRenderer()
