"""policy.yaml: the ladder and the limits, fixed before a run by the file's digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from systems.settings.checking import read_yaml, text_at
from unlearning.digests import sha256_hex
from unlearning.errors import PolicyError

GATES = ("integrity", "utility", "forgetting")

EXACT = frozenset({"retrain"})
"""Methods whose attempts cannot pass by luck: lineage is their proof. A test holds the registry of
methods against it, which this module, being read offline, does not import."""


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: a method with its settings."""

    method: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Policy:
    """What is tried, in order, and what a candidate must show; `digest` is the file's SHA-256."""

    ladder: tuple[Rung, ...]
    gates: Mapping[str, Mapping[str, Any]]
    attempts: int
    digest: str

    @property
    def level(self) -> float:
        """Level of the intervals that decide on forgetting: a run's attempts share one error.

        A run that is repeated on the same champion makes the same candidates, so that it draws no
        new chances; another ladder has to be adopted first, which is logged.
        """
        from unlearning.statistics.intervals import (
            level_of_each,  # scipy: reading settings must be light
        )

        tried = self.ladder[: self.attempts]
        return level_of_each(sum(rung.method not in EXACT for rung in tried))


def load_policy(path: Path) -> Policy:
    """Read a policy; PolicyError if it lacks a ladder or one of the three gates."""
    content, tree = read_yaml(path)
    known = {"ladder", "gates", "attempts"}
    for key in tree.keys() - known:
        raise PolicyError(f"{path.name}: unknown key '{key}', expected one of {sorted(known)}")
    return Policy(
        ladder=_ladder(tree.get("ladder"), path.name),
        gates=_gates(tree.get("gates"), path.name),
        attempts=_attempts(tree.get("attempts"), path.name),
        digest=sha256_hex(content),
    )


def _ladder(value: object, name: str) -> tuple[Rung, ...]:
    if not isinstance(value, list) or not value:
        raise PolicyError(
            f"{name}: ladder: got {text_at(value)}, expected a list of methods in the order to try"
        )
    return tuple(_rung(item, f"{name}: ladder[{i}]") for i, item in enumerate(value))


def _rung(value: object, where: str) -> Rung:
    method = value.get("method") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(method, str):
        raise PolicyError(f"{where}: got {text_at(value)}, expected `method: NAME`")
    for key in value.keys() - {"method", "settings"}:
        raise PolicyError(f"{where}: unknown key '{key}', expected method and settings")
    return Rung(method, _settings(value.get("settings"), f"{where}.settings"))


def _gates(value: object, name: str) -> dict[str, Mapping[str, Any]]:
    if not isinstance(value, dict) or not value:
        raise PolicyError(
            f"{name}: gates: got {text_at(value)}, expected the limits of {', '.join(GATES)}: "
            "a policy without gates releases anything and is refused"
        )
    for gate in (gate for gate in GATES if gate not in value):
        raise PolicyError(f"{name}: gates.{gate}: got nothing, expected its limits: add it")
    return {str(gate): _settings(limits, f"{name}: gates.{gate}") for gate, limits in value.items()}


def _settings(value: object, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise PolicyError(f"{where}: got {text_at(value)}, expected names and values")
    return value


def _attempts(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PolicyError(f"{name}: attempts: got {text_at(value)}, expected a whole number from 1")
    return value
