"""What `init` refuses before it writes: by what nobody could ever be judged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from flows.cli.work import decidable
from unlearning.errors import UsageError


def offered(*, held: list[int]) -> Any:
    """Two classes that are trained on, and what is held out."""
    labels, splits = [0, 1, *held], ["train", "train", *["holdout"] * len(held)]
    return SimpleNamespace(table=pa.table({"label": labels, "split": splits}))


def test_each_class_that_is_drawn_has_pictures_that_the_judge_learns_from() -> None:
    """A class that it does not know counts as lost for every model, so that none could lose it."""
    decidable._refuse_unjudged(offered(held=[0, 1, 1]))
    for held in ([0, 0], []):
        with pytest.raises(UsageError, match=r"none of \d that are trained on"):
            decidable._refuse_unjudged(offered(held=held))
