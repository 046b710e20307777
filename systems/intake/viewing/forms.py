"""The page at which one signs in, and the one that says what a role may not see; no scripts."""

from __future__ import annotations

from html import escape

from systems.intake.viewing.roles import FIRST, seen_by
from systems.intake.viewing.signing_in import Signed

_STYLE = """
:root { color-scheme: light dark; } body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem;
  margin: 3rem auto; padding: 0 1rem; background: #fff; color: #1b1b1b; }
label { display: block; font-weight: 600; } input { font: inherit; width: 100%; padding: .5rem;
  box-sizing: border-box; margin: .3rem 0 1rem; } button { font: inherit; padding: .5rem 1.2rem; }
[role=alert] { border-left: 4px solid #a11; padding-left: .8rem; } a { color: #00507d; }
:focus-visible { outline: 3px solid #00507d; outline-offset: 2px; }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #e8e8e8; }
  a { color: #7cc4f0; } :focus-visible { outline-color: #7cc4f0; } }
"""

ELSEWHERE = (
    "If you came by a link from somewhere else, you may be signed in all the same: "
    '<a href="/pages/{to}">go on to the page</a>.'
)


def sign_in(to: str, problem: str = "") -> str:
    """Ask for a token. to: the place to go on to, checked before; problem: with the last one."""
    alert = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    on = f"<p>{ELSEWHERE.format(to=escape(to))}</p>" if to and not problem else ""
    return _page(
        "Sign in",
        f'{alert}<form method="post" action="/pages/sign-in">'
        f'<input type="hidden" name="to" value="{escape(to)}">'
        '<label for="token">Token</label>'
        '<input id="token" name="token" type="password" autocomplete="current-password" required>'
        f"<button>Sign in</button></form><p>Whoever runs the service gives you one, by "
        f"<code>lethe reader add</code>.</p>{on}",
    )


def forbidden(place: str, signed: Signed) -> str:
    """Say what a page needs."""
    needed = " or ".join(sorted(seen_by(place)))
    return _page(
        "Not for this role",
        f"<p>This page needs the role {escape(needed)}. You are signed in as "
        f"{escape(signed.name)}, {escape(signed.role)}.</p>"
        f'<p><a href="/pages/{FIRST[signed.role]}">To the pages that you may see</a></p>'
        '<form method="post" action="/pages/sign-out"><button>Sign out</button></form>',
    )


def _page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} - Lethe</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{content}</main></body></html>"
    )
