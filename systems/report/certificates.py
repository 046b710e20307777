"""Certificates as sheets: what stands on one, whether it is read as a page or on paper.

A sheet is text alone. The page escapes all of it; the PDF takes it as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from systems.report.site import render

Facts = tuple[tuple[str, str], ...]

FOOT = {
    "en": "Written {at} UTC from the signed log, which ended at entry {entry}.",
    "de": "Geschrieben am {at} UTC nach dem signierten Protokoll, das mit Eintrag {entry} endete.",
    "fr": "Écrit le {at} UTC d'après le journal signé, qui finissait à l'entrée {entry}.",
}
"""When a certificate was written, and from what, by language."""


@dataclass(frozen=True)
class Part:
    """A part of a sheet, in this order: heading, paragraphs, facts by name, lines of a list.

    code: lines of a command line, to be typed as they are.
    """

    heading: str = ""
    paragraphs: tuple[str, ...] = ()
    facts: Facts = ()
    lines: tuple[str, ...] = ()
    code: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """A certificate. foot: when it was written, and from what."""

    title: str
    language: str
    parts: tuple[Part, ...]
    foot: str


def from_letter(letter: str, language: str, foot: str) -> Sheet:
    """Lay a letter out: its first line is the title, blank lines part paragraphs from lists."""
    title, _, rest = letter.strip().partition("\n")
    blocks = (block for block in re.split(r"\n\s*\n", rest) if block.strip())
    return Sheet(title, language, tuple(map(_part, blocks)), foot)


def _part(block: str) -> Part:
    lines = block.strip().splitlines()
    words = " ".join(line for line in lines if not line.startswith("- "))
    listed = tuple(line.removeprefix("- ") for line in lines if line.startswith("- "))
    return Part(paragraphs=(words,) if words else (), lines=listed)


def as_page(sheet: Sheet) -> bytes:
    """Give a sheet as an HTML page that loads nothing, and prints as a letter does."""
    return render("certificate.html", "certificate.html", sheet=sheet)
