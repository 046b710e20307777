"""Who is trained on, who is held out, who tests: drawn by subject, so nobody is on two sides."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from systems.settings.params import LARGEST_SHARE
from unlearning.domain import HOLDOUT, TEST, TRAIN, IntArray, TextArray
from unlearning.errors import UsageError

LEFT_OUT = ""


@dataclass(frozen=True, eq=False)
class Draw:
    """The draw of a training file's splits, which can be made again with another holdout share.

    subjects, labels: (n,) of the rows; labels are indices of classes. seed: of the draw alone.
    """

    subjects: TextArray
    labels: IntArray
    seed: tuple[int, int]
    test: float
    limit: int | None

    def splits(self, holdout: float) -> TextArray:
        """Give every row its split, as `draw_splits` does."""
        rng = np.random.default_rng(self.seed)
        return draw_splits(self.subjects, rng, holdout=holdout, test=self.test, limit=self.limit)

    def share_for(self, examples: int) -> float | None:
        """Give the least holdout share, in hundredths, with so many holdout examples of each class.

        None if no share leaves that many and two classes to train on and examples to test by.
        """

        def held(hundredths: int) -> int:
            held_out = self.splits(hundredths / 100) == HOLDOUT
            return smallest_class(self.labels, self.labels[held_out])

        shares = range(1, round(100 * LARGEST_SHARE) + 1)  # a larger share holds the same and more
        found = bisect_left(shares, examples, key=held)
        if found == len(shares):
            return None
        share = shares[found] / 100
        return share if self._leaves_enough(self.splits(share)) else None

    def _leaves_enough(self, splits: TextArray) -> bool:
        tested = not self.test or bool((splits == TEST).any())
        return tested and len(np.unique(self.labels[splits == TRAIN])) > 1


def smallest_class(labels: IntArray, some: IntArray) -> int:
    """Of the classes among `labels`, count the one with the fewest among `some` of them."""
    return min(int((some == known).sum()) for known in np.unique(labels))


def draw_splits(
    subjects: TextArray,
    rng: np.random.Generator,
    *,
    holdout: float,
    test: float,
    limit: int | None = None,
) -> TextArray:
    """Give every row its split; rows that `limit` leaves out get LEFT_OUT.

    subjects: (n,). holdout, test: shares, 0 where another file gives that set. limit: training
    rows to keep at most, drawn whatever their subject. The shares are of the rows, or of `limit`
    where that is smaller: with 50,000 rows, limit 10,000 and holdout 0.5, 5,000 rows are held
    out and 10,000 are trained on. Subjects are taken in a random order until a share is reached,
    so it is exceeded by less than one subject.
    """
    n = len(subjects)
    base = n if limit is None else min(limit, n)
    _, codes, sizes = np.unique(subjects, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    reached = np.cumsum(sizes[order])
    held = _subjects_for(round(holdout * base), reached)
    tested = held + _subjects_for(round(test * base), reached[held:] - _before(reached, held))
    by_subject = np.full(len(sizes), TRAIN, dtype="<U7")
    by_subject[order[:held]] = HOLDOUT
    by_subject[order[held:tested]] = TEST
    splits = by_subject[codes]
    return splits if limit is None else _limited(splits, rng, limit)


def refuse_empty(splits: TextArray, *, name: str, expected: tuple[str, ...]) -> None:
    """Raise UsageError if a split that should have examples has none."""
    for split in expected:
        if not (splits == split).any():
            raise UsageError(
                f"{name}: too few subjects: none is left for {split}, expected at least one: "
                "give more data or smaller fractions"
            )


def _subjects_for(rows: int, reached: np.ndarray) -> int:
    """How many subjects, in order, hold at least so many rows."""
    return 0 if rows == 0 else int(np.searchsorted(reached, rows)) + 1


def _before(reached: np.ndarray, held: int) -> int:
    return int(reached[held - 1]) if held else 0


def _limited(splits: TextArray, rng: np.random.Generator, limit: int) -> TextArray:
    pool = np.flatnonzero(splits == TRAIN)
    kept = rng.permutation(pool)[:limit]
    left_out = np.setdiff1d(pool, kept)
    limited = splits.copy()
    limited[left_out] = LEFT_OUT
    return limited
