"""How what is forgotten lies in classes: counted, and named where nothing is logged."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.keys import suppression_key
from ledger.replay.drift import Forgotten, Line
from systems.data.columns import EXAMPLE, LABEL, SPLIT
from systems.data.loading import classes
from systems.settings.approval import Approval, InClass, Skew, Summed
from tasks.running.opened import Opened
from tasks.running.rows import rows_of
from unlearning.digests import canonical_json
from unlearning.domain import TRAIN, BoolArray, IntArray, going

_TOKEN = 16
"""Hexadecimal digits of a class's token: two classes of a million share one by chance of 3e-8."""


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
        """Count the classes that go though some of each stay."""
        return int(np.sum(self.goes & (self.stays > 0)))

    @property
    def goes(self) -> BoolArray:
        """Mask of the classes that go, as `unlearning.domain.going` says, (classes,)."""
        found = going(self.gone, self.stays)
        return np.isin(np.arange(len(self.gone)), found)

    def in_one_class(
        self, rules: Skew | None, sizes: tuple[int, int] | None = None, *, named: bool = False
    ) -> InClass | None:
        """Give the class that most is forgotten of for its size, of those that a rule asks about.

        None where it asks about none. sizes: of what is forgotten and of the training examples,
        where these are more than those of the classes. named: with the class's name.
        """
        counts = enumerate(zip(self.gone.tolist(), (self.gone + self.stays).tolist(), strict=True))
        known = {label: InClass(*count) for label, count in counts}
        found = [n for n, one in known.items() if rules and one.forgets >= rules.examples]
        if rules is None or not found:
            return None
        of = sizes or (int(self.gone.sum()), int(self.gone.sum() + self.stays.sum()))
        label = max(found, key=lambda one: (rules.excess(known[one], *of), -one))
        most = known[label]
        return InClass(most.forgets, most.trains, self.names[label]) if named else most


@dataclass(frozen=True, eq=False)
class Batch:
    """What a run forgets, beside what was forgotten since a person approved a release.

    tokens: of the classes, by label, as the log has them: nobody knows the class by one without the
    key, nor by that of before another approval. past: what was forgotten since then.
    """

    own: Tally
    tokens: tuple[str, ...]
    past: Forgotten

    @property
    def going(self) -> int:
        """Count the classes that go though some stay: by the run, or by what it adds to the past.

        Of the past alone nobody is asked again.
        """
        own, touched = self.own, self.own.gone > 0
        both = own.goes | (self._both.goes & touched)
        return int(np.sum(both & (own.stays > 0)))

    def summed(self, rules: Skew | None, *, named: bool = False) -> Summed | None:
        """Give what is forgotten together; None where nothing was before. named: of people."""
        spent = self.past.examples
        if not spent:
            return None
        gone, both = int(self.own.gone.sum()), self._both
        sizes = (gone + spent, gone + spent + int(self.own.stays.sum()))
        counted = np.where(self.own.gone > 0, both.gone, 0)
        most = Tally(both.names, counted, both.stays).in_one_class(rules, sizes, named=named)
        return Summed(*sizes, most)

    def noted(self, rules: Approval) -> dict[str, Any]:
        """Give what the log has of it: counts, and where a class is asked about, by its token.

        `in_class_since` names one of those of `of_classes`.
        """
        own, summed = self.own.in_one_class(rules.skew), self.summed(rules.skew, named=True)
        asked = rules.skew is not None or rules.whole_class
        pairs = zip(self.tokens, self.own.gone.tolist(), strict=True)
        said: dict[str, Any] = {
            "whole_classes": self.own.whole,
            "going_classes": self.going,
            "since_approved": {
                "examples": self.past.examples,
                "training": int(self.own.gone.sum() + self.own.stays.sum()) + self.past.examples,
            },
            "of_classes": {token: n for token, n in pairs if n and asked},
        }
        if own is not None:
            said["in_class"] = {"forgets": own.forgets, "trains": own.trains}
        if summed is not None and (most := summed.in_class) is not None:
            token = self.tokens[self.own.names.index(str(most.name))]
            said["in_class_since"] = {
                "class": token,
                "forgets": most.forgets,
                "trains": most.trains,
            }
        return said

    @property
    def _both(self) -> Tally:
        earlier = np.array([self.past.classes[token] for token in self.tokens], dtype=np.int64)
        return Tally(self.own.names, self.own.gone + earlier, self.own.stays)


def batch(at: Opened, forgotten: Collection[str]) -> Batch:
    """Count training examples that are to be forgotten, by class."""
    own = tally_of(rows_of(at), classes(at.ws), forgotten)
    past = Line.of(at.ledger.log.entries()).forgotten()
    key = suppression_key(at.ws.keys)
    return Batch(own, tuple(_token(key, past.since, name) for name in own.names), past)


def _token(key: bytes, since: str, name: str) -> str:
    return hmac.digest(key, canonical_json(["approval", since, name]), "sha256").hex()[:_TOKEN]


def tally_of(rows: pa.Table, names: tuple[str, ...], forgotten: Collection[str]) -> Tally:
    """Count training examples by class. rows: of the data. names: of its classes, by label."""
    train = rows.filter(pc.equal(rows[SPLIT], TRAIN))
    goes = pc.is_in(train[EXAMPLE], pa.array(sorted(forgotten), pa.string())).to_numpy()
    labels = train[LABEL].to_numpy()
    gone, stays = (np.bincount(labels[w], minlength=len(names)) for w in (goes, ~goes))
    return Tally(names, gone, stays)
