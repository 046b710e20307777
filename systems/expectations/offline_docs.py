"""Data Docs as pages that ask nobody: as built they load style, scripts and a logo from others.

Whoever opens the evidence would tell those servers when, and without a network would see neither
the index nor whether an expectation was met.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ledger import durable

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


def make_offline(docs: Path) -> Path:
    """Take out what is loaded from elsewhere, and write an index that needs no script."""
    for page in docs.rglob("*.html"):
        page.write_text(_offline(page.read_text(encoding="utf-8")), encoding="utf-8")
    for heavy in ("images", "fonts"):
        durable.remove_folder(docs / "static" / heavy, within=docs)
    _write_index(docs, "Results", sorted((docs / "validations").rglob("*.html")))
    return docs


def _offline(page: str) -> str:
    return FOREIGN.sub("", page).replace("</head>", f"{STYLE}</head>", 1)


def _write_index(docs: Path, title: str, pages: Sequence[Path]) -> None:
    rows = [_row(page.relative_to(docs)) for page in pages]
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    body = f"<h1>{title} of Great Expectations</h1><ul>{''.join(rows)}</ul>"
    text = f"{head}{STYLE}</head><body>{body}</body></html>\n"
    (docs / "index.html").write_text(text, encoding="utf-8")


def _row(page: Path) -> str:
    suite, moment = page.parts[1], page.parts[-2]
    link = escape(page.as_posix(), quote=True)
    return f'<li><a href="{link}">{escape(suite)}</a>, checked at {escape(moment)}</li>'
