"""The methods that a workspace's ladder may name: those of its task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from systems.compute import producing
from tasks.running.opened import Opened
from tasks.running.parts import training
from unlearning.contracts import Method
from unlearning.generation.contract import Forgetter


def method_of(at: Opened, name: str, settings: Mapping[str, Any]) -> Method | Forgetter:
    """Build a method of the ladder, of classifiers or of generators."""
    if at.params.generator is None:
        return producing.make_method(name, settings, training(at))
    from systems.compute import generating

    return generating.make_method(name, settings, at.params.generator)
