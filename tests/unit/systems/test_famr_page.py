"""FAMR's page tells what was measured, loads nothing, and never claims what was not shown."""

from __future__ import annotations

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from systems.report.famr_page import Curves, Section, famr_page, over_seeds
from tests.unit.reported import EVIDENCE, Balance


def curves(name: str, seeds: int, epochs: int) -> Curves:
    ramp = np.linspace(0.1, 0.9, epochs) + 0.01 * np.arange(seeds)[:, None]
    return Curves(name, ramp, 2 * ramp, 1 - ramp, 1 - ramp / 2)


def section(name: str, seeds: int) -> Section:
    return Section(
        title="Forgetting a class",
        words="two seeds",
        header=("", "Ret"),
        rows=[[name, "90.1 [89.0, 91.2]"]],
        curves=[curves(name, seeds, 11)],
        retrained=curves("retrained", seeds, 1),
        classes=10,
        evidence={name: EVIDENCE},
    )


def test_the_mean_over_seeds_and_its_interval_by_hand() -> None:
    """1, 2, 3: mean 2, deviation 1; for two degrees of freedom t = .95 / sqrt(2 * .975 * .025)."""
    mean, low, high = over_seeds(np.array([1.0, 2.0, 3.0]))
    reach = 0.95 / np.sqrt(2 * 0.975 * 0.025) / np.sqrt(3)
    np.testing.assert_allclose([mean, low, high], [2, 2 - reach, 2 + reach], rtol=1e-9)


def test_one_seed_says_nothing_of_others() -> None:
    mean, low, high = over_seeds(np.array([[0.5, 0.6]]))
    assert mean.tolist() == [0.5, 0.6]
    assert np.isneginf(low).all() and np.isposinf(high).all()


def test_the_page_is_whole_and_loads_nothing() -> None:
    page = famr_page("FAMR", {"Data": "digits"}, [section("FAMR", 3), section("FAMR", 1)])
    parser = Balance()
    parser.feed(page)
    assert (parser.problems, parser.open) == ([], [])
    assert not re.search(r"(?:src|href)=\"(?!data:)|<script|url\(|@import", page)
    pictures = re.findall(r"data:image/png;base64,([^\"]+)", page)
    assert len(pictures) == 4
    for picture in pictures:
        assert Image.open(BytesIO(base64.b64decode(picture))).size[0] > 700


@pytest.mark.parametrize(
    "words",
    [
        "does not apply, because Eq. 7 moves against",
        "the training loss is not convex: its Hessian has eigenvalue -3.25",
        "differs from it by 125% of its length",
        "J&#x27;s Hessian at the candidate has eigenvalue -0.5, below rho = 0.1",
        "it is vacuous: 99.96% of the squared distance may remain",
        "-3.25 to 900 (to within 0.01); 90% below 0.001 of the largest",
        "90.1 [89.0, 91.2]",
        "What this does not prove",
    ],
)
def test_the_page_says_what_was_measured_and_which_assumption_failed(words: str) -> None:
    assert words in famr_page("FAMR", {}, [section("FAMR", 2)])


def test_the_page_never_says_that_retraining_is_approximated() -> None:
    assert "approximat" not in famr_page("FAMR", {}, [section("FAMR", 2)]).lower()


def test_text_from_outside_is_never_markup() -> None:
    bad = "<img src=x onerror=alert(1)>"
    page = famr_page(bad, {bad: bad}, [section(bad, 2)])
    assert bad not in page


def test_equal_numbers_give_an_equal_page() -> None:
    pages = [famr_page("FAMR", {}, [section("FAMR", 3)]) for _ in range(2)]
    assert pages[0] == pages[1]
