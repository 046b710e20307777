"""A sheet on paper: A4, text that can be searched, copied and read aloud; the same in, same bytes.

The font is DejaVu Sans, which comes with matplotlib and has the letters of most languages that part
them. What it lacks, such as Chinese or Japanese, is taken from fonts of one's own. Letters that
join or stand on one another (Arabic, Hindi, Thai) would come out wrong: there is no paper then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from systems.report.certificates import Part, Sheet
from unlearning.errors import UsageError

MARGIN, TITLE, HEADING, TEXT, SMALL = 20, 15, 12, 10, 8
"""Millimetres, and points."""

SANS, MONO = "DejaVuSans", "DejaVuSansMono"

FONTS = "fonts"
"""The folder of one's own fonts, in that of one's own letters."""

_JOINED = ((0x0590, 0x109F), (0x1780, 0x18AF), (0xFB1D, 0xFDFF), (0xFE70, 0xFEFC))
"""Blocks of letters that are written right to left, join, or stand on one another."""


def as_pdf(sheet: Sheet, written_at: datetime, fonts: Sequence[Path] = ()) -> bytes | None:
    """Write a sheet as a PDF; every word of the page is in it, in the same order.

    fonts: files of one's own, for letters that DejaVu lacks. None where some letter could not be
    set as it is read; UsageError for a file that is no font.
    """
    code = "".join(line for part in sheet.parts for line in part.code)
    own = frozenset[int]().union(*map(_letters, fonts))
    if _is_lost("".join(_words(sheet)), own, SANS) or _is_lost(code, own, MONO):
        return None
    paper = _paper(sheet, written_at, fonts)
    paper.set_font("sans", "B", TITLE)
    _say(paper, sheet.title, TITLE)
    for part in sheet.parts:
        _part(paper, part)
    paper.ln(4)
    paper.set_font("sans", "", SMALL)
    _say(paper, sheet.foot, SMALL)
    return bytes(paper.output())


def _paper(sheet: Sheet, written_at: datetime, fonts: Sequence[Path]) -> Any:
    from fpdf import FPDF

    paper = FPDF(format="A4")
    paper.set_margin(MARGIN)
    paper.set_auto_page_break(True, MARGIN)
    paper.set_creation_date(written_at)
    paper.set_title(sheet.title)
    paper.set_lang(sheet.language)
    paper.set_producer("Lethe")
    for style, name in (("", SANS), ("B", f"{SANS}-Bold")):
        paper.add_font("sans", style, _fonts() / f"{name}.ttf")
    paper.add_font("mono", "", _fonts() / f"{MONO}.ttf")
    for number, path in enumerate(fonts):
        for style in ("", "B"):
            paper.add_font(f"own{number}", style, path)
    paper.set_fallback_fonts([f"own{number}" for number in range(len(fonts))], exact_match=False)
    paper.add_page()
    return paper


@cache
def _fonts() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def _words(sheet: Sheet) -> Iterator[str]:
    yield from (sheet.title, sheet.foot)
    for part in sheet.parts:
        yield from (part.heading, *part.paragraphs, *part.lines)
        yield from (word for fact in part.facts for word in fact)


def _is_lost(words: str, own: frozenset[int], family: str) -> bool:
    """Whether a letter of these words would be set wrong, or as a box."""
    points = {ord(letter) for letter in words if not letter.isspace()}
    joined = any(first <= point <= last for first, last in _JOINED for point in points)
    return joined or not points <= _letters(_fonts() / f"{family}.ttf") | own


@cache
def _letters(font: Path) -> frozenset[int]:
    """Give the letters that a font has; UsageError for a file that is none."""
    from fontTools.ttLib import TTFont

    try:
        with TTFont(font) as opened:
            return frozenset(opened.getBestCmap() or ())
    except Exception as problem:  # it raises all kinds on a file that is no font
        raise UsageError(
            f"letters/{FONTS}/{font.name}: cannot be read ({type(problem).__name__}), expected a "
            "TrueType or OpenType font: remove it, or put another there"
        ) from problem


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
