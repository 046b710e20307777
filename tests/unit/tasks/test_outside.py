"""What is worth trying again: a system that may answer soon, and nothing that stays as it is."""

from __future__ import annotations

import pytest

from systems.registry.models import StaleChampion
from systems.registry.tracking import RegistryUnavailable
from tasks.running.holding import WorkspaceBusy
from tasks.running.outside import may_recover
from unlearning.errors import InfrastructureError, IntegrityError, UsageError


@pytest.mark.parametrize("kind", [RegistryUnavailable, InfrastructureError])
def test_an_outside_system_may_recover(kind: type[Exception]) -> None:
    assert may_recover(kind("away"))


@pytest.mark.parametrize(
    "kind", [StaleChampion, WorkspaceBusy, IntegrityError, UsageError, ValueError]
)
def test_what_lasts_is_not_tried_again(kind: type[Exception]) -> None:
    assert not may_recover(kind("stays"))
