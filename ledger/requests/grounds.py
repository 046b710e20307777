"""On which ground a request is denied: one of a list, as data, with where each law has it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from unlearning.errors import UsageError

FILE = Path(__file__).with_name("grounds.toml")
NOT_FOUND, OTHER = "not_found", "other"
"""Nothing that is known belongs to it; what no other name says."""


@cache
def grounds() -> Mapping[str, Mapping[str, str]]:
    """The grounds by name: law -> its provision, empty where it has none of its own."""
    found: Mapping[str, Mapping[str, str]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return found


def provision(ground: str, jurisdiction: str) -> str | None:
    """Where a law has a ground, such as 17(3)(e); None for a ground that it does not know."""
    return grounds().get(ground, {}).get(law_of(jurisdiction))


def law_of(jurisdiction: str) -> str:
    """The law of a jurisdiction: gdpr of gdpr-de."""
    return jurisdiction.partition("-")[0]


def require_ground(ground: str | None, jurisdiction: str) -> str:
    """The ground, `other` for None; UsageError, which lists them, for none of this law."""
    name, law = OTHER if ground is None else ground, law_of(jurisdiction)
    if provision(name, jurisdiction) is None:
        known = ", ".join(one for one, laws in grounds().items() if law in laws)
        raise UsageError(f"--ground: got {name!r}, expected one of those under {law}: {known}")
    return name
