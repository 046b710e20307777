"""`lethe list` shows what Lethe has, whatever the workspace."""

from __future__ import annotations

import pytest

from flows.cli.work.registered import REGISTERED


@pytest.mark.parametrize("what", REGISTERED)
def test_every_kind_has_entries_with_a_name(what: str) -> None:
    found = REGISTERED[what]()
    assert found and all(entry["name"] for entry in found)


def test_clippers_and_ensembles_say_where_they_are_from() -> None:
    names = {entry["name"] for entry in REGISTERED["clippers"]()}
    assert names == {"fastclip", "gouk", "miyato", "senderovich"}
    assert [entry["name"] for entry in REGISTERED["ensembles"]()] == ["lotos"]
    assert all(entry["paper"] and entry["what"] for entry in REGISTERED["clippers"]())


def test_generator_methods_are_listed_without_the_extra_that_draws() -> None:
    names = {entry["name"] for entry in REGISTERED["generation"]()}
    assert names == {"latent", "retrain", "sa", "salun", "sfr_on"}
