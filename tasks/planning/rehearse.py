"""A policy's rung on one rehearsal after the other, each an entry of the log: its chance, measured.

The search for settings is no evidence of that: the best of thirty trials on one rehearsal was
chosen for passing there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.replay.chances import REHEARSED, Asked, counted
from systems.compute.producing import make_method
from systems.compute.search import candidate_of
from systems.settings.chances import chance_of
from systems.settings.policy import EXACT, Policy, Rung, load_policy
from tasks import train
from tasks.running.champion import sealed_champion
from tasks.running.computing import asking, away
from tasks.running.conditions import under
from tasks.running.opened import Opened
from tasks.running.parts import ensure_bank, training
from tasks.running.records import utc_now
from tasks.tuning.methods import Rehearsal, rehearsed
from unlearning.bank.shadows import load_bank
from unlearning.digests import digest_of
from unlearning.errors import AttemptFailed, Hindered, UsageError
from unlearning.judging.rehearsing import Rehearsed, rehearse
from unlearning.judging.verdicts import gates_of


def repeat(
    at: Opened,
    method: str,
    rehearsal: Rehearsal,
    count: int,
    seed: int,
    told: Callable[[int, int], None],
) -> dict[str, Any]:
    """Try the policy's rung of a method on `count` rehearsals, of the seeds from `seed` on.

    What the log has already is not done again. An original is trained for each. Gives the chance
    as `plan` will; UsageError for a method that no rehearsal can tell about.
    """
    train.recipe_of(at)  # refuses a generator, before one is trained for nothing
    policy = load_policy(at.ws.policy)
    rung, examples = _rung(policy, method, rehearsal, count), 0
    for number in range(count):
        examples = _once(at, policy, rung, rehearsal, seed + number)
        told(number + 1, count)
    known = under(at, sealed_champion(at).version)
    asked = Asked(policy.named(rung), examples, likewise=False, under=known)
    chance = chance_of(counted(at.ledger.log.entries(), asked))
    settings = dict(rung.settings)
    return {"method": method, "settings": settings, "examples": examples, "chance": chance}


def _rung(policy: Policy, method: str, rehearsal: Rehearsal, count: int) -> Rung:
    """Find what is rehearsed; UsageError unless it is one approximate rung that people test."""
    known = [rung for rung in policy.ladder if rung.method == method and method not in EXACT]
    if len(known) != 1:
        names = ", ".join(r.method for r in policy.ladder if r.method not in EXACT) or "none"
        raise UsageError(
            f"--method: got {method}, expected one approximate rung of the policy ({names}): only "
            "what may be refused by its measurements has a chance that rehearsals tell"
        )
    if rehearsal.class_name is not None or count < 1:
        raise UsageError(
            f"--repeat: got {count} with --class {rehearsal.class_name}, expected at least 1 and "
            "no --class: where a class goes, the gate `geometry` asks too, which is not rehearsed"
        )
    return known[0]


def _once(at: Opened, policy: Policy, rung: Rung, rehearsal: Rehearsal, seed: int) -> int:
    """Rehearse once, unless the log has it; give the number of examples forgotten."""
    split, without = rehearsed(at, rehearsal, seed)
    original = train.train(at, without=without, seed=at.params.seed + seed)
    name, conditions = policy.named(rung), at.params.conditions
    follows_from = [name, original.sha256, len(split.forget), seed, conditions]
    key = f"{REHEARSED}/{digest_of(follows_from)[:32]}"
    if at.ledger.log.find(key):
        return len(split.forget)
    bank = load_bank(ensure_bank(at, train.recipe_of(at)))
    gates, ask = gates_of(policy.gates), asking(at)
    made = rehearse(original.weights, split, bank, gates, policy.level, ask)
    body = {
        "method": rung.method,
        "rung": name,
        "examples": len(split.forget),
        "likewise": False,
        "seed": seed,
        "conditions": conditions,
        "passed": _passes(at, made, rung, seed),
    }
    at.ledger.record(REHEARSED, body, key=key, now=utc_now())
    return len(split.forget)


def _passes(at: Opened, made: Rehearsed, rung: Rung, seed: int) -> bool:
    """Make a candidate and say whether the gates would release it; one that fails is none.

    Raises Hindered where memory did not do for any: that tells nothing of the rung.
    """
    method = make_method(rung.method, rung.settings, training(at))
    try:
        candidate = candidate_of(made, method, seed, away(at))
    except Hindered:
        raise
    except AttemptFailed:
        return False
    return made.releases(candidate)
