"""Some of a request's examples are held: the rest is served, and the part by itself, or never."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli.work import answering, queries, requesting
from flows.cli.work.standing import all_requests
from ledger import durable, suppression
from ledger.domain import Selector, State
from systems.data import loading
from tasks.claim import link_erased
from tasks.extract import find
from tasks.pages.known import known_of
from tasks.pages.letters import letters
from tasks.requests.asked import open_requests
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tasks.suppress import suppress_examples
from tests.integration import small_runs
from unlearning.domain import SPLITS
from unlearning.errors import RequestDenied, UsageError

THREES = Selector("class", ("3",))
LISTED = ("class", "3")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_runs.small(tmp_path_factory.mktemp("parts") / "original")


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    return small_runs.copied(original, tmp_path / "workspace")


def asked(at: Opened) -> str:
    return str(requesting.submit(at.ws.root, THREES, None, "gdpr", None)["request"])


def ids_of(at: Opened, selector: Selector = THREES) -> list[str]:
    found = find(at.ws, [selector])
    return [example for split in SPLITS for example in found[split]]


def held(at: Opened, ref: str, *ids: str) -> str:
    return str(answering.hold_part(at.ws.root, ref, ids, "a lawsuit")["request"])


def served(at: Opened, ref: str) -> Run:
    run = small_runs.begun(at, ref, small_runs.noted)
    run.once("decided", lambda: {"decision": "purge", "assurance": "A1", "records": []})
    run.once("sealed", lambda: {"statement": "ef" * 32})
    durable.make_folder(run.bundle)
    return small_runs.closed(run)


def listed(at: Opened) -> bool:
    return suppression.load(at.ws.records, at.ws.keys).lists(LISTED)


def test_the_rest_is_erased_and_the_part_stays_until_it_goes_too(at: Opened) -> None:
    ref = asked(at)
    kept, *others = ids_of(at)
    part = held(at, ref, kept)
    at = opened(at.root)
    assert open_requests(at).held == {kept}
    served(at, ref)
    at = opened(at.root)
    states = [at.ledger.request(one).state for one in (ref, part)]
    assert states == [State.COMPLETE, State.HELD]
    assert ids_of(at) == [kept] and others and not listed(at)
    answering.say(at.ws.root, "resume", part, "it is over")
    served(opened(at.root), part)
    at = opened(at.root)
    assert at.ledger.request(part).state is State.COMPLETE
    assert ids_of(at) == [] and listed(at) and at.ledger.check().ok


def test_a_class_whose_request_goes_along_with_others_is_listed(at: Opened) -> None:
    ref = asked(at)
    selector = Selector("example", tuple(ids_of(at)))
    theirs = str(requesting.submit(at.ws.root, selector, None, "gdpr", None)["request"])
    run = small_runs.begun(at, theirs, small_runs.noted)
    run.once("decided", lambda: {"decision": "purge", "assurance": "A1", "records": []})
    assert suppress_examples(run)["covers"] == [ref]
    assert listed(at)


def test_what_is_left_of_it_goes_with_others_that_erased_it_while_a_run_was_at_it(
    at: Opened,
) -> None:
    """The list tells of no class of which one stays; the log tells whose run it was."""
    ref = asked(at)
    kept, *others = ids_of(at)
    held(at, ref, kept)
    selector = Selector("example", tuple(others))
    theirs = str(requesting.submit(at.ws.root, selector, None, "gdpr", None)["request"])
    ledger = opened(at.root).ledger
    waiting = ledger.start_run([ref], now=utc_now())
    run = served(opened(at.root), theirs)
    ledger = opened(at.root).ledger
    assert ledger.request(ref).state is State.ACCEPTED
    ledger.finish_run(waiting, now=utc_now())
    assert link_erased(at.root, [ref]) == []
    ledger = opened(at.root).ledger
    assert ledger.request(ref).run == run.ref and ledger.check().ok


def test_what_is_denied_of_it_stays(at: Opened) -> None:
    ref = asked(at)
    kept = ids_of(at)[0]
    part = held(at, ref, kept)
    answering.say(at.ws.root, "deny", part, "a lawsuit", "legal_claims")
    served(opened(at.root), ref)
    assert ids_of(at) == [kept] and not listed(at)
    assert kept in [id for ids in loading.load_examples(at.ws).values() for id in ids.ids]


def test_a_part_is_told_with_the_whole(at: Opened) -> None:
    ref = asked(at)
    part = held(at, ref, *(ids := ids_of(at)[:2]))
    whole, own = (queries.show(at.ws.root, one) for one in (ref, part))
    assert whole["parts"] == [{"request": part, "state": "held", "examples": 2}]
    assert own["part_of"] == ref and own["examples"] == 2
    third = held(at, part, ids[0])
    served(opened(at.root), ref)
    known = known_of(opened(at.root), utc_now())
    rows = {row["request"]: row for row in all_requests(at.ws, None, utc_now())}
    texts = {kind: text for kind, language, text in letters(known, rows[ref]) if language == "en"}
    assert f"1 under {part}\n" in texts["completion"]
    assert f"1 under {third}\n" in texts["completion"]
    assert list(letters(known, rows[part])) == []
    answering.say(at.ws.root, "deny", part, "a lawsuit", "legal_claims")
    known = known_of(opened(at.root), utc_now())
    rows = {row["request"]: row for row in all_requests(at.ws, None, utc_now())}
    (text,) = (t for _, language, t in letters(known, rows[part]) if language == "en")
    assert f"1 of the data of your request {ref}." in text and f"1 under {third}\n" in text


def test_who_asks_for_the_same_is_named_as_waiting_with_all_of_it(at: Opened) -> None:
    ref, again = asked(at), asked(at)
    one, *others = ids_of(at)
    (said,) = answering.hold_part(at.ws.root, ref, [one], "a lawsuit")["notes"]
    assert (
        again in said and f"1 of what is held and waits with all of its {1 + len(others)}" in said
    )
    assert "notes" not in answering.hold_part(at.ws.root, again, [one], "a lawsuit")


def test_who_asks_for_some_of_what_is_held_whole_is_named(at: Opened) -> None:
    """Who asks for the same has nothing else that could be served."""
    ref, again = asked(at), asked(at)
    count = len(ids_of(at))
    selector = Selector("class", ("5",))
    requesting.submit(at.ws.root, selector, None, "gdpr", None)  # of others: it need not wait
    (said,) = answering.say(at.ws.root, "hold", ref, "a lawsuit")["notes"]
    waits = f"request {again}: names {count} of what is held and waits with all of its {count}"
    assert said == f"{waits} examples"
    assert "notes" not in answering.say(at.ws.root, "hold", again, "a lawsuit")


def test_ids_of_others_are_no_part(at: Opened) -> None:
    ref = asked(at)
    other = ids_of(at, Selector("class", ("5",)))[0]
    with pytest.raises(UsageError, match="1 of 2 ids"):
        held(at, ref, ids_of(at)[0], other)
    assert "parts" not in queries.show(at.ws.root, ref)


def test_what_a_run_of_others_is_to_erase_can_no_longer_be_held(at: Opened) -> None:
    ref = asked(at)
    one, other, *_ = ids_of(at)
    selector = Selector("example", (one,))
    theirs = str(requesting.submit(at.ws.root, selector, None, "gdpr", None)["request"])
    small_runs.begun(at, theirs, small_runs.noted)
    with pytest.raises(RequestDenied, match="abort"):
        held(at, ref, one)
    assert held(at, ref, other)


def test_nor_what_a_run_of_others_has_claimed_and_not_looked_for_yet(at: Opened) -> None:
    ref = asked(at)
    one = ids_of(at)[0]
    selector = Selector("example", (one,))
    theirs = str(requesting.submit(at.ws.root, selector, None, "gdpr", None)["request"])
    opened(at.root).ledger.start_run([theirs], now=utc_now())
    with pytest.raises(RequestDenied, match="abort"):
        held(at, ref, one)
    with pytest.raises(RequestDenied, match="abort"):
        answering.say(at.ws.root, "hold", ref, "a lawsuit")


def test_no_part_of_what_has_ended(at: Opened) -> None:
    ref = asked(at)
    one = ids_of(at)[0]
    answering.say(at.ws.root, "deny", ref, "a lawsuit")
    with pytest.raises(RequestDenied, match="is denied"):
        held(at, ref, one)
