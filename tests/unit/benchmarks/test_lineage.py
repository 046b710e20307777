"""The arithmetic of bases: who is lost, what making them again costs, who is served from them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.lineage import economics, schemes


def alone(*people: int) -> list[np.ndarray]:
    return [np.array([person]) for person in people]


def test_a_person_costs_one_of_the_disjoint_shards() -> None:
    found = economics.serve(schemes.shards(100, 4), alone(0, 1, 2))

    assert (found.clean, found.bases) == (3, pytest.approx(3 / 4))
    assert found.candidates == pytest.approx(3 * economics.WARM)


def test_a_person_costs_all_bases_but_the_one_without_his_shard() -> None:
    found = economics.serve(schemes.all_but_one(100, 4), alone(0))

    assert (found.clean, found.bases) == (1, pytest.approx(3 * 3 / 4))


def test_who_hits_every_shard_is_served_by_retraining() -> None:
    found = economics.serve(schemes.shards(100, 4), [np.arange(4)])

    assert (found.clean, found.candidates, found.bases) == (0, 1.0, pytest.approx(1.0))


def test_halves_last_until_none_is_clean_where_they_are_made_again_late() -> None:
    rng = np.random.default_rng(0)
    found = economics.serve(schemes.halves(100, 2, rng, at_once=False), alone(*range(100)))

    assert 0 < found.clean < found.runs == 100


def test_a_late_slice_of_a_chain_costs_only_what_follows_it() -> None:
    chain = schemes.chain(100, 4)

    late = economics.serve(chain, alone(99))
    early = economics.serve(chain, alone(0))

    assert (late.clean, late.bases) == (1, pytest.approx(4 / 10))
    assert (early.clean, early.bases) == (0, pytest.approx(1.0))


def test_whoever_leaves_more_readily_is_placed_last() -> None:
    likely = np.zeros(100)
    likely[0] = 1.0

    assert economics.serve(schemes.chain(100, 4, likely), alone(0)).clean == 1
