"""What a rung's result depends on beside itself: training, bank and champion."""

from __future__ import annotations

from ledger.replay.chances import Under
from systems.settings.policy import EXACT
from tasks.running.opened import Opened
from unlearning.digests import sha256_file


def under(at: Opened, version: int) -> Under:
    """Give what a rung would be tried under from this version now, by params.yaml as it stands."""
    return Under(at.params.conditions, sha256_file(at.ws.params), version, EXACT)
