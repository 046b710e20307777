"""What MkDocs does not do by itself: pages from code, links that leave docs/, tables for keys."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from mkdocs.structure.files import File, Files

WIDE = '<div class="wide" role="region" aria-label="Table" tabindex="0"><table>'
STYLE = """.wide { overflow-x: auto; }
.md-typeset .md-typeset__scrollwrap { overflow: visible; }
.md-content p a, .md-content li a, .md-content td a { text-decoration: underline; }
"""
"""Wide tables are scrolled where the keyboard comes to, not in what the theme puts around them, and
links are told from words by more than a colour."""

LINK = re.compile(r"\[([^\]]*)\]\(((?!\w+:|#)[^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the reference pages."""
    from flows.cli.reference import pages

    for place, text in pages().items():
        files.append(File.generated(config, place, content=text))
    files.append(File.generated(config, "site.css", content=STYLE))
    return files


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Let the keyboard scroll tables."""
    return html.replace("<table>", WIDE).replace("</table>", "</table></div>")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Name what lies outside the site by its place in the repository."""

    def named(link: re.Match[str]) -> str:
        words, target = link.groups()
        folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))
        place = posixpath.normpath(posixpath.join(folder, target.partition("#")[0]))
        inside = place == "docs" or place.startswith("docs/")
        return link[0] if inside else f"{words} (`{place}`)"

    return LINK.sub(named, markdown)
