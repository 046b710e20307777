"""All pages of a workspace, as files by their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger import durable
from systems.report.site import render
from tasks.pages import lineage, log, methods, requests
from tasks.pages.known import Known

REPORT = "report.html"
Rows = Sequence[Mapping[str, Any]]


def pages(known: Known, rows: Rows, there: Rows, verdict: str) -> Iterator[tuple[str, bytes]]:
    """Give each page: where it lies, and its bytes.

    rows: requests, there: methods, both as `lethe list` gives them. verdict: whether the log is
    whole. A run's report is the sealed one, byte by byte.
    """
    foot = {"made": f"{known.now:%Y-%m-%d %H:%M} UTC", "entries": len(known.entries)}
    reports = dict(_reports(known))
    for run, page in reports.items():
        yield page, durable.read(known.at.ws.evidence / run / REPORT)
    yield "index.html", render("board.html", "index.html", **requests.board(rows), **foot)
    for row in rows:
        page = f"requests/{row['request']}.html"
        told = requests.page_of(known, row, reports)
        yield page, render("request.html", page, **told, letters=(), **foot)
    yield "lineage.html", render("lineage.html", "lineage.html", **lineage.lineage(known), **foot)
    tried = methods.methods(known, there, reports)
    yield "methods.html", render("methods.html", "methods.html", **tried, **foot)
    for page, told in log.parts(known, verdict):
        yield page, render("log.html", page, **told, **foot)


def _reports(known: Known) -> Iterator[tuple[str, str]]:
    """Find the report of each run that has decided."""
    for entry in known.entries:
        run, _, step = entry.key.rpartition("/")
        if step == "decided" and (known.at.ws.evidence / run / REPORT).is_file():
            yield run, f"runs/{run}.html"
