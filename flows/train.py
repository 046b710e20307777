"""The first model of a workspace: train it, or take it from elsewhere; build the bank; serve it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow

from flows.steps import step
from tasks import train as originals
from tasks.running.champion import as_champion
from tasks.running.computing import require_cluster
from tasks.running.opened import Opened, opened

train_original = step(originals.train)
bring_original = step(originals.bring)
register_first = step(originals.register_first)
build_bank = step(originals.build_bank)


def drawing(at: Opened, original: originals.Trained) -> dict[str, Any]:
    """Say how well a generator draws what it is asked; nothing of a classifier."""
    if at.params.generator is None:
        return {}
    from tasks.generated.models import described

    return described(at, original.weights)


@flow(name="train", validate_parameters=False, persist_result=False)
def train(
    workspace: str,
    weights: Path | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
) -> dict[str, Any]:
    """Make the first champion and the shadow bank that will judge its successors."""
    at = opened(workspace)
    require_cluster(at)
    # (1) The original: trained here on all training examples, or brought from elsewhere.
    original = bring_original(at, weights, mean, std) if weights else train_original(at)
    # (2) It is the champion until a deletion request replaces it.
    register_first(at, original)
    # (3) The bank that calibrates every later judgement.
    bank = build_bank(at)
    return {
        "champion": as_champion(at),
        **original.metrics,
        **drawing(at, original),
        "bank": bank,
    }
