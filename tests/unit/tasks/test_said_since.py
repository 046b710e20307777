"""What a newer log says of a backup's requests, also of those that were cut since."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ledger import keys as keys_of
from ledger.chain import Chain, Entry
from ledger.domain import State
from ledger.keyring import Keyring
from ledger.requests import Ledger, Verb
from ledger.requests.identity import identity_in
from ledger.suppression import Suppression
from tasks.backups.newest import Backup, open_requests, said_since
from tasks.backups.restoring import _say_again
from tests.unit.submitted import accepted

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    keys_of.create_keys(tmp_path / "keys", tmp_path / "records")
    return Ledger.open(tmp_path / "records", tmp_path / "keys")


def submitted(ledger: Ledger, asks: str | None = None) -> str:
    return accepted(ledger, NOW, examples=4, asks=asks).ref


def cut(ledger: Ledger, ref: str, *ids: str) -> str:
    examples = ledger.request(ref).examples
    return ledger.hold_part(ref, ids, examples=examples, reason="a lawsuit", now=NOW).ref


def say(ledger: Ledger, verb: Verb, ref: str) -> None:
    ledger.say(verb, ref, reason="a lawsuit", now=NOW)


def served(ledger: Ledger, ref: str) -> None:
    run = ledger.start_run([ref], now=NOW)
    for state in (State.EXTRACTING, State.PURGING, State.COMPLETE):
        ledger.move(ref, state, now=NOW)
    ledger.finish_run(run, now=NOW)


def backup_of(ledger: Ledger) -> Backup:
    chain = Chain(ledger.log.entries(), 0, None, False)
    return Backup(chain, Keyring(()), Suppression(b"", {}))


def said(ledger: Ledger, before: Backup) -> Mapping[str, str]:
    return {str(one["request"]): str(one["verb"]) for one in said_since(before, newest(ledger))}


def newest(ledger: Ledger) -> tuple[Entry, ...]:
    return ledger.log.entries()


def test_an_earlier_part_that_is_kept_is_not_lost_behind_a_later_one_that_was_served(
    ledger: Ledger,
) -> None:
    ref = submitted(ledger)
    before = backup_of(ledger)
    cut(ledger, ref, "e-1")
    later = cut(ledger, ref, "e-2")
    say(ledger, Verb.RESUME, later)
    served(ledger, later)
    assert said(ledger, before) == {ref: "hold"}


def test_a_part_of_a_part_that_is_kept_holds_the_whole(ledger: Ledger) -> None:
    ref = submitted(ledger)
    before = backup_of(ledger)
    part = cut(ledger, ref, "e-1", "e-2")
    cut(ledger, part, "e-2")
    say(ledger, Verb.RESUME, part)
    served(ledger, part)
    assert said(ledger, before) == {ref: "hold"}


def test_a_part_that_goes_on_holds_nothing(ledger: Ledger) -> None:
    ref = submitted(ledger)
    before = backup_of(ledger)
    say(ledger, Verb.RESUME, cut(ledger, ref, "e-1"))
    assert said(ledger, before) == {}


def test_a_whole_is_denied_again_once_no_part_of_it_is_open(ledger: Ledger) -> None:
    ref = submitted(ledger)
    before = backup_of(ledger)
    part = cut(ledger, ref, "e-1")
    say(ledger, Verb.DENY, ref)
    assert said(ledger, before) == {ref: "hold"}
    say(ledger, Verb.DENY, part)
    assert said(ledger, before) == {ref: "deny"}


def test_a_part_whose_whole_was_served_since_is_open_all_the_same(ledger: Ledger) -> None:
    old = submitted(ledger)
    before = backup_of(ledger)
    cut(ledger, old, "e-1")
    ref = submitted(ledger)
    part = cut(ledger, ref, "e-2")
    assert open_requests(before, newest(ledger)) == 1
    served(ledger, ref)
    assert open_requests(before, newest(ledger)) == 1
    say(ledger, Verb.DENY, part)
    assert open_requests(before, newest(ledger)) == 0


def test_a_hold_of_what_waits_to_be_confirmed_in_the_backup_is_told_as_not_made(
    ledger: Ledger,
) -> None:
    ref = submitted(ledger, asks="runs")
    before = backup_of(ledger)
    ledger.confirm(ref, identity_in("login:portal", "--identity"), now=NOW)
    say(ledger, Verb.HOLD, ref)
    plan: Any = SimpleNamespace(said=said_since(before, newest(ledger)), backup="b-1")
    there: Any = SimpleNamespace(ledger=another_in_the_state_of(before, ledger))
    (told,) = _say_again(there, plan)
    assert "lethe confirm" in told and ref in told


def another_in_the_state_of(before: Backup, ledger: Ledger) -> Any:
    """The ledger that a backup is opened as, as far as it is asked."""
    asked = {str(e.body["request"]): "identity_asked" in e.body for e in before.entries}
    return SimpleNamespace(unconfirmed=lambda ref: asked[ref], request=ledger.request)
