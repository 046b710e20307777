"""Reference pages, written from the code that they are about: `make docs` puts them on the site."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_type_hints

import typer

from systems.settings.params import Params
from systems.settings.policy import Policy
from systems.settings.service import Service
from unlearning.registry import Registry
from unlearning.settings import RANGES, expected


def pages() -> dict[str, str]:
    """Give every page's text by its place on the site."""
    return {
        "reference/commands.md": commands(),
        "reference/settings.md": settings(),
        "reference/methods.md": registered(),
        "reference/http.md": calls(),
    }


def commands() -> str:
    """Write each command with its arguments and options, as `--help` has them."""
    from flows.cli import app

    group: Any = typer.main.get_command(app)
    parts = ["# Commands\n", f"{group.help}\n", _parameters(group.params)]
    for name, command in group.commands.items():
        parts += [f"## lethe {name}\n", f"{_plain(command.help)}\n", _parameters(command.params)]
    return "\n".join(parts)


def _parameters(found: Iterable[Any]) -> str:
    rows = []
    for one in found:
        names = ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
        known = one.param_type_name == "argument" and f"`{one.name}`"
        rows.append((known or names, _plain(getattr(one, "help", None)), _default(one.default)))
    return _table(("name", "what it is", "default"), rows) if rows else ""


def _default(value: object) -> str:
    plain = value in (None, False, (), []) or callable(value)
    return "" if plain else f"`{value}`"


def settings() -> str:
    """Write every key of the files that people write, with its type, its default and its range."""
    parts = ["# Settings\n"]
    for name, of in FILES.items():
        parts += [f"## {name}\n", *_sections(of, "")]
    return "\n".join(parts)


FILES: Mapping[str, type[Any]] = {
    "params.yaml": Params,
    "policy.yaml": Policy,
    "service.yaml": Service,
}
"""Files of a workspace, and what reads them."""


def _sections(of: type[Any], where: str) -> Iterator[str]:
    hints = get_type_hints(of)
    if where:
        yield f"### {where}\n"
    yield f"{_about(of)}\n"
    yield _fields(of)
    for one in _keys(of):
        inner = _settings_in(hints[one.name])
        if inner is not None:
            yield from _sections(inner, f"{where}.{one.name}".lstrip("."))


def _keys(of: type[Any]) -> list[Field[Any]]:
    return [one for one in fields(of) if one.name != "digest"]  # which follows from the file


def _settings_in(hint: Any) -> type[Any] | None:
    kinds = getattr(hint, "__args__", (hint,))
    found = [kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)]
    return found[0] if found else None


def _fields(of: type[Any]) -> str:
    hints = get_type_hints(of)
    rows = [(f"`{one.name}`", *_field(one, hints[one.name])) for one in _keys(of)]
    return _table(("key", "takes", "range", "default"), rows) if rows else "No settings.\n"


def _field(one: Field[Any], hint: Any) -> tuple[str, str, str]:
    default = one.default if one.default is not MISSING else None
    factory = one.default_factory
    made = default if factory is MISSING else factory()
    shown = "" if _required(one) or is_dataclass(made) else f"`{made}`"
    return _takes(hint), _range(one.metadata or RANGES.get(one.name, {})), shown


def _required(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _takes(hint: Any) -> str:
    inner = _settings_in(hint)
    if inner is not None and inner is not hint:
        return f"{expected(inner)}, or null"
    try:
        return expected(hint)
    except (KeyError, TypeError):
        return f"`{str(hint).replace('typing.', '').replace('collections.abc.', '')}`"


def _range(limits: Mapping[str, Any]) -> str:
    if "low" in limits:
        return f"{limits['low']:,} to {limits['high']:,}"
    if "above" in limits:
        return f"above {limits['above']:g}"
    return f"{limits['least']:g} or more" if "least" in limits else ""


def registered() -> str:
    """Write every method, attack, audit and gate with its settings."""
    from unlearning.attacks import ATTACKS
    from unlearning.audits import AUDITS
    from unlearning.gates import GATES
    from unlearning.generation import FORGETTERS
    from unlearning.methods import METHODS

    kinds: Mapping[str, Registry[Any]] = {
        "Methods": METHODS,
        "Generators' methods": FORGETTERS,
        "Attacks": ATTACKS,
        "Audits": AUDITS,
        "Gates": GATES,
    }
    parts = ["# Methods, attacks, audits and gates\n"]
    for title, registry in kinds.items():
        parts.append(f"## {title}\n")
        for name in registry:
            parts += [f"### {name}\n", f"{_about(registry[name])}\n", _fields(registry[name])]
    return "\n".join(parts)


def calls() -> str:
    """Write every call of the HTTP door."""
    parts = ["# HTTP\n", "Who signs how, and what is answered, is on [events](../events.md).\n"]
    for path, methods in _described()["paths"].items():
        for method, call in methods.items():
            parts.append(f"## {method.upper()} {path}\n")
            parts.append(f"{_plain(call.get('description') or call.get('summary'))}\n")
            answers = call["responses"].items()
            rows = [(f"`{code}`", _plain(answer["description"])) for code, answer in answers]
            parts.append(_table(("answer", "means"), rows))
    return "\n".join(parts)


def _described() -> dict[str, Any]:
    """Give the door's own description, of a workspace that has its keys and nothing else."""
    from ledger import keys
    from ledger.inbox import Inbox
    from systems.intake.http import make_app
    from systems.settings.workspace import Workspace

    with tempfile.TemporaryDirectory() as folder:
        ws = Workspace.at(Path(folder))
        keys.create_keys(ws.keys, ws.records)
        look = Inbox.look(Path(folder) / "inbox", ws.keys)
        found: dict[str, Any] = make_app(ws, lambda: look).openapi()
        look.close()
    return found


def _about(of: type[Any]) -> str:
    return cleandoc(of.__doc__ or "").strip()


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    cells = (" | ".join(_plain(cell).replace("|", "\\|") for cell in line) for line in lines)
    return "".join(f"| {line} |\n" for line in cells)
