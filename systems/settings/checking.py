"""Builds frozen settings from what a YAML file holds, or says in one line why it cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

import yaml

from unlearning.errors import PolicyError

T = TypeVar("T")
_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    NoneType: "null",
}


def between(low: float, high: float) -> dict[str, float]:
    """Field metadata: the value lies in [low, high]."""
    return {"low": low, "high": high}


def above(low: float) -> dict[str, float]:
    """Field metadata: the value is larger than `low`."""
    return {"above": low}


def read_yaml(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Read a file's bytes and the mapping that they hold; PolicyError otherwise."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PolicyError(
            f"{path.name}: cannot be read ({error.strerror}), expected a YAML file: "
            "run `lethe init`, or name another"
        ) from error
    return content, parse_yaml(content, path.name)


def parse_yaml(content: bytes, name: str) -> dict[str, Any]:
    """Read the mapping that a file's bytes hold; PolicyError otherwise."""
    try:
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise PolicyError(f"{name}: is no YAML ({reason}): correct it") from error
    if not isinstance(tree, dict):
        raise PolicyError(f"{name}: got {text_at(tree)}, expected keys and values")
    return tree


def build(cls: type[T], value: object, where: str) -> T:
    """Make a dataclass from a mapping with exactly its keys; nested ones too.

    where: the file, and the key path so far. Raises PolicyError.
    """
    names = [f.name for f in fields(cls)]  # type: ignore[arg-type]  # T is a dataclass
    if not isinstance(value, Mapping):
        raise PolicyError(f"{where}: got {text_at(value)}, expected the keys {', '.join(names)}")
    for key in value:
        if key not in names:
            raise PolicyError(f"{where}: unknown key '{key}', expected one of {', '.join(names)}")
    hints = get_type_hints(cls)
    built = {}
    for f in fields(cls):  # type: ignore[arg-type]  # T is a dataclass
        path = f"{where}: {f.name}" if ": " not in where else f"{where}.{f.name}"
        if f.name not in value:
            raise PolicyError(f"{path}: got nothing, expected {_expected(hints[f.name])}: add it")
        built[f.name] = _check(value[f.name], hints[f.name], f.metadata, path)
    return cls(**built)


def text_at(value: object) -> str:
    """Show a value from a file in an error message, shortened."""
    if value is None:
        return "nothing"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _check(value: object, hint: Any, limits: Mapping[str, Any], path: str) -> object:
    if is_dataclass(hint):
        return build(hint, value, path)  # type: ignore[arg-type]  # a class, not an instance
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if value is None and NoneType in kinds:
        return None
    number = isinstance(value, int) and not isinstance(value, bool)
    if number and float in kinds and int not in kinds:
        value = float(value)  # type: ignore[arg-type]  # `number` says that it is an int
    if type(value) not in kinds:
        hint_for_exponents = "; write 1.0e-4, not 1e-4" if _looks_like_number(value, kinds) else ""
        raise PolicyError(
            f"{path}: got {text_at(value)}, expected {_expected(hint)}{hint_for_exponents}"
        )
    _check_limits(value, limits, path)
    return value


def _looks_like_number(value: object, kinds: tuple[Any, ...]) -> bool:
    """YAML 1.1 reads 1e-4 as text."""
    if not isinstance(value, str) or float not in kinds:
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def _check_limits(value: Any, limits: Mapping[str, Any], path: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise PolicyError(f"{path}: got {value}, expected a finite number")
    if "above" in limits and not value > limits["above"]:
        raise PolicyError(f"{path}: got {value}, expected more than {limits['above']}")
    if "low" in limits and not limits["low"] <= value <= limits["high"]:
        raise PolicyError(f"{path}: got {value}, expected {limits['low']} to {limits['high']}")
    if limits.get("even") and value % 2:
        raise PolicyError(f"{path}: got {value}, expected an even number: they come in pairs")


def _expected(hint: Any) -> str:
    if is_dataclass(hint):
        return f"the keys {', '.join(f.name for f in fields(hint))}"
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return " or ".join(_WORDS[kind] for kind in kinds)
