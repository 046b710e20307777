"""Mean scores of forget sets that are judged as one, drawn as the shadows say that they fall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import stats

from unlearning.domain import FloatArray, Measurement
from unlearning.gates.as_one import DOORS
from unlearning.gates.suspicions import LEARNED
from unlearning.statistics.intervals import LEVEL, chance_variance
from unlearning.statistics.simulation import Case

REMEMBERED, ONE_EXAMPLE, SIZE = 0.65, 0.6, 0.5
"""Where nothing is trained: the mean score of examples that were seen, the deviation of one
example's score that was not, and its mean size; as 32 shadows had them on digits with a tenth of
the labels wrong, for 1 to 25 people of 12 images."""

LIKENESS: Mapping[str, float] = {"refitted": 0.57, "relearned": 0.67}
"""How an honest network's mean score at a door correlates with its own, each in reaches of the
shadows' range: over 28 pairs of a retrained model and a set of 50 or 100 pictures of CIFAR-10 (four
are another one in int8; without these .57 and .70), in no table."""


def drawn(
    known: Mapping[str, Measurement],
    rng: np.random.Generator,
    draws: int,
    doors: Sequence[str],
    *,
    lift: float,
    level: float,
) -> Iterator[dict[str, Measurement]]:
    """Draw what is measured of models that never saw the set, lifted by `lift`.

    known: with the shadows' ranges. Student's t of the range's width; the scores at a door go with
    the candidate's own as much as was measured (LIKENESS). The most memorised tenth, which so few
    examples hardly have, is left out.
    """
    freedom = max(1, known["mean_score_unseen"].n - 1)
    own = rng.standard_t(freedom, draws)
    spread = _placed(known["mean_score_spread_unseen"], rng.standard_t(freedom, draws))
    rows = {"mean_score": _placed(known["mean_score_unseen"], own) + lift}
    for name in (door for door in DOORS if door in doors):
        like, other = LIKENESS[name], rng.standard_t(freedom, draws)
        moved = like * own + np.sqrt(1 - like**2) * other
        rows[f"mean_score/{name}"] = _placed(known["mean_score_unseen"], moved) + lift
    rows["mean_score_spread"], n = spread, known["forget_auc"].n
    change = _changes(n, int(known["holdout_examples"].value), rng.normal(size=draws))
    for row in range(draws):
        yield {name: _exactly(name, float(of[row]), n) for name, of in rows.items()} | {
            "forget_level": _exactly("forget_level", level, n),
            "memorised_auc": Measurement("memorised_auc", float("nan"), 0.0, 1.0, n),
            LEARNED: _exactly(LEARNED, 0.0, n),
            change[row].name: change[row],
        }


def _changes(n: int, holdout: int, draws: FloatArray) -> list[Measurement]:
    """Give what training changes of who was never seen: an AUC of one half, but for chance."""
    chance = float(np.sqrt(chance_variance(n, holdout)))
    reach = float(stats.norm.ppf(0.5 + LEVEL / 2)) * chance
    values = 0.5 + chance * draws
    return [Measurement("door/moved", v, v - reach, v + reach, n) for v in values.tolist()]


def _placed(around: Measurement, draws: FloatArray) -> FloatArray:
    freedom = max(1, around.n - 1)
    width = (around.high - around.low) / 2 / stats.t.ppf(0.5 + LEVEL / 2, freedom)
    return np.asarray(around.value + width * draws)


def assumed(case: Case, shadows: int) -> Iterator[Measurement]:
    """Give what the shadows would say of a set that nobody has asked them about."""
    alike = 1 + (case.examples / case.subjects - 1) * case.likeness
    about = ONE_EXAMPLE * np.sqrt(alike / case.examples)
    models = shadows if case.subjects > 1 else shadows // 2  # half of them saw a single person
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, max(1, models - 1)) * about)
    reach *= float(np.sqrt(1 + 1 / max(1, models)))
    places = {"unseen": 0.0, "half": REMEMBERED / 2, "seen": REMEMBERED, "spread_unseen": SIZE}
    for name, value in places.items():
        yield Measurement(f"mean_score_{name}", value, value - reach, value + reach, models)
    yield _exactly("mean_score_even", REMEMBERED / 4, models)
    yield _exactly("mean_score_champion", REMEMBERED, case.examples)


def _exactly(name: str, value: float, n: int) -> Measurement:
    return Measurement(name, value, value, value, n)
