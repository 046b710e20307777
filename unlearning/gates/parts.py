"""Classes of which most goes are judged one by one, and all other examples by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from unlearning.gates.asking import usable
from unlearning.gates.groups import CLASSES
from unlearning.gates.limits import Limit
from unlearning.gates.suspicions import Said, words
from unlearning.statistics.levels import Interval, held_together, interval_of
from unlearning.terms import Measurement, Outcome

PART, PARTS = "part/", "forget_parts"
"""The attack on a part, as deployed and by `/door`; how many parts there are."""

STRANGERS, CHAMPION, LEARNED = "part_strangers/", "part_champion/", "part_learned/"
"""A part's comparable holdout examples, the untouched champion's attack AUC on it, and whether
these strangers were learned."""

LimitFor = Callable[[int, int], tuple[Limit, bool]]


def parts(
    measured: Mapping[str, Measurement],
    limit_for: LimitFor,
    doors: tuple[str, ...],
    *,
    forgiving: bool,
    level: float,
) -> Iterator[Said]:
    """Say what holds a part back, where there are several.

    limit_for: the gate's, by forget and comparable holdout examples. forgiving: being avoided
    refuses nobody. level: of the intervals. Each refuses at its share of the error.
    """
    counted = [measured[name] for name in (PARTS, CLASSES) if name in measured]
    strange = [m.name for m in counted if not usable(m) or m.value != int(m.value)]
    if strange:
        yield Outcome.INCONCLUSIVE, f"{strange[0]} is no whole number"
        return
    # Evidence of before has no count of parts, but as many as classes that went whole.
    count = max((int(m.value) for m in counted), default=1)
    if count < 2:
        return
    asked = [f"{PART}{k}{door}" for k in range(count) for door in ("", *(f"/{d}" for d in doors))]
    for name in asked:
        number = name.removeprefix(PART).split("/")[0]
        wanted = (name, f"{STRANGERS}{number}")
        if any(one not in measured or not usable(measured[one]) for one in wanted):
            reason = f"{name} was not measured, or is no number: each part is judged by itself"
            yield Outcome.INCONCLUSIVE, reason
            continue
        m = measured[name]
        limit, enough = limit_for(m.n, int(measured[f"{STRANGERS}{number}"].value))
        surely = held_together(interval_of(m), len(asked), level)
        yield _said(m, surely, limit, enough=enough, forgiving=forgiving)
        if name == f"{PART}{number}":
            yield from _powerless(m, measured.get(f"{CHAMPION}{number}"))
            yield from _learned(measured.get(f"{LEARNED}{number}"), limit.auc - 0.5, count)


def _said(m: Measurement, surely: Interval, limit: Limit, *, enough: bool, forgiving: bool) -> Said:
    low, high = 1 - limit.auc, limit.auc
    text = f"a class, or the rest, by itself: {words(m)}, allowed [{low:.2f}, {high:.2f}]"
    if surely.low > high or (surely.high < low and not forgiving):
        return Outcome.FAILED, text
    if m.high > high or m.low < low:
        return Outcome.INCONCLUSIVE, text
    if not enough:
        return Outcome.INCONCLUSIVE, f"too few to decide: {text}"
    return Outcome.PASSED, text


def _powerless(m: Measurement, champion: Measurement | None) -> Iterator[Said]:
    """A part on which the untouched champion is not told from this candidate proves nothing."""
    if champion is None or not usable(champion):
        told = "was not measured, or is no number"
    elif champion.low > m.high or champion.high < m.low:
        return
    else:
        told = words(champion)
    reason = f"a class, or the rest, by itself: the test has no power here, champion {told}"
    yield Outcome.INCONCLUSIVE, reason


def _learned(m: Measurement | None, allowed: float, count: int) -> Iterator[Said]:
    """A part whose strangers were learned looks forgotten, and is remembered.

    Of all strangers together a tenth hardly shows. Here its interval is wide, so that the number
    itself is held to the limit.
    """
    if m is None or not usable(m):
        reason = "was not measured, or is no number: it needs test examples of each part"
        yield Outcome.INCONCLUSIVE, f"{LEARNED.rstrip('/').replace('_', ' ')} {reason}"
    elif m.value > allowed:
        surely = held_together(interval_of(m), count).low > allowed
        text = f"a class, or the rest, by itself: it {'' if surely else 'may have '}learned"
        outcome = Outcome.FAILED if surely else Outcome.INCONCLUSIVE
        yield outcome, f"{text} the strangers: {words(m)}"
