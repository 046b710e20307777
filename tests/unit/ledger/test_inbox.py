"""Receiving: durable, once per key, nothing readable in the file, gone once settled."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.deadlines import due_at
from ledger.domain import Selector
from ledger.errors import KeyConflict, KeyMissing, Replayed, SealAltered, UnknownReference
from ledger.inbox import NONCE_WINDOW, Inbox, Incoming
from unlearning.errors import InfrastructureError, UsageError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
CANARY = "canary-person-0815"
ASKED = Incoming(Selector("subject", (CANARY,)), NOW, "gdpr", "shop", f"key of {CANARY}")


@pytest.fixture
def place(keys: Path) -> Path:
    return keys.parent / "inbox"


@pytest.fixture
def inbox(place: Path, keys: Path) -> Iterator[Inbox]:
    opened = Inbox.open(place, keys)
    yield opened
    opened.close()


def on_disk(place: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(place.iterdir()))


def test_what_is_received_waits_with_its_reference_and_deadline(inbox: Inbox) -> None:
    receipt = inbox.receive(ASKED, now=NOW)
    (waiting,) = inbox.waiting()
    assert waiting.ref == receipt.ref
    assert waiting.ref.startswith("req-")
    assert waiting.due_at == receipt.due_at == due_at(NOW, "gdpr")
    assert (waiting.source, waiting.jurisdiction) == ("shop", "gdpr")
    assert not receipt.repeated
    assert inbox.opened(receipt.ref) == ASKED


def test_it_waits_for_whoever_opens_the_inbox_next(inbox: Inbox, place: Path, keys: Path) -> None:
    where = replace(ASKED, selector=Selector("where", ("x",), "town"), as_written=True, key=None)
    ref = inbox.receive(where, now=NOW).ref
    another = Inbox.open(place, keys)
    assert another.opened(ref) == where
    another.close()


def test_requests_wait_in_the_order_in_which_they_came(inbox: Inbox) -> None:
    """Not in that of their deadlines: the first one accepted is the one that a twin goes with."""
    late = replace(ASKED, key=None)
    early = replace(late, received_at=NOW - timedelta(days=9))
    refs = [inbox.receive(asked, now=NOW).ref for asked in (late, early, late)]
    assert [waiting.ref for waiting in inbox.waiting()] == refs


def test_the_same_key_with_the_same_content_is_one_request(inbox: Inbox) -> None:
    first = inbox.receive(ASKED, now=NOW)
    later = replace(ASKED, received_at=NOW + timedelta(days=3))
    again = inbox.receive(later, now=NOW + timedelta(days=3))
    assert again == replace(first, repeated=True)
    assert len(inbox.waiting()) == 1


@pytest.mark.parametrize(
    "other", [{"selector": Selector("subject", ("another",))}, {"jurisdiction": "ccpa"}]
)
def test_the_same_key_with_another_content_is_refused(
    inbox: Inbox, other: dict[str, object]
) -> None:
    inbox.receive(ASKED, now=NOW)
    with pytest.raises(KeyConflict) as refused:
        inbox.receive(replace(ASKED, **other), now=NOW)  # type: ignore[arg-type]
    assert CANARY not in str(refused.value)
    assert len(inbox.waiting()) == 1


def test_two_sources_may_use_the_same_key(inbox: Inbox) -> None:
    other = replace(ASKED, source="app", selector=Selector("subject", ("another",)))
    assert inbox.receive(ASKED, now=NOW).ref != inbox.receive(other, now=NOW).ref
    assert ASKED.ledger_key != other.ledger_key
    assert replace(ASKED, source="cli").ledger_key == ASKED.key


@pytest.mark.parametrize("settle", [False, True])
def test_a_repetition_is_known_also_once_it_is_settled(inbox: Inbox, settle: bool) -> None:
    ref = inbox.receive(ASKED, now=NOW).ref
    if settle:
        inbox.settled(ref)
    assert inbox.receive(ASKED, now=NOW).ref == ref
    assert len(inbox.waiting()) == (0 if settle else 1)


def test_one_that_was_an_earlier_request_goes_by_that_name(inbox: Inbox) -> None:
    ref = inbox.receive(ASKED, now=NOW).ref
    assert inbox.known_as(ref) == ref
    inbox.settled(ref, "req-earlier")
    inbox.settled(ref)
    assert inbox.known_as(ref) == "req-earlier"
    assert inbox.receive(ASKED, now=NOW).ref == "req-earlier"


def test_what_is_settled_or_withdrawn_waits_no_more(inbox: Inbox) -> None:
    settled, withdrawn = (
        inbox.receive(replace(ASKED, key=key), now=NOW).ref for key in ("a", None)
    )
    inbox.settled(settled)
    inbox.settled(settled)
    inbox.withdraw(withdrawn)
    assert inbox.waiting() == ()
    for ref in (settled, withdrawn, "req-none"):
        with pytest.raises(UnknownReference):
            inbox.opened(ref)


def test_a_nonce_counts_once_within_the_window(inbox: Inbox) -> None:
    inbox.receive(replace(ASKED, key="1"), now=NOW, nonce="n")
    with pytest.raises(Replayed):
        inbox.receive(replace(ASKED, key="2"), now=NOW + NONCE_WINDOW, nonce="n")
    assert len(inbox.waiting()) == 1
    inbox.receive(replace(ASKED, source="app"), now=NOW, nonce="n")  # another one's nonce
    later = NOW + NONCE_WINDOW + timedelta(seconds=1)
    inbox.receive(replace(ASKED, key="2"), now=later, nonce="n")
    assert len(inbox.waiting()) == 3


def test_a_nonce_is_remembered_by_another_process_too(
    inbox: Inbox, place: Path, keys: Path
) -> None:
    inbox.receive(ASKED, now=NOW, nonce="n")
    another = Inbox.open(place, keys)
    with pytest.raises(Replayed):
        another.receive(ASKED, now=NOW, nonce="n")
    another.close()


@pytest.mark.parametrize(
    "wrong",
    [{"jurisdiction": "mars"}, {"received_at": NOW + timedelta(seconds=1)}],
)
def test_what_no_deadline_can_be_counted_for_is_not_received(
    inbox: Inbox, wrong: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        inbox.receive(replace(ASKED, **wrong), now=NOW)  # type: ignore[arg-type]
    assert inbox.waiting() == ()


def test_nothing_of_a_person_is_readable_in_the_files(inbox: Inbox, place: Path) -> None:
    inbox.receive(ASKED, now=NOW, nonce=CANARY)
    assert CANARY.encode() not in on_disk(place)
    assert {path.stat().st_mode & 0o777 for path in place.glob("inbox.db*")} == {0o600}
    assert (place / ".gitignore").read_text() == "*\n"  # an older workspace's names no inbox
    assert place.stat().st_mode & 0o777 == 0o700


def test_of_what_is_settled_not_even_the_ciphertext_stays(inbox: Inbox, place: Path) -> None:
    """Rows that come and go split pages and move cells: no older version may be left in one."""
    keyed = [replace(ASKED, key=str(n) if n % 3 else None) for n in range(200)]
    refs = [inbox.receive(asked, now=NOW).ref for asked in keyed]
    with sqlite3.connect(place / "inbox.db") as connection:
        payloads = dict(connection.execute("SELECT ref, payload FROM inbox").fetchall())
    connection.close()
    assert len(payloads) == 200
    for ref in refs[:-1]:
        inbox.settled(ref)
    left = on_disk(place)
    parts = (ref for ref in refs for n in (16, 100) if payloads[ref][n : n + 16] in left)
    assert set(parts) == {refs[-1]}


def test_a_copy_of_before_it_was_settled_opens_no_more(
    inbox: Inbox, place: Path, keys: Path
) -> None:
    """A back-up or a snapshot of the disk keeps the row, and nobody the key; once nothing waits."""
    first, last = (inbox.receive(replace(ASKED, key=key), now=NOW).ref for key in "ab")
    copy = shutil.copytree(place, place.with_name("copy"))
    inbox.settled(first)
    assert inbox.opened(last).key == "b"
    inbox.settled(last)
    copied = Inbox.open(copy, keys)
    for ref in (first, last):
        with pytest.raises(SealAltered):
            copied.opened(ref)
    copied.close()


def test_a_key_drawn_meanwhile_by_another_process_is_used(
    inbox: Inbox, place: Path, keys: Path
) -> None:
    another = Inbox.open(place, keys)
    another.settled(inbox.receive(ASKED, now=NOW).ref)
    ref = inbox.receive(replace(ASKED, key="2"), now=NOW).ref
    assert another.opened(ref).key == "2"
    another.close()


def test_no_request_is_lost_while_others_are_settled(inbox: Inbox, place: Path, keys: Path) -> None:
    """Each settled one may be the last that waits, so keys are drawn while others come in."""
    another = Inbox.open(place, keys)
    seen = set()
    with ThreadPoolExecutor(4) as pool:
        coming = [
            pool.submit(inbox.receive, replace(ASKED, key=str(n)), now=NOW) for n in range(60)
        ]
        while len(seen) < 60:
            for one in another.waiting():
                seen.add(another.opened(one.ref).key)
                another.settled(one.ref)
    assert {receipt.result().ref for receipt in coming} and seen == set(map(str, range(60)))
    another.close()


def test_many_threads_receive_each_request_once(inbox: Inbox) -> None:
    """Two hundred requests, each sent twice, in one transaction or in many."""
    asked = [replace(ASKED, key=str(n)) for n in range(200)] * 2
    with ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(lambda one: inbox.receive(one, now=NOW), asked))
    assert {r.ref for r in receipts} == {w.ref for w in inbox.waiting()}
    assert len(inbox.waiting()) == 200
    assert [r.repeated for r in receipts].count(True) == 200


def test_one_that_is_refused_takes_no_other_with_it(inbox: Inbox) -> None:
    inbox.receive(ASKED, now=NOW)
    conflict = replace(ASKED, jurisdiction="ccpa")
    asked = [conflict if n % 2 else replace(ASKED, key=str(n)) for n in range(100)]

    def receive(one: Incoming) -> bool:
        try:
            return bool(inbox.receive(one, now=NOW))
        except KeyConflict:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(receive, asked)) == 50
    assert len(inbox.waiting()) == 51


PROCESS = """
import sys
from datetime import datetime
from pathlib import Path
from ledger.domain import Selector
from ledger.inbox import Inbox, Incoming
place, keys, now = Path(sys.argv[1]), Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
inbox = Inbox.open(place, keys)
for n in range(40):
    asked = Incoming(Selector("subject", (f"s{n}",)), now, "gdpr", "shop", f"k{n}")
    print(inbox.receive(asked, now=now).ref, flush=True)
"""


def test_many_processes_open_and_receive_at_once(place: Path, keys: Path) -> None:
    """The first ones to open it make the file, its tables and its key, all of them the same."""
    command = [sys.executable, "-c", PROCESS, str(place), str(keys), NOW.isoformat()]
    begun = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=50)[0].split() for process in begun]
    assert [process.returncode for process in begun] == [0] * 4
    inbox = Inbox.open(place, keys)
    assert [waiting.ref for waiting in inbox.waiting()] == said[0]
    assert said == [said[0]] * 4
    assert inbox.opened(said[0][0]).selector.values == ("s0",)
    inbox.close()


def test_one_opened_while_another_makes_it_waits(place: Path, keys: Path) -> None:
    """The other writes to a file that keeps no write-ahead log yet."""
    place.mkdir()
    other = sqlite3.connect(place / "inbox.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    done.start()
    inbox = Inbox.open(place, keys)
    done.join()
    ref = inbox.receive(ASKED, now=NOW).ref
    assert [waiting.ref for waiting in inbox.waiting()] == [ref]
    inbox.close()
    other.close()


def test_one_killed_while_it_receives_has_received_what_it_said(place: Path, keys: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(place), str(keys), NOW.isoformat()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    said = [process.stdout.readline().strip() for _ in range(7)]
    process.kill()
    process.communicate()
    inbox = Inbox.open(place, keys)
    assert [waiting.ref for waiting in inbox.waiting()][:7] == said
    inbox.close()


def test_a_payload_under_another_reference_is_found(inbox: Inbox, place: Path) -> None:
    one, two = (inbox.receive(replace(ASKED, key=key), now=NOW).ref for key in "ab")
    with sqlite3.connect(place / "inbox.db") as connection:
        swap = "UPDATE inbox SET payload = (SELECT payload FROM inbox WHERE ref = ?) WHERE ref = ?"
        connection.execute(swap, (two, one))
    connection.close()
    with pytest.raises(SealAltered):
        inbox.opened(one)


def test_a_lost_key_is_not_drawn_anew_while_something_waits(
    inbox: Inbox, place: Path, keys: Path
) -> None:
    ref = inbox.receive(ASKED, now=NOW).ref
    lost = (keys / "inbox.key").rename(keys / "elsewhere")
    for opened in (inbox, Inbox.open(place, keys), Inbox.look(place, keys)):
        with pytest.raises(KeyMissing):
            opened.opened(ref)
        assert "lethe deny" in (opened.lost(ref) or "")
    with pytest.raises(KeyMissing):
        inbox.receive(ASKED, now=NOW)
    lost.rename(keys / "inbox.key")
    assert inbox.lost(ref) is None
    inbox.settled(ref)
    (keys / "inbox.key").unlink()
    Inbox.open(place, keys).close()
    assert (keys / "inbox.key").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_inbox_is_named(place: Path, keys: Path) -> None:
    place.mkdir()
    (place / "inbox.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(SealAltered, match=r"inbox/inbox\.db"):
        Inbox.open(place, keys)


def test_who_only_looks_makes_nothing(place: Path, keys: Path) -> None:
    assert Inbox.look(place, keys).waiting() == ()
    place.mkdir()
    assert Inbox.look(place, keys).waiting() == ()
    (place / "inbox.db").touch()  # another process is about to make it
    assert Inbox.look(place, keys).waiting() == ()
    assert not (keys / "inbox.key").exists()


@pytest.mark.parametrize("closed", [False, True])
def test_who_only_looks_sees_what_waits(
    inbox: Inbox, place: Path, keys: Path, closed: bool
) -> None:
    """With a write-ahead log beside the file, and where there is none any more."""
    ref = inbox.receive(ASKED, now=NOW).ref
    if closed:
        inbox.close()
    before = sorted(path.name for path in place.iterdir())
    assert ("inbox.db-wal" in before) == (not closed)
    place.chmod(0o500)
    looked = Inbox.look(place, keys)
    assert [waiting.ref for waiting in looked.waiting()] == [ref]
    looked.close()
    place.chmod(0o700)
    assert sorted(path.name for path in place.iterdir()) == before


def test_a_folder_of_somebody_else_is_left_alone(place: Path, keys: Path) -> None:
    place.mkdir()
    (place / "letter.txt").write_text("dear all")
    with pytest.raises(UsageError, match="not Lethe's"):
        Inbox.open(place, keys)
    assert [path.name for path in place.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("url", ["mysql://host/name", "no url", "sqlite:///file.db"])
def test_only_postgresql_goes_by_url(place: Path, keys: Path, url: str) -> None:
    with pytest.raises(UsageError, match="postgresql://"):
        Inbox.open(place, keys, url)


def test_a_server_that_does_not_answer_is_said(place: Path, keys: Path) -> None:
    with pytest.raises(InfrastructureError, match="inbox"):
        Inbox.open(place, keys, "postgresql://nobody@127.0.0.1:1/none")
