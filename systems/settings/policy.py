"""policy.yaml: the ladder and the limits, fixed before a run by the file's digest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.chain import Entry
from ledger.replay.ancestry import BY_ANCESTORS
from ledger.replay.attempts import Earlier
from ledger.replay.chances import Asked, Under, counted
from ledger.replay.judgements import ERROR
from systems.settings.approval import Approval
from systems.settings.budget import Budget
from systems.settings.chances import chance_of, hopeless
from systems.settings.checking import build, parse_yaml, read_content
from systems.settings.collect import Collect
from systems.settings.replay import Sampling
from unlearning.digests import digest_of, sha256_hex
from unlearning.errors import PolicyError
from unlearning.settings import (
    CLASSIFY,
    REQUIRED_GATES,
    between,
    check_value,
    missing_gates,
    task_of,
    text_at,
)

EXACT = frozenset({"retrain", "head_downdate", "warm_retrain"})
"""Methods whose attempts cannot pass by luck: lineage is their proof. A test holds the registry of
methods against it, which this module, being read offline, does not import."""

ALWAYS = EXACT - BY_ANCESTORS
"""Exact methods that can always be tried: bases may be missing, or none be clean."""

ALARM, REVERT = "alarm", "revert"
"""What is done about an alias that somebody moved: it is told of, or put back too."""

JUDGEMENTS = 20
"""Candidates from outside that a request may be asked about, where a policy says nothing."""

ELSEWHERE = 500
"""Examples below which a candidate that was made elsewhere is not decided on, where a policy says
nothing: from so many on no imitation was released (docs/results/gates.md)."""


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: a method with its settings."""

    method: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Policy:
    """What is tried, in order, and what a candidate must show; `digest` is the file's SHA-256.

    attempts: candidates at most over the same requests. drift: how far approximate releases may
    lead. judgements: how often `lethe judge` answers on a request. elsewhere: fewest examples by
    which it decides on a candidate that was not made here. approval: what is sent to a person
    before it is released. collect: when the service begins a run. reconcile: `alarm` or `revert`,
    for an alias that somebody moved. hopeless: a rung of which the chance of release is surely
    below that is not tried, exact retraining apart (a fraction, 0: every one is). replay: how many
    released retrainings are drawn to be done again.
    """

    ladder: tuple[Rung, ...]
    gates: Mapping[str, Mapping[str, Any]]
    attempts: int
    drift: Budget
    judgements: int
    elsewhere: int
    approval: Approval
    collect: Collect
    reconcile: str
    hopeless: float
    replay: Sampling
    digest: str

    @property
    def level(self) -> float:
        """Level of the intervals that decide on forgetting, in the first run over some requests."""
        return self.level_after(Earlier())

    @property
    def task(self) -> str:
        """Say whose policy it is, a classifier's or a generator's, by its gates."""
        return task_of(self.gates)

    def named(self, rung: Rung) -> str:
        """Give the digest by which the log knows a rung under these gates."""
        settings = dict(rung.settings)
        return digest_of({"method": rung.method, "settings": settings, "gates": self.gates})

    def chances(
        self,
        entries: Sequence[Entry],
        examples: int,
        *,
        likewise: bool,
        most: Mapping[str, Any] | None = None,
        under: Under | None = None,
    ) -> list[dict[str, Any]]:
        """Say of each rung but exact retraining what became of it before, in these entries.

        under: what else the result depends on; None for a run of before that was noted. most: how
        often a perfect retrain would pass as an approximate method, None if unknown.
        chance: None where nothing alike was tried. skipped: why it is not tried now, if it is not.
        """
        found = []
        for rung in (rung for rung in self.ladder if rung.method not in ALWAYS):
            name = self.named(rung)
            chance = chance_of(counted(entries, Asked(name, examples, likewise, under)))
            why = hopeless(chance, self.hopeless, None if rung.method in EXACT else most)
            told = {"method": rung.method, "rung": name, "chance": chance}
            found.append(told | ({"skipped": why} if why else {}))
        return found

    def rungs(
        self,
        earlier: Earlier,
        method: str | None = None,
        *,
        exact_only: bool = False,
        without: Collection[str] = (),
    ) -> tuple[Rung, ...]:
        """What a run may try: the ladder, or its rungs of one method.

        The cap on attempts holds over all runs over the same requests from the same champion, and
        the error that is left over all runs over them. Neither takes exact retraining away, which
        no luck can pass: a request can always be answered. exact_only: nothing else, as when the
        drift budget is used up. without: rungs, as `named`, that are not tried.
        """
        asked = [rung for rung in self._tried(without) if method in (None, rung.method)]
        none = exact_only or not earlier.left
        left = 0 if none else max(0, self.attempts - earlier.attempts)
        approximate = [rung for rung in asked if rung.method not in EXACT][:left]
        return tuple(rung for rung in asked if rung.method in EXACT or rung in approximate)

    def _tried(self, without: Collection[str]) -> tuple[Rung, ...]:
        return tuple(r for r in self.ladder if not without or self.named(r) not in without)

    def level_after(
        self, earlier: Earlier, method: str | None = None, *, without: Collection[str] = ()
    ) -> float:
        """Level of the intervals that decide on forgetting: a ladder shares what error is left.

        What is left is that of all runs over the same requests, and of candidates from outside that
        were judged by these. Each approximate rung has an equal share of it, also where `method`
        alone is tried, so that trying methods one by one gains nothing. Rungs `without` which the
        run goes spend no error.
        """
        if earlier.spent is None:
            return self._level_before(earlier, method, without)
        each = self._shares(without)
        return 1 - earlier.left / each if each and earlier.left else 1 - ERROR

    def level_outside(self, earlier: Earlier) -> float | None:
        """Level for the last of the candidates from outside that are counted; None: nothing left.

        The n-th takes one share, as if n more rungs were to be tried. Then as many candidates leave
        a run what it had if they all were tried in it.
        """
        each = max(1, self._shares(())) + earlier.outside
        return 1 - earlier.left / each if earlier.left else None

    def _shares(self, without: Collection[str]) -> int:
        """Count the approximate rungs that a run can come to, whichever exact ones it leaves."""
        return min(self.attempts, _approximate(self._tried(without)))

    def _level_before(
        self, earlier: Earlier, method: str | None, without: Collection[str]
    ) -> float:
        """Level in a run of before the error was counted over all runs, which `verify` replays."""
        planned = _approximate(self.rungs(earlier, method, without=without)[: self.attempts])
        before = earlier.approximate + earlier.outside
        whole = _approximate(self._tried(without)[: self.attempts])
        return 1 - ERROR / max(1, whole, before + planned)


def _approximate(rungs: Sequence[Rung]) -> int:
    return sum(rung.method not in EXACT for rung in rungs)


def load_policy(path: Path) -> Policy:
    """Read a policy; PolicyError if it lacks a ladder or one of the three gates."""
    return parse_policy(read_content(path), path.name)


def parse_policy(content: bytes, name: str) -> Policy:
    """Read a policy from a file's bytes; PolicyError as in `load_policy`."""
    tree = parse_yaml(content, name)
    known = {"ladder", "gates", "attempts", "drift", "judgements", "elsewhere"}
    known |= {"approval", "collect", "reconcile", "hopeless", "replay"}
    for key in tree.keys() - known:
        raise PolicyError(f"{name}: unknown key '{key}', expected one of {sorted(known)}")
    return Policy(
        ladder=_ladder(tree.get("ladder"), name),
        gates=_gates(tree.get("gates"), name),
        attempts=_count(tree.get("attempts"), f"{name}: attempts"),
        drift=build(Budget, tree["drift"], f"{name}: drift") if "drift" in tree else Budget(),
        judgements=_count(tree.get("judgements", JUDGEMENTS), f"{name}: judgements"),
        elsewhere=_count(tree.get("elsewhere", ELSEWHERE), f"{name}: elsewhere"),
        approval=build(Approval, tree.get("approval", {}), f"{name}: approval", defaults=True),
        collect=build(Collect, tree.get("collect", {}), f"{name}: collect", defaults=True),
        reconcile=_word(tree.get("reconcile", ALARM), f"{name}: reconcile"),
        hopeless=_share(tree.get("hopeless", 0), f"{name}: hopeless"),
        replay=build(Sampling, tree.get("replay", {}), f"{name}: replay", defaults=True),
        digest=sha256_hex(content),
    )


def _ladder(value: object, name: str) -> tuple[Rung, ...]:
    if not isinstance(value, list) or not value:
        raise PolicyError(
            f"{name}: ladder: got {text_at(value)}, expected a list of methods in the order to try"
        )
    rungs = tuple(_rung(item, f"{name}: ladder[{i}]") for i, item in enumerate(value))
    if rungs[-1].method not in ALWAYS:
        raise PolicyError(
            f"{name}: ladder: ends in {rungs[-1].method}, expected {' or '.join(sorted(ALWAYS))} "
            "as its last rung: where no approximate method passes, only lineage can show forgetting"
        )
    return rungs


def _rung(value: object, where: str) -> Rung:
    method = value.get("method") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(method, str):
        raise PolicyError(f"{where}: got {text_at(value)}, expected `method: NAME`")
    for key in value.keys() - {"method", "settings"}:
        raise PolicyError(f"{where}: unknown key '{key}', expected method and settings")
    return Rung(method, _settings(value.get("settings"), f"{where}.settings"))


def _gates(value: object, name: str) -> dict[str, Mapping[str, Any]]:
    if not isinstance(value, dict) or not value:
        raise PolicyError(
            f"{name}: gates: got {text_at(value)}, expected limits of "
            f"{', '.join(REQUIRED_GATES[CLASSIFY])}: "
            "a policy without gates releases anything and is refused"
        )
    for gate in missing_gates({str(key) for key in value}):
        raise PolicyError(f"{name}: gates.{gate}: got nothing, expected its limits: add it")
    return {str(gate): _settings(limits, f"{name}: gates.{gate}") for gate, limits in value.items()}


def _settings(value: object, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise PolicyError(f"{where}: got {text_at(value)}, expected names and values")
    return value


def _count(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PolicyError(f"{where}: got {text_at(value)}, expected a whole number from 1")
    return value


def _word(value: object, where: str) -> str:
    if value not in (ALARM, REVERT):
        raise PolicyError(f"{where}: got {text_at(value)}, expected {ALARM} or {REVERT}")
    return str(value)


def _share(value: object, where: str) -> float:
    return float(check_value(value, float, between(0, 1), where))  # type: ignore[arg-type]
