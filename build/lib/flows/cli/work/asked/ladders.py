"""The ladder that `init` writes into policy.yaml where the folder has none."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ledger import durable
from systems.settings.params import parse_params
from systems.settings.policy import Policy, Rung, load_policy
from systems.settings.workspace import TEMPLATES, Workspace

OF_HEADS = """\
# From the cheapest method to exact retraining. Both fit the head to its one optimum.
ladder:
  - method: head_downdate
  - method: retrain
"""
RUNGS = (Rung("head_downdate", {}), Rung("retrain", {}))

_EPOCHS = re.compile(r"(settings: \{epochs: )\d+")


def rules_of(path: Path, ws: Workspace, *, frozen: bool) -> Policy:
    """Read the policy to be: a frozen backbone has its own ladder where the folder has none."""
    rules = load_policy(path)
    return replace(rules, ladder=RUNGS) if frozen and path != ws.policy else rules


def write_policy(ws: Workspace, settings: bytes, *, frozen: bool) -> None:
    """Write the policy with a ladder that suits params.yaml, unless the folder has a policy."""
    if ws.policy.exists():
        return
    text = durable.read(TEMPLATES / ws.policy.name).decode()
    epochs = parse_params(settings).training.epochs
    suits = of_heads(text) if frozen else no_dearer(text, epochs)
    durable.write(ws.policy, suits.encode(), mode=durable.OPEN)


def of_heads(policy: str) -> str:
    """Put the two exact methods of a head in place of the ladder."""
    before, _, rest = policy.partition("# From the cheapest method")
    after = rest.partition("\ngates:")[2]
    return f"{before}{OF_HEADS}\ngates:{after}"


def no_dearer(policy: str, epochs: int) -> str:
    """Let fine-tuning take half of retraining's epochs, as in the template, or fewer.

    A rung that costs more than the exact one after it could only lose.
    """
    return _EPOCHS.sub(lambda found: f"{found[1]}{max(1, epochs // 2)}", policy)
