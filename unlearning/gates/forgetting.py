"""The forget set looks like examples that were never seen: neither remembered nor avoided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, ClassVar

from unlearning.errors import PolicyError
from unlearning.gates import GATES, as_one
from unlearning.gates.asking import SEVERITY, lacking, usable
from unlearning.gates.groups import CLASSES, GROUP, MATES, group, lenient
from unlearning.gates.limits import Limit
from unlearning.gates.parts import parts
from unlearning.gates.suspicions import LEARNED, MOVED, Said, learned, lifted, words
from unlearning.settings import check_settings
from unlearning.statistics.levels import FPRS, Interval, held_together, interval_of
from unlearning.terms import Measurement, Outcome, Verdict

DOOR, TENTH = "door/", "memorised_auc"

DOORS = (*as_one.DOORS, MOVED)
"""All doors (unlearning.judging): what is asked of a candidate after something was done to it."""

FEW = 10
"""Subjects below which models are the unit, not people: an interval over so few says little."""


@GATES.register
@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Two-sided, per-example calibrated, decided on intervals, and only while the controls hold.

    limits: from the strictest, for many examples, to the loosest; with fewer examples than the
    loosest asks for, nothing passes. smallest_bank: shadows without which nothing is decided.
    doors: other ways of asking, whose AUC is held to the same limit. To pass, all must be shut,
    each at the full level, since whoever remembers has to pass them all; a door refuses at its
    share of the error only (Bonferroni), since an honest network has many chances to look odd. The
    most memorised tenth can refuse, by the loosest limit, and never lets anyone pass. Who learned
    the holdout set, by more than the forget set may stand out of it, is refused, exact or not.

    Where most of a class goes beside that of another, or beside other examples, each and the rest
    are held to the limits by themselves too (module parts).

    Fewer than ten subjects, or fewer examples than any limit is for, are judged by their mean score
    (module as_one). Being avoided refuses neither an exact retraining, whose lineage says why, nor
    anyone who forgot a batch of people who go together; and of such a batch nobody passes.
    references: models that are trained without such a batch, to hold everyone against instead of
    the shadows; 0, the default, leaves it to exact retraining.
    """

    name: ClassVar[str] = "forgetting"
    needs: ClassVar[frozenset[str]] = frozenset(
        {"forget_auc", "champion_auc", "null_auc", "holdout_examples", "forget_subjects", LEARNED}
        | {f"forget_tail_{side}@{fpr}" for side in ("high", "low") for fpr in FPRS}
    )

    limits_by_size: Sequence[Mapping[str, Any]]
    smallest_bank: int = 8
    doors: Sequence[str] = DOORS
    references: int = 0

    def __post_init__(self) -> None:
        """Refuse a gate without limits, or whose limits are stricter for fewer examples."""
        if not self.limits_by_size:
            raise PolicyError("gates.forgetting.limits_by_size: got none, expected at least one")
        for row in self.limits_by_size:
            check_settings(Limit, row, "gates.forgetting.limits_by_size")
        if isinstance(self.doors, str) or set(self.doors) - set(DOORS):
            raise PolicyError(
                f"gates.forgetting.doors: got {self.doors!r}, expected some of {DOORS}: "
                "adopt a policy with these, `lethe policy --adopt FILE --reason TEXT`"
            )
        if self.references and self.references < self.smallest_bank:
            raise PolicyError(
                f"gates.forgetting.references: got {self.references}, expected 0 or at least "
                f"smallest_bank, {self.smallest_bank}"
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
        """The same without doors, which need the network, for what has no more than answers."""
        return replace(self, doors=())

    def limit_for(self, examples: int, holdout: int) -> tuple[Limit, bool]:
        """Give the strictest limit that so many examples can be held to, and whether any can."""
        rows = self._rows()
        for row in rows:
            if examples >= row.examples and holdout >= row.holdout:
                return row, True
        return rows[-1], False

    def judge(self, measured: Mapping[str, Measurement]) -> Verdict:
        """Compare with the limits, then ask whether the test had power and the set is no group."""
        said = self._few(measured) if self.few(measured) else self._many(measured)
        allowed = self._limit(measured)[0].auc - 0.5
        apart = parts(
            measured,
            self.limit_for,
            tuple(name for name in self.doors if name != MOVED),
            forgiving=lenient(measured),
            level=as_one.level_of(measured),
        )
        outcome, reason = worst(said, *apart, *learned(measured, allowed))
        if outcome is Outcome.PASSED and group(measured):
            outcome, reason = Outcome.INCONCLUSIVE, f"{GROUP}; {words(measured[MATES])}"
        return Verdict(self.name, outcome, reason)

    def few(self, measured: Mapping[str, Measurement]) -> bool:
        """Say whether models are the unit: few subjects, or too few examples for any limit.

        Not of a class that goes: every shadow saw half of it, and knows it.
        """
        if CLASSES in measured and measured[CLASSES].value > 0:
            return False
        examples, loosest = measured["forget_auc"].n, self._rows()[-1]
        return measured["forget_subjects"].value < FEW or examples < loosest.examples

    def _few(self, measured: Mapping[str, Measurement]) -> tuple[Outcome, str]:
        counts = (
            f"{measured['forget_auc'].n} examples of {measured['forget_subjects'].value:.0f} "
            f"subject(s) against {measured['holdout_examples'].value:.0f} holdout examples"
        )
        missing = as_one.unknown(measured, self.doors)
        if missing or measured[as_one.UNSEEN].n < self.smallest_bank:
            lacks = lacking(missing, measured) if missing else "the bank is too small"
            return Outcome.INCONCLUSIVE, f"too few to decide: {counts}; {lacks}"
        tenth = ((Outcome.FAILED, reason) for reason in self._tenth(measured))
        moved = lifted(measured, self._rows()[-1].auc) if MOVED in self.doors else ()
        outcome, reason = worst(as_one.judge(measured, self.doors), *tenth, *moved)
        return outcome, f"{counts}, judged as one: {reason}"

    def _many(self, measured: Mapping[str, Measurement]) -> tuple[Outcome, str]:
        limit, decidable = self._limit(measured)
        unknown = self._unknown(measured)
        if unknown:
            return Outcome.INCONCLUSIVE, unknown
        outside, doubtful = self._checks(measured)
        doubt = self._broken_null(measured, limit)
        if not decidable and (doubt or not outside):
            doubt = (
                f"too few to decide: {measured['forget_auc'].n} examples against "
                f"{measured['holdout_examples'].value:.0f} comparable holdout examples, at least "
                f"{limit.examples} and {limit.holdout} are needed; {words(measured['forget_auc'])}"
            )
        if doubt:
            return Outcome.INCONCLUSIVE, doubt
        if outside:
            return Outcome.FAILED, outside[0]
        doubts = [*doubtful, self._powerless(measured)]
        if doubts[0]:
            return Outcome.INCONCLUSIVE, doubts[0]
        return Outcome.PASSED, (
            f"{words(measured['forget_auc'])}, inside [{1 - limit.auc:.2f}, {limit.auc:.2f}]; "
            f"both tails within limits; {len(self.doors)} doors shut"
        )

    def limits(self, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
        """Bound the AUC on both sides and each tail above; of a few, the mean score."""
        limit, _ = self._limit(measured)
        strangers = {LEARNED: (-1.0, limit.auc - 0.5)}
        if self.few(measured):
            known = as_one.unknown(measured, self.doors) is None
            return as_one.limits(measured, self.doors) | strangers if known else {}
        tails = {f"forget_tail_{side}@{limit.fpr}": (0.0, limit.tail) for side in ("high", "low")}
        doors = {DOOR + name: (1 - limit.auc, limit.auc) for name in self.doors}
        return {"forget_auc": (1 - limit.auc, limit.auc), **tails, **doors, **strangers}

    def controls(self, measured: Mapping[str, Measurement]) -> tuple[bool, bool]:
        """Say whether the untouched champion is told apart, and whether the shadows are inside."""
        if self.few(measured):
            known = as_one.unknown(measured, self.doors) is None
            return as_one.controls(measured) if known else (False, False)
        champion, null = measured["champion_auc"], measured["null_auc"]
        low, high = self.limits(measured)["forget_auc"]
        outside = champion.low > null.high or champion.high < null.low
        return outside, low < null.value < high

    def _limit(self, measured: Mapping[str, Measurement]) -> tuple[Limit, bool]:
        holdout = int(measured["holdout_examples"].value)
        return self.limit_for(measured["forget_auc"].n, holdout)

    def _checks(self, measured: Mapping[str, Measurement]) -> tuple[list[str], list[str]]:
        """Give the reasons to fail and the reasons to doubt; doors fail at their share of error."""
        outside, doubtful, forgiving = [], [], lenient(measured)
        for name, (low, high) in self.limits(measured).items():
            m = measured[name]
            surely = self._shared(m, measured) if name.startswith(DOOR) else m
            text = f"{words(m)}, allowed [{low:.2f}, {high:.2f}]"
            remembered = surely.low > high and not _of_avoided(name)
            avoided = surely.high < low or (surely.low > high and _of_avoided(name))
            if remembered or (avoided and not forgiving):
                outside.append(text)
            elif m.high > high or m.low < low:
                doubtful.append(text)
        return [*outside, *self._tenth(measured)], doubtful

    def _tenth(self, measured: Mapping[str, Measurement]) -> Iterator[str]:
        """Refuse whoever remembers the most memorised tenth; being avoided there proves nothing."""
        known = TENTH in measured and usable(measured[TENTH])
        if known and self._shared(measured[TENTH], measured).low > self._rows()[-1].auc:
            yield f"the most memorised tenth: {words(measured[TENTH])}"

    def _unknown(self, measured: Mapping[str, Measurement]) -> str | None:
        wanted = [*(DOOR + name for name in self.doors), TENTH]
        missing = [name for name in wanted if name not in measured or not usable(measured[name])]
        return lacking(missing[0], measured) if missing else None

    def _shared(self, m: Measurement, measured: Mapping[str, Measurement]) -> Interval:
        """Give an interval that holds together with those of all doors and of the tenth."""
        return held_together(interval_of(m), len(self.doors) + 1, as_one.level_of(measured))

    def _broken_null(self, measured: Mapping[str, Measurement], limit: Limit) -> str | None:
        null = measured["null_auc"]
        if null.n < self.smallest_bank:
            return f"{null.n} shadows could be scored, at least {self.smallest_bank} are needed"
        if null.low < 1 - limit.auc and null.high > limit.auc:
            return f"models that never saw the forget set are not told apart: {words(null)}"
        if not 1 - limit.auc < null.value < limit.auc:
            return f"models that never saw the forget set fail the test themselves: {words(null)}"
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
            f"never saw the forget set, or not from this one, {words(champion)}"
        )


def _of_avoided(name: str) -> bool:
    """Say whether a high number shows that examples are avoided, and not remembered."""
    return "tail_low" in name


def worst(first: Said, *others: Said) -> Said:
    """Give what weighs most; of equals what was said first."""
    return max(first, *others, key=lambda said: SEVERITY.index(said[0])) if others else first
