"""The policy that `init` puts into force: the folder's own, or a ladder that suits params.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import yaml

from ledger import durable
from systems.settings.policy import EXACT, Rung, parse_policy
from systems.settings.workspace import TEMPLATES, Workspace
from unlearning.settings import CLASSIFY, GENERATE

OF_HEADS = (Rung("head_downdate", {}), Rung("retrain", {}))
"""Of a frozen backbone: both fit the head to its one optimum."""

WHY = {
    "finetune": (
        "Half of retraining's cost; found on digits, see benchmarks/README.md. Why it stays, and",
        "why no shorter retrain: docs/results/year.md",
    ),
}
"""What is said of a rung, line by line."""


def decided(ws: Workspace, epochs: int, *, frozen: bool, task: str = CLASSIFY) -> bytes:
    """Give the policy to be; epochs: of retraining, frozen: where a head alone is fitted."""
    if ws.policy.exists():
        return durable.read(ws.policy)
    if task == GENERATE:
        return durable.read(TEMPLATES / GENERATE / ws.policy.name)
    template = durable.read(TEMPLATES / ws.policy.name)
    given = parse_policy(template, ws.policy.name).ladder
    suits = OF_HEADS if frozen else no_dearer(given, epochs)
    return template if suits == given else with_ladder(template.decode(), suits).encode()


def no_dearer(ladder: Sequence[Rung], epochs: int) -> tuple[Rung, ...]:
    """Let what is not exact take half of retraining's epochs, as in the template, one at least.

    A rung that costs more than the exact one after it could only lose.
    """
    half = {"epochs": max(1, epochs // 2)}
    return tuple(
        replace(rung, settings={**rung.settings, **half})
        if rung.method not in EXACT and "epochs" in rung.settings
        else rung
        for rung in ladder
    )


def with_ladder(policy: str, ladder: Sequence[Rung]) -> str:
    """Put these rungs in place of a policy's, up to the next blank line."""
    before, key, rest = policy.partition("\nladder:\n")
    _, blank, after = rest.partition("\n\n")
    written = "\n".join(line for rung in ladder for line in _lines(rung))
    return f"{before}{key}{written}{blank}{after}"


def _lines(rung: Rung) -> Iterator[str]:
    yield from (f"  # {line}" for line in WHY.get(rung.method, ()))
    yield f"  - method: {rung.method}"
    if rung.settings:
        told = yaml.safe_dump(
            dict(rung.settings), default_flow_style=True, sort_keys=False, width=1_000
        )
        yield f"    settings: {told.strip()}"
