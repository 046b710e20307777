"""Pages of many records: HTML that loads nothing and needs no script, in the look of the report."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from systems.report.wording import STYLE

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'self'"
)
"""What a browser may load for a page: what stands in it, and nothing else."""

PAGES = (
    ("Requests", "index.html"),
    ("Versions", "lineage.html"),
    ("Methods", "methods.html"),
    ("Log", "log/1.html"),
)

_MORE = """<style>
nav ul { display: flex; flex-wrap: wrap; gap: 1.2rem; list-style: none; padding: 0; }
[aria-current] { font-weight: 700; }
.skip { position: absolute; left: -99rem; } .skip:focus { position: static; }
.wide { overflow-x: auto; } .wide th, .wide td { overflow-wrap: break-word; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th[scope=row] { font-weight: 400; } dl { display: grid; grid-template-columns: max-content 1fr;
  gap: .25rem 1rem; } dd { margin: 0; overflow-wrap: anywhere; } dt { font-weight: 600; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; } footer { margin-top: 3rem;
  font-size: .9rem; }
body { max-width: 72rem; } svg { max-width: 100%; height: auto; font-size: 14px; }
rect { fill: #f4f4f4; stroke: #4a4a4a; } text { fill: #1b1b1b; } path { fill: none; stroke: #777; }
.tainted rect { stroke-dasharray: 5 4; } .serves rect { stroke: #00507d; stroke-width: 3; }
@media (prefers-color-scheme: dark) { rect { fill: #262626; stroke: #b5b5b5; }
  text { fill: #e8e8e8; } .serves rect { stroke: #7cc4f0; } }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } }
</style>"""


def render(template: str, here: str, **values: Any) -> bytes:
    """Render a page; here: its own place, from which others are linked. All values are escaped."""
    root = "../" * here.count("/")
    known = {"policy": POLICY, "pages": PAGES, "here": here, "root": root}
    return _environment().get_template(template).render(**known, **values).encode()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("systems.report", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.globals["style"] = STYLE + _MORE
    return made
