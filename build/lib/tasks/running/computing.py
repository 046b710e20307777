"""Where what costs computing is done: in this process, or by the workers of a cluster."""

from __future__ import annotations

from functools import partial

from systems.compute.away import Send, asked, spread
from tasks.running.opened import Opened
from unlearning.bank.shadow_training import Spread
from unlearning.judging.doors import Asking, answers


def require_cluster(at: Opened) -> None:
    """Refuse a cluster that cannot be used, before hours go into anything."""
    if at.params.compute.cluster is not None:
        from systems.compute import cluster

        cluster.require_cluster(at.params.compute.cluster)


def away(at: Opened) -> Send | None:
    """Give what has errands done by a cluster, None where this process does all."""
    address = at.params.compute.cluster
    if address is None:
        return None
    from systems.compute.cluster import over_cluster

    return partial(over_cluster, address=address)


def spreading(at: Opened) -> Spread | None:
    """Give who trains the shadows of a bank, None for processes of this machine."""
    send = away(at)
    return None if send is None else partial(spread, send=send)


def asking(at: Opened) -> Asking:
    """Give who asks candidates."""
    send = away(at)
    return answers if send is None else partial(asked, send=send)
