"""Classifiers are tuned and rehearsed: a generator is refused before anything is trained."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from systems.compute.studies import Limits
from tasks.planning import rehearse
from tasks.tuning import methods
from tasks.tuning.methods import Rehearsal
from unlearning.errors import UsageError

DRAWS: Any = SimpleNamespace(params=SimpleNamespace(generator=object()))
"""A generator's workspace, of which nothing else may be touched."""


def untold(*_: Any) -> None:
    """Show progress to nobody."""


def test_a_generator_is_not_tuned_though_methods_of_that_name_are() -> None:
    with pytest.raises(UsageError, match="draws pictures"):
        methods.tune(DRAWS, "salun", Rehearsal(), Limits(1, 1.0), 0, untold)


def test_a_generator_is_not_rehearsed() -> None:
    with pytest.raises(UsageError, match="draws pictures"):
        rehearse.repeat(DRAWS, "salun", Rehearsal(), 1, 0, untold)
