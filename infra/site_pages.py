"""What MkDocs does not do by itself: pages written from code, and links that leave docs/."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from mkdocs.structure.files import File, Files

LINK = re.compile(r"\[([^\]]*)\]\(((?!\w+:|#)[^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the reference pages."""
    from flows.cli.reference import pages

    for place, text in pages().items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Name what lies outside the site by its place in the repository."""

    def named(link: re.Match[str]) -> str:
        words, target = link.groups()
        folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))
        place = posixpath.normpath(posixpath.join(folder, target.partition("#")[0]))
        inside = place == "docs" or place.startswith("docs/")
        return link[0] if inside else f"{words} (`{place}`)"

    return LINK.sub(named, markdown)
