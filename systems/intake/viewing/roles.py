"""Who may see which page, by the page's place; what is named nowhere only an administrator may."""

from __future__ import annotations

import re
from enum import StrEnum


class Role(StrEnum):
    """What somebody who reads the pages is there for."""

    OFFICER = "privacy-officer"
    SCIENTIST = "data-scientist"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


SEEN: tuple[tuple[re.Pattern[str], frozenset[Role]], ...] = tuple(
    (re.compile(form), frozenset(roles))
    for form, roles in (
        (r"index\.html|requests/.+|record-..\.txt", (Role.OFFICER, Role.AUDITOR)),
        (r"certificates/.+-auditor\.html", (Role.OFFICER, Role.AUDITOR)),
        (r"certificates/.+|letters/.+", (Role.OFFICER,)),
        (r"runs/.+", (Role.OFFICER, Role.SCIENTIST, Role.AUDITOR)),
        (r"methods\.html|lineage\.html", (Role.SCIENTIST, Role.AUDITOR)),
        (r"log/.+", (Role.AUDITOR,)),
    )
)
"""The first form that a place has says who sees it, besides an administrator."""

FIRST = {
    Role.OFFICER: "index.html",
    Role.SCIENTIST: "methods.html",
    Role.AUDITOR: "log/1.html",
    Role.ADMINISTRATOR: "index.html",
}
"""The page that a role begins at."""


def seen_by(place: str) -> frozenset[Role]:
    """Give the roles that may see a page, whether or not there is one."""
    found = next((roles for form, roles in SEEN if form.fullmatch(place)), frozenset())
    return found | {Role.ADMINISTRATOR}
