"""Builds frozen settings from what a YAML file holds, or says in one line why it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from unlearning.errors import PolicyError
from unlearning.settings import check_value, expected, text_at

T = TypeVar("T")


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C, where libyaml is there: a run reads its policy a dozen times."""


class _OnceEach(_Loader):  # type: ignore[misc]  # Any
    """Refuses a key that stands twice: the last would count, and who wrote it meant but one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Give what the other loader gives."""
        seen = set()
        for key in [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]:
            if (key.tag, key.value) in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"key '{key.value}' stands twice, the second on line {line}")
            seen.add((key.tag, key.value))
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def read_yaml(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Read a file's bytes and the mapping that they hold; PolicyError otherwise."""
    content = read_content(path)
    return content, parse_yaml(content, path.name)


def read_content(path: Path) -> bytes:
    """Read the bytes of a YAML file; PolicyError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PolicyError(
            f"{path.name}: cannot be read ({error.strerror}), expected a YAML file: "
            "run `lethe init`, or name another"
        ) from error


def parse_yaml(content: bytes, name: str) -> dict[str, Any]:
    """Read the mapping that a file's bytes hold; PolicyError otherwise."""
    try:
        tree = yaml.load(content, Loader=_OnceEach)  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise PolicyError(f"{name}: is no YAML ({reason}): correct it") from error
    if not isinstance(tree, dict):
        raise PolicyError(f"{name}: got {text_at(tree)}, expected keys and values")
    return tree


def build(cls: type[T], value: object, where: str, *, defaults: bool = False) -> T:
    """Make a dataclass from a mapping with exactly its keys; nested ones too.

    where: the file, and the key path so far. defaults: a key may be absent where its field has a
    default. A field may be a tuple of one type, written as a list. Raises PolicyError.
    """
    names = [key_of(f) for f in fields(cls)]  # type: ignore[arg-type]  # T is a dataclass
    if not isinstance(value, Mapping):
        raise PolicyError(f"{where}: got {text_at(value)}, expected the keys {', '.join(names)}")
    for key in value:
        if key not in names:
            raise PolicyError(f"{where}: unknown key '{key}', expected one of {', '.join(names)}")
    hints = get_type_hints(cls)
    built = {}
    for f in fields(cls):  # type: ignore[arg-type]  # T is a dataclass
        key = key_of(f)
        path = f"{where}: {key}" if ": " not in where else f"{where}.{key}"
        if key in value:
            built[f.name] = _check(value[key], hints[f.name], f.metadata, path, defaults)
        elif not (defaults and _has_default(f)):
            raise PolicyError(f"{path}: got nothing, expected {expected(hints[f.name])}: add it")
    return cls(**built)


def key_of(field: Field[Any]) -> str:
    """Give the key that a field stands under; its metadata name one that Python has no name for."""
    return str(field.metadata.get("key", field.name))


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _check(
    value: object, hint: Any, limits: Mapping[str, Any], path: str, defaults: bool
) -> object:
    section = next((kind for kind in (hint, *get_args(hint)) if is_dataclass(kind)), None)
    if get_origin(hint) is tuple:
        return _each(value, get_args(hint)[0], limits, path, defaults)
    if section is None or (value is None and section is not hint):
        return check_value(value, hint, limits, path)
    return build(section, value, path, defaults=defaults)  # type: ignore[arg-type]  # a class


def _each(
    value: object, hint: Any, limits: Mapping[str, Any], path: str, defaults: bool
) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise PolicyError(f"{path}: got {text_at(value)}, expected a list")
    items = enumerate(value)
    return tuple(_check(item, hint, limits, f"{path}[{i}]", defaults) for i, item in items)
