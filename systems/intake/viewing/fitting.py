"""A page as a role may see it: what leads elsewhere is not there, or is words and no link."""

from __future__ import annotations

import re
from html import escape
from posixpath import dirname, join, normpath

from systems.intake.viewing.roles import seen_by
from systems.intake.viewing.signing_in import Signed

WHO = "<!-- who reads -->"
"""Where a page says who reads it; one without it is a sealed report, and is shown as it is."""

LEAVE = (
    '<form method="post" action="/pages/sign-out"><p>Signed in as {who}. '
    "<button>Sign out</button></p></form>"
)

_ITEM = re.compile(r'<li><a href="([^"#]+)[^>]*>[^<]*</a></li>\n?')
_LINK = re.compile(r'<a href="([^"#]+)[^>]*>(.*?)</a>', re.DOTALL)


def fitted(content: bytes, place: str, signed: Signed) -> bytes:
    """Take from a page the links that its reader may not follow, and say who he is."""
    page = content.decode()
    if WHO not in page:
        return content

    def may(link: re.Match[str]) -> bool:
        return signed.role in seen_by(normpath(join(dirname(place), link[1])))

    page = _ITEM.sub(lambda link: link[0] if may(link) else "", page)
    page = _LINK.sub(lambda link: link[0] if may(link) else link[2], page)
    return page.replace(WHO, _who(signed), 1).encode()


def _who(signed: Signed) -> str:
    who = escape(f"{signed.name}, {signed.role}")
    return LEAVE.format(who=who) if signed.session else f"<p>Signed in as {who}.</p>"
