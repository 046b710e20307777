"""The ground of a denial in words, in each language, with the provision that it stands on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LETTERS = Path(__file__).with_name("templates") / "letters"
_PARTS = re.compile(r"(\d+)\((\d+)\)(?:\((\w)\))?")
_REGULATION = "11:"
"""Before a section of the California Code of Regulations, title 11, and of no other book."""


def ground_in_words(ground: str | None, provision: str | None, language: str) -> str | None:
    """Say a ground; None for one that no words are known of, whose reason has to say it.

    provision: of the law, such as 17(3)(e) or 1798.105(d)(4); empty or None where it has none.
    """
    words = _words(language).get(ground or "")
    place = _place(provision, language) if provision else ""
    return words and (f"{words} ({place})" if place else words)


@cache
def _words(language: str) -> Mapping[str, str]:
    found: Mapping[str, str] = tomllib.loads(
        (LETTERS / language / "grounds.toml").read_text(encoding="utf-8")
    )
    return found


def _place(provision: str, language: str) -> str:
    if provision.startswith(_REGULATION):
        section = provision.removeprefix(_REGULATION)
        return f"California Code of Regulations, title 11, section {section}"
    if provision.startswith("1798."):
        return f"California Civil Code, section {provision}"
    return _article(provision, language)


def _article(provision: str, language: str) -> str:
    """Cite an article of the GDPR as its language does."""
    found = _PARTS.fullmatch(provision)
    if language == "en" or found is None:
        return f"Article {provision} GDPR"
    article, paragraph, point = found.groups()
    if language == "de":
        letter = f" Buchstabe {point}" if point else ""
        return f"Artikel {article} Absatz {paragraph}{letter} DSGVO"
    letter = f", point {point})" if point else ""
    return f"article {article}, paragraphe {paragraph}{letter}, du RGPD"
