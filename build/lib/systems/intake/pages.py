"""The API's description as one page of HTML that needs no other host and no script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

_STYLE = "body{font:16px sans-serif;max-width:60em;margin:2em auto}pre{background:#eee;padding:1em}"


def page(api: dict[str, Any]) -> str:
    """Write an OpenAPI description for people."""
    about = api["info"]
    calls = (
        _call(f"{verb.upper()} {path}", call)
        for path, verbs in api["paths"].items()
        for verb, call in verbs.items()
    )
    title = escape(about["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1><p>{escape(about.get('description', ''))}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{"".join(calls)}</html>'
    )


def _call(name: str, call: dict[str, Any]) -> str:
    return f"<h2>{escape(name)}</h2><p>{escape(call.get('description', ''))}</p>" + "".join(
        [*_takes(call), "<ul>", *_answers(call), "</ul>"]
    )


def _takes(call: dict[str, Any]) -> Iterator[str]:
    for one in call.get("parameters", ()):
        need = "" if one.get("required") else " (may be absent)"
        about = f"{one['in']} {one['name']}{need}: {one.get('description', '')}"
        yield f"<div>{escape(about)}</div>"
    for kind, body in call.get("requestBody", {}).get("content", {}).items():
        schema = json.dumps(body.get("schema", {}), indent=1)
        yield f"<div>body {escape(kind)}</div><pre>{escape(schema)}</pre>"


def _answers(call: dict[str, Any]) -> Iterator[str]:
    for status, answer in call.get("responses", {}).items():
        yield f"<li>{escape(str(status))}: {escape(answer.get('description', ''))}</li>"
