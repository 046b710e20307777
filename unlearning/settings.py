"""Settings that people write: the type and the range of each, checked where it is read.

A YAML file holds what it holds: `learning_rate: high` must be refused when a policy is adopted, in
one line, and not when a run over somebody's request has begun.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

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
    """Limits: the value lies in [low, high]."""
    return {"low": low, "high": high}


def above(low: float) -> dict[str, float]:
    """Limits: the value is larger than `low`."""
    return {"above": low}


def at_least(low: float) -> dict[str, float]:
    """Limits: the value is `low` or larger."""
    return {"least": low}


CLASSIFY, GENERATE = "classify", "generate"
"""What a workspace's network does: it says what pictures show, or draws them."""

REQUIRED_GATES: Mapping[str, tuple[str, ...]] = {
    CLASSIFY: ("integrity", "utility", "forgetting"),
    GENERATE: ("integrity", "concept", "generated_utility", "recovery"),
}
"""Gates without which a policy is no policy, by task."""


def task_of(gates: Collection[str]) -> str:
    """Say whose a policy is by its gates: a classifier's, unless it has one of generators'."""
    own = set(REQUIRED_GATES[GENERATE]) - set(REQUIRED_GATES[CLASSIFY])
    return GENERATE if own & set(gates) else CLASSIFY


def missing_gates(gates: Collection[str]) -> tuple[str, ...]:
    """Name the gates that a policy with these lacks."""
    return tuple(name for name in REQUIRED_GATES[task_of(gates)] if name not in gates)


BOUND = between(0.01, 1e6)
"""Of the largest singular value of a layer; below, a network is a constant one."""

RANGES: Mapping[str, Mapping[str, float]] = {
    **{name: at_least(1) for name in ("epochs", "steps", "batch_size", "attack_steps")},
    **{name: at_least(1) for name in ("forget_every", "decay_every", "components")},
    **{name: at_least(1) for name in ("classes", "smallest", "smallest_bank")},
    **{name: above(0) for name in ("learning_rate", "temperature", "selection", "eps_init")},
    **{name: between(0, 1) for name in ("margin", "class_margin", "tolerance", "gap", "momentum")},
    "weight_decay": between(0, 1),
    "lipschitz": BOUND,
    "prior": {"least": 0, "infinite": 1},
}
"""What a setting may be wherever it stands: one name means one thing in every method and gate.

Any other number must be finite and not below 0; what else it must be, its own class says.
"""


def check_settings(cls: type[Any], values: object, where: str) -> dict[str, Any]:
    """Hold given values to the types and ranges of a dataclass's fields; PolicyError otherwise.

    Gives them as the class takes them: whole numbers as floats where it has floats, mappings as
    nested dataclasses. where: what stands before a field's name in the message.
    """
    known = {f.name: f for f in fields(cls)}
    if not isinstance(values, Mapping):
        raise PolicyError(f"{where}: got {text_at(values)}, expected {expected(cls)}")
    hints = get_type_hints(cls)
    found = {}
    for name, value in values.items():
        if name not in known:
            raise PolicyError(
                f"{where} has no setting {name!r}; it has {', '.join(known) or 'none'}"
            )
        limits = known[name].metadata or RANGES.get(name, at_least(0))
        found[name] = _checked(value, hints[name], limits, f"{where}.{name}")
    return found


def _checked(value: object, hint: Any, limits: Mapping[str, Any], where: str) -> object:
    if is_dataclass(hint):
        if isinstance(value, Mapping):
            return hint(**check_settings(hint, value, where))  # type: ignore[operator,arg-type]
        if isinstance(value, hint):  # type: ignore[arg-type]  # a class, not an instance
            return value
    elif not _plain(hint):  # lists of limits and the like, which their class checks itself
        return value
    return check_value(value, hint, limits, where)


def _plain(hint: Any) -> bool:
    return all(kind in _WORDS for kind in _kinds(hint))


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def check_value(value: object, hint: Any, limits: Mapping[str, Any], where: str) -> object:
    """Hold one value to a type, or a union of types, and to limits; PolicyError otherwise."""
    kinds = _kinds(hint)
    if value is None and NoneType in kinds:
        return None
    number = isinstance(value, int) and not isinstance(value, bool)
    if number and float in kinds and int not in kinds:
        value = float(value)  # type: ignore[arg-type]  # `number` says that it is an int
    if type(value) not in kinds:
        exponent = "; write 1.0e-4, not 1e-4" if _looks_like_number(value, kinds) else ""
        raise PolicyError(f"{where}: got {text_at(value)}, expected {expected(hint)}{exponent}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_limits(value, limits, where)
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


def _check_limits(value: float, limits: Mapping[str, Any], where: str) -> None:
    if math.isnan(value) or (math.isinf(value) and "infinite" not in limits):
        raise PolicyError(f"{where}: got {value}, expected a finite number")
    if "above" in limits and not value > limits["above"]:
        raise PolicyError(f"{where}: got {value}, expected more than {limits['above']}")
    if "least" in limits and not value >= limits["least"]:
        raise PolicyError(f"{where}: got {value}, expected at least {limits['least']}")
    if "low" in limits and not limits["low"] <= value <= limits["high"]:
        raise PolicyError(f"{where}: got {value}, expected {limits['low']} to {limits['high']}")
    if limits.get("even") and value % 2:
        raise PolicyError(f"{where}: got {value}, expected an even number: they come in pairs")


def expected(hint: Any) -> str:
    """Say in words what a type takes."""
    if is_dataclass(hint):
        return f"the keys {', '.join(f.name for f in fields(hint))}"
    return " or ".join(_WORDS[kind] for kind in _kinds(hint))


def text_at(value: object) -> str:
    """Show a value from a file in an error message, shortened."""
    if value is None:
        return "nothing"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
