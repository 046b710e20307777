"""The champion: the version that serves, and whether the signed log vouches for it (I1)."""

from __future__ import annotations

from typing import Any

from systems.registry import models
from systems.registry.models import ModelVersion
from tasks.running.opened import Opened
from unlearning.errors import IntegrityError, UsageError

FIRST = "initialised"
"""Key and event of the log's entry on the first champion."""


def sealed_champion(at: Opened) -> ModelVersion:
    """Give the champion; IntegrityError unless the signed log vouches for its bytes (I1)."""
    champion = models.champion(at.ws.mlruns, at.params.model.name)
    if champion is None:
        raise UsageError("no champion: expected one from `lethe init`; run it first")
    entries = at.ledger.log.entries()
    vouched = {e.body.get("sha256") for e in entries if e.key.endswith(("/promoted", FIRST))}
    if champion.sha256 not in vouched:
        raise IntegrityError(
            f"champion, version {champion.version}: the log knows no release of its bytes; "
            "expected a version that Lethe promoted; see `lethe list versions`"
        )
    models.verified(champion)
    return champion


def as_champion(at: Opened) -> dict[str, Any]:
    """Show the version that is served, as the command line prints it."""
    found = sealed_champion(at)
    return {
        "name": found.name,
        "version": found.version,
        "sha256": found.sha256,
        "weights": str(found.weights),
    }
