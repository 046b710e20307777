"""How words of the line are put in order before they are read."""

from __future__ import annotations

import pytest

from flows.cli import reordered, spread


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("submit --example a b --class c", "submit --example a --example b --class c"),
        ("submit --subject a --subject b c", "submit --subject a --subject b --subject c"),
        ("submit --key k extra", "submit --key k extra"),
        ("submit --subject=a b", "submit --subject=a b"),
        ("submit extra --subject a", "submit extra --subject a"),
        ("forget req-1 req-2 --method retrain", "forget req-1 req-2 --method retrain"),
        ("show --json req-1", "--json show req-1"),
    ],
)
def test_an_option_of_several_values_may_have_them_in_a_row(line: str, read: str) -> None:
    assert spread(reordered(line.split())) == read.split()
