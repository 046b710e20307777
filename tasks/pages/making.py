"""All pages of a workspace, as files by their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger import durable
from systems.report.certificates import as_page
from systems.report.site import render
from tasks.pages import letters, lineage, log, methods, requests
from tasks.pages.certificates import certificates
from tasks.pages.known import Known, link
from unlearning.counting import counted

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
    records = {f"record-{language}.txt": text for language, text in letters.records(known, rows)}
    yield from ((page, text.encode()) for page, text in records.items())
    own = [link(f"Record of processing, {page[7:9]}", page) for page in records]
    board = requests.board(rows, known.upgraded)
    yield "index.html", render("board.html", "index.html", **board, records=own, **foot)
    for row in counted(rows, len(rows), "pages", "requests"):
        yield from _of_request(known, row, reports, foot)
    yield "lineage.html", render("lineage.html", "lineage.html", **lineage.lineage(known), **foot)
    tried = methods.methods(known, there, reports)
    yield "methods.html", render("methods.html", "methods.html", **tried, **foot)
    for page, told in log.parts(known, verdict):
        yield page, render("log.html", page, **told, **foot)


def _of_request(
    known: Known, row: Mapping[str, Any], reports: Mapping[str, str], foot: Mapping[str, Any]
) -> Iterator[tuple[str, bytes]]:
    """Give the letters on a request and its page, which leads to them."""
    ref, links = row["request"], []
    for kind, language, text in letters.letters(known, row):
        name = f"letters/{ref}-{kind}-{language}.txt"
        links.append(link(f"{kind.capitalize()}, {language}", f"../{name}"))
        yield name, text.encode()
    sheets = dict(certificates(known, row))
    for kind, sheet in sheets.items():
        yield f"certificates/{ref}-{kind}.html", as_page(sheet)
    own = [link(_named(kind), f"../certificates/{ref}-{kind}.html") for kind in sheets]
    page, told = f"requests/{ref}.html", requests.page_of(known, row, reports)
    yield page, render("request.html", page, **told, letters=links, certificates=own, **foot)


def _named(kind: str) -> str:
    """Call a certificate by whom it is for, and its language."""
    who, _, language = kind.partition("-")
    return f"For the {who}{f', {language}' if language else ''}"


def _reports(known: Known) -> Iterator[tuple[str, str]]:
    """Find the report of each run that has decided."""
    for entry in known.entries:
        run, _, step = entry.key.rpartition("/")
        if step == "decided" and (known.at.ws.evidence / run / REPORT).is_file():
            yield run, f"runs/{run}.html"
