"""Means of seeds: an interval from three on, the range of two, and nothing about one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import record
from benchmarks.asked import tables
from benchmarks.means import mean_of, told, words_of
from benchmarks.pages import methods


def test_three_values_have_students_interval_by_hand() -> None:
    """1, 2, 3: deviation 1, 4.3027 of it over the root of 3."""
    assert told(2.0, 1.0, 3, 3) == "2.000 ± 2.484" and told(0.02, 0.01, 3, 1, 100) == "2.0 ± 2.5"
    found = mean_of([1.0, 2.0, 3.0])
    assert found.high - found.value == pytest.approx(2.4841, abs=1e-4)


def test_two_have_their_range_and_one_nothing() -> None:
    deviation = float(np.std([1.0, 3.0], ddof=1))
    assert told(2.0, deviation, 2, 1) == "2.0 (1.0 to 3.0)"
    assert told(2.0, None, 1, 1) == told(2.0, 0.0, 1, 1) == "2.0"
    assert "interval" in words_of(3) and "range" in words_of(2) and "one seed" in words_of(1)


@pytest.mark.parametrize("name", ["asked-sfr-on", "methods-digits-vgg"])
def test_pages_write_the_interval_of_the_seeds_that_are_kept(name: str) -> None:
    rows = json.loads((record.RESULTS / f"{name}.json").read_text())["rows"]
    shown = (tables if name.startswith("asked") else methods).compared(name)
    kept = [r["columns"] for r in rows["cells"] if (r["task"], r["row"]) == ("random", "retrained")]
    found = mean_of([100 * columns["FA"] for columns in kept])
    assert len(kept) == 3 and f"{found.value:.1f} ± {found.high - found.value:.1f} |" in shown
    assert "deviation" not in shown
