"""How what is forgotten lies in classes: counted, and named where nothing is logged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from systems.data.columns import EXAMPLE, LABEL, SPLIT
from systems.data.loading import classes
from systems.settings.approval import InClass, Skew
from tasks.running.opened import Opened
from tasks.running.rows import rows_of
from unlearning.domain import TRAIN, IntArray, going


@dataclass(frozen=True, eq=False)
class Tally:
    """Training examples by class: so many go and so many stay, (classes,) each.

    names: of the classes; one may tell who somebody is, so none is for the log.
    """

    names: tuple[str, ...]
    gone: IntArray
    stays: IntArray

    @property
    def whole(self) -> int:
        """Count the classes of which nothing stays."""
        return int(np.sum((self.gone > 0) & (self.stays == 0)))

    @property
    def going(self) -> int:
        """Count the classes that go, by `unlearning.domain.going`, though some of each stay."""
        return int(np.sum(self.stays[going(self.gone, self.stays)] > 0))

    def in_one_class(self, rules: Skew | None, *, named: bool = False) -> InClass | None:
        """Give the class that most is forgotten of for its size, of those that a rule asks about.

        None where it asks about none. named: with the class's name.
        """
        counts = enumerate(zip(self.gone.tolist(), (self.gone + self.stays).tolist(), strict=True))
        known = {label: InClass(*count) for label, count in counts}
        found = [n for n, one in known.items() if rules and one.forgets >= rules.examples]
        if rules is None or not found:
            return None
        sizes = (int(self.gone.sum()), int(self.gone.sum() + self.stays.sum()))
        label = max(found, key=lambda one: (rules.excess(known[one], *sizes), -one))
        most = known[label]
        return InClass(most.forgets, most.trains, self.names[label]) if named else most


def tallied(at: Opened, forgotten: Collection[str]) -> Tally:
    """Count the training examples of each class, and those of them that are to be forgotten."""
    return tally_of(rows_of(at), classes(at.ws), forgotten)


def tally_of(rows: pa.Table, names: tuple[str, ...], forgotten: Collection[str]) -> Tally:
    """Count as `tallied`. rows: of the data version. names: of its classes, by label."""
    train = rows.filter(pc.equal(rows[SPLIT], TRAIN))
    goes = pc.is_in(train[EXAMPLE], pa.array(sorted(forgotten), pa.string())).to_numpy()
    labels = train[LABEL].to_numpy()
    gone, stays = (np.bincount(labels[w], minlength=len(names)) for w in (goes, ~goes))
    return Tally(names, gone, stays)
