"""A sheet on paper: A4, text that can be searched, copied and read aloud; the same in, same bytes.

The font is DejaVu Sans, which comes with matplotlib and has the letters of most languages.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from systems.report.certificates import Part, Sheet

MARGIN, TITLE, HEADING, TEXT, SMALL = 20, 15, 12, 10, 8
"""Millimetres, and points."""


def as_pdf(sheet: Sheet, written_at: datetime) -> bytes:
    """Write a sheet as a PDF; every word of the page is in it, in the same order."""
    paper = _paper(sheet, written_at)
    paper.set_font("sans", "B", TITLE)
    _say(paper, sheet.title, TITLE)
    for part in sheet.parts:
        _part(paper, part)
    paper.ln(4)
    paper.set_font("sans", "", SMALL)
    _say(paper, sheet.foot, SMALL)
    return bytes(paper.output())


def _paper(sheet: Sheet, written_at: datetime) -> Any:
    from fpdf import FPDF

    paper = FPDF(format="A4")
    paper.set_margin(MARGIN)
    paper.set_auto_page_break(True, MARGIN)
    paper.set_creation_date(written_at)
    paper.set_title(sheet.title)
    paper.set_lang(sheet.language)
    paper.set_producer("Lethe")
    for style, name in (("", "DejaVuSans"), ("B", "DejaVuSans-Bold")):
        paper.add_font("sans", style, _fonts() / f"{name}.ttf")
    paper.add_font("mono", "", _fonts() / "DejaVuSansMono.ttf")
    paper.add_page()
    return paper


@cache
def _fonts() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def _part(paper: Any, part: Part) -> None:
    if part.heading:
        paper.ln(2)
        paper.set_font("sans", "B", HEADING)
        _say(paper, part.heading, HEADING)
    paper.set_font("sans", "", TEXT)
    for words in part.paragraphs:
        _say(paper, words, TEXT)
    for name, value in part.facts:
        _say(paper, f"{name}: {value}", TEXT)
    for line in part.lines:
        _say(paper, f"\N{BULLET} {line}", TEXT)
    paper.set_font("mono", "", SMALL)
    for line in part.code:
        _say(paper, line, SMALL)


def _say(paper: Any, words: str, size: int) -> None:
    """Set words over the whole width; those without a space break where the line ends."""
    paper.multi_cell(0, size * 0.5, words, align="L", new_x="LMARGIN", new_y="NEXT")
    paper.ln(1)
