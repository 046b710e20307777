"""The forget set looks like examples that were never seen: neither remembered nor avoided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, ClassVar

from unlearning.domain import Measurement, Outcome, Verdict
from unlearning.errors import PolicyError
from unlearning.gates import GATES
from unlearning.gates.asking import usable
from unlearning.settings import check_settings
from unlearning.statistics.intervals import FPRS, LEVEL, Interval, held_together


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What is allowed with so many examples.

    examples, holdout: at least so many forget and comparable holdout examples. auc: the AUC must
    lie in [1 - auc, auc]. tail: the true-positive rate of each tail at false-positive rate fpr.
    """

    examples: int
    holdout: int
    auc: float
    tail: float
    fpr: float

    def __post_init__(self) -> None:
        """Refuse limits that mean nothing."""
        if not (0.5 < self.auc < 1 and self.fpr < self.tail < 1 and self.fpr in FPRS):
            raise PolicyError(
                f"gates.forgetting.limits: got auc {self.auc}, tail {self.tail}, fpr {self.fpr}; "
                f"expected 0.5 < auc < 1, fpr < tail < 1 and fpr one of {FPRS}"
            )

    def as_loose_as(self, other: Limit) -> bool:
        """Say whether whoever `other` applies to could pass by this too, and more easily.

        Were it not so, tightening one number could hand a candidate over to a looser limit.
        """
        applies = self.examples <= other.examples and self.holdout <= other.holdout
        return applies and self.auc >= other.auc and self.tail >= other.tail


ASKED = ("as_published", "spread")
"""Doors that need a candidate's answers alone."""

DOOR, TENTH = "door/", "memorised_auc"

DOORS = (*ASKED, "refitted", "relearned")
"""All doors (unlearning.judging): other ways of asking a candidate if it remembers."""


@GATES.register
@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Two-sided, per-example calibrated, decided on intervals, and only while the controls hold.

    limits: from the strictest, for many examples, to the loosest; with fewer examples than the
    loosest asks for, nothing passes. smallest_bank: shadows without which nothing is decided.
    doors: other ways of asking, whose AUC is held to the same limit. To pass, all must be shut,
    each at the full level, since whoever remembers has to pass them all; a door refuses at its
    share of the error only (Bonferroni), since an honest network has many chances to look odd. The
    most memorised tenth can refuse, by the loosest limit, and never lets anyone pass.
    """

    name: ClassVar[str] = "forgetting"
    needs: ClassVar[frozenset[str]] = frozenset(
        {"forget_auc", "champion_auc", "null_auc", "holdout_examples", "forget_subjects"}
        | {f"forget_tail_{side}@{fpr}" for side in ("high", "low") for fpr in FPRS}
    )

    limits_by_size: Sequence[Mapping[str, Any]]
    smallest_bank: int = 8
    doors: Sequence[str] = DOORS

    def __post_init__(self) -> None:
        """Refuse a gate without limits, or whose limits are stricter for fewer examples."""
        if not self.limits_by_size:
            raise PolicyError("gates.forgetting.limits_by_size: got none, expected at least one")
        for row in self.limits_by_size:
            check_settings(Limit, row, "gates.forgetting.limits_by_size")
        if isinstance(self.doors, str) or set(self.doors) - set(DOORS):
            raise PolicyError(
                f"gates.forgetting.doors: got {self.doors!r}, expected some of {DOORS}"
            )
        for more, fewer in pairwise(self._rows()):
            if not fewer.as_loose_as(more):
                raise PolicyError(
                    f"gates.forgetting.limits_by_size: got {fewer} after {more}, expected each to "
                    "ask for no more examples and to allow no less than the one before"
                )

    def _rows(self) -> list[Limit]:
        known = {field.name for field in fields(Limit)}
        for row in self.limits_by_size:
            if set(row) != known:
                raise PolicyError(
                    f"gates.forgetting.limits_by_size: got {sorted(row)}, expected {sorted(known)}"
                )
        rows = (Limit(**row) for row in self.limits_by_size)
        return sorted(rows, key=lambda row: (-row.examples, -row.holdout))

    def by_answers(self) -> Forgetting:
        """The same without the doors that need the network, for what has no more than answers."""
        return replace(self, doors=tuple(name for name in self.doors if name in ASKED))

    def limit_for(self, examples: int, holdout: int) -> tuple[Limit, bool]:
        """Give the strictest limit that so many examples can be held to, and whether any can."""
        rows = self._rows()
        for row in rows:
            if examples >= row.examples and holdout >= row.holdout:
                return row, True
        return rows[-1], False

    def judge(self, measured: Mapping[str, Measurement]) -> Verdict:
        """Compare the AUC and both tails with their limits, then ask whether the test had power."""
        limit, decidable = self._limit(measured)
        unknown = self._unknown(measured)
        if unknown:
            return Verdict(self.name, Outcome.INCONCLUSIVE, unknown)
        outside, doubtful = self._checks(measured)
        auc = _words(measured["forget_auc"])
        doubt = self._broken_null(measured, limit)
        if not decidable and (doubt or not outside):
            doubt = (
                f"too few to decide: {measured['forget_auc'].n} examples of "
                f"{measured['forget_subjects'].value:.0f} subject(s) against "
                f"{measured['holdout_examples'].value:.0f} holdout examples; {auc}"
            )
        if doubt:
            return Verdict(self.name, Outcome.INCONCLUSIVE, doubt)
        if outside:
            return Verdict(self.name, Outcome.FAILED, outside[0])
        if doubtful:
            return Verdict(self.name, Outcome.INCONCLUSIVE, doubtful[0])
        doubt = self._powerless(measured)
        if doubt:
            return Verdict(self.name, Outcome.INCONCLUSIVE, doubt)
        reason = (
            f"{auc}, inside [{1 - limit.auc:.2f}, {limit.auc:.2f}]; both tails within limits; "
            f"{len(self.doors)} doors shut"
        )
        return Verdict(self.name, Outcome.PASSED, reason)

    def limits(self, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
        """Bound the AUC on both sides and each tail above."""
        limit, _ = self._limit(measured)
        tails = {f"forget_tail_{side}@{limit.fpr}": (0.0, limit.tail) for side in ("high", "low")}
        doors = {DOOR + name: (1 - limit.auc, limit.auc) for name in self.doors}
        return {"forget_auc": (1 - limit.auc, limit.auc), **tails, **doors}

    def _limit(self, measured: Mapping[str, Measurement]) -> tuple[Limit, bool]:
        holdout = int(measured["holdout_examples"].value)
        return self.limit_for(measured["forget_auc"].n, holdout)

    def _checks(self, measured: Mapping[str, Measurement]) -> tuple[list[str], list[str]]:
        """Give the reasons to fail and the reasons to doubt; doors fail at their share of error."""
        outside, doubtful = [], []
        for name, (low, high) in self.limits(measured).items():
            m = measured[name]
            surely = self._shared(m, measured) if name.startswith(DOOR) else m
            text = f"{_words(m)}, allowed [{low:.2f}, {high:.2f}]"
            if surely.low > high or surely.high < low:
                outside.append(text)
            elif m.high > high or m.low < low:
                doubtful.append(text)
        tenth, loosest = self._shared(measured[TENTH], measured), self._rows()[-1].auc
        if tenth.low > loosest or tenth.high < 1 - loosest:
            outside.append(f"the most memorised tenth: {_words(measured[TENTH])}")
        return outside, doubtful

    def _unknown(self, measured: Mapping[str, Measurement]) -> str | None:
        wanted = [*(DOOR + name for name in self.doors), TENTH]
        missing = [name for name in wanted if name not in measured or not usable(measured[name])]
        return f"{missing[0]} was not measured, or is no number" if missing else None

    def _shared(self, m: Measurement, measured: Mapping[str, Measurement]) -> Interval:
        """Give an interval that holds together with those of all doors and of the tenth."""
        level = measured["forget_level"].value if "forget_level" in measured else LEVEL
        return held_together(Interval(m.value, m.low, m.high), len(self.doors) + 1, level)

    def _broken_null(self, measured: Mapping[str, Measurement], limit: Limit) -> str | None:
        null = measured["null_auc"]
        if null.n < self.smallest_bank:
            return f"{null.n} shadows could be scored, at least {self.smallest_bank} are needed"
        if null.low < 1 - limit.auc and null.high > limit.auc:
            return f"models that never saw the forget set are not told apart: {_words(null)}"
        if not 1 - limit.auc < null.value < limit.auc:
            return f"models that never saw the forget set fail the test themselves: {_words(null)}"
        return None

    def _powerless(self, measured: Mapping[str, Measurement]) -> str | None:
        """The untouched champion must lie beyond the null band and beyond the candidate.

        Without that, passing says nothing; and the champion itself never passes. The limits play no
        part: a tighter one would else lend the test a power that it has not.
        """
        champion, null, own = (measured[k] for k in ("champion_auc", "null_auc", "forget_auc"))
        above = champion.low > max(null.high, own.high)
        below = champion.high < min(null.low, own.low)
        if above or below:
            return None
        return (
            "the test has no power here: the untouched champion is not told apart from models that "
            f"never saw the forget set, or not from this one, {_words(champion)}"
        )


def _words(m: Measurement) -> str:
    names = {
        "forget_auc": "attack AUC",
        "champion_auc": "champion's attack AUC",
        "null_auc": "null band of the attack AUC",
    }
    name = names.get(m.name, m.name.replace("_", " "))
    return f"{name} {m.value:.3f} [{m.low:.3f}, {m.high:.3f}] (n={m.n})"
