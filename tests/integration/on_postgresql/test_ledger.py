"""The log in a database: a line with its rows or neither, one writer, and the file's own bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from time import sleep
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text

from ledger import lines, tables
from ledger.chain import Entry, verify_log
from ledger.databases.lines import InDatabase
from ledger.databases.lock import session_lock
from ledger.databases.postgresql import begin, engine_at
from ledger.domain import Selector, State
from ledger.errors import LogAltered, LogTruncated, ProjectionBroken, WorkspaceBusy
from ledger.keys import create_keys, load_public_keys
from ledger.replay.following import Place, read_on
from ledger.requests import Ledger
from unlearning.errors import InfrastructureError, IntegrityError, UsageError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


def opened(root: Path, url: str, *, read_only: bool = False) -> Ledger:
    records = root / "records"
    where = lines.lines_of(records, url)
    return Ledger.open(records, root / "keys", read_only=read_only, lines=where)


def submit(ledger: Ledger, who: str = "jane") -> str:
    return ledger.submit(
        Selector("subject", (who,)),
        received_at=NOW,
        jurisdiction="gdpr",
        idempotency_key=None,
        examples=3,
        now=NOW,
    ).ref


def said(url: str, question: str) -> list[tuple[object, ...]]:
    """Ask the database itself, or change it behind the ledger's back."""
    with engine_at(url).begin() as connection:
        found = connection.execute(text(question))
        return [tuple(row) for row in found] if found.returns_rows else []


def counts(url: str) -> tuple[object, ...]:
    """Lines, requests, and the entry that the rows end with."""
    (found,) = said(
        url,
        "SELECT (SELECT count(*) FROM lethe_ledger.log),"
        " (SELECT count(*) FROM lethe_ledger.requests),"
        " (SELECT coalesce(max(last_seq), 0) FROM lethe_ledger.meta)",
    )
    return found


def test_a_line_and_its_rows_are_there_at_once(root: Path, url: str) -> None:
    ref = submit(opened(root, url))
    assert counts(url) == (1, 1, 1)
    assert opened(root, url).request(ref).state is State.ACCEPTED
    assert not (root / "records" / "log.jsonl").exists()
    assert not (root / "records" / "ledger.db").exists()


def test_a_row_that_fails_takes_its_line_back(
    root: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = opened(root, url)
    ref = submit(ledger)
    carry = tables.apply

    def failing(connection, entry) -> None:
        carry(connection, entry)
        raise InfrastructureError("no more")

    with monkeypatch.context() as patch, pytest.raises(InfrastructureError):
        patch.setattr(tables, "apply", failing)
        ledger.move(ref, State.HELD, now=NOW)
    assert counts(url) == (1, 1, 1)
    assert ledger.move(ref, State.HELD, now=NOW).state is State.HELD
    assert opened(root, url).check().ok


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from ledger import lines, tables
from ledger.requests import Ledger

root, url, after = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "after"
carry = tables.apply

def dying(connection, entry):
    if after:
        carry(connection, entry)
    os.kill(os.getpid(), signal.SIGKILL)

records = root / "records"
ledger = Ledger.open(records, root / "keys", lines=lines.lines_of(records, url))
tables.apply = dying
ledger.record("noted", {}, key="noted", now=datetime(2026, 6, 10, tzinfo=UTC))
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_between_line_and_commit_leaves_neither(root: Path, url: str, moment: str) -> None:
    submit(opened(root, url))
    words = [sys.executable, "-c", KILLED, str(root), url, moment]
    died = subprocess.run(words, cwd=Path(__file__).parents[3], check=False)
    assert died.returncode == -signal.SIGKILL
    ledger = opened(root, url)
    assert counts(url) == (1, 1, 1) and ledger.log.find("noted") is None
    assert ledger.record("noted", {}, key="noted", now=NOW).seq == 2
    assert opened(root, url).check().ok


def test_two_writers_never_fork_the_log(root: Path, url: str) -> None:
    """Both believe that they are alone and write at the same moment: one is told, in one line."""
    both, together = [opened(root, url) for _ in range(2)], Barrier(2)

    def write(which: int) -> str:
        together.wait()
        try:
            both[which].record("noted", {}, key=f"noted/{which}", now=NOW)
        except WorkspaceBusy as busy:
            assert busy.exit_code == 20 and "\n" not in str(busy)
            return "busy"
        return "written"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(write, range(2))) == ["busy", "written"]
    assert counts(url) == (1, 0, 1)
    assert opened(root, url).check().ok


def test_who_waited_sees_what_the_one_before_wrote(url: str, other_url: str) -> None:
    """Whatever isolation is the database's own: by an older view the log would look altered."""
    name, engine = other_url.rpartition("/")[2], engine_at(other_url)
    said(url, f"ALTER DATABASE {name} SET default_transaction_isolation TO 'repeatable read'")
    said(other_url, "CREATE TABLE written (line text)")

    def waiting() -> list[tuple[object, ...]]:
        with engine.begin() as second:
            begin(second, 7)
            return [tuple(row) for row in second.execute(text("SELECT * FROM written"))]

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as first:
            begin(first, 7)
            found = pool.submit(waiting)
            while not said(
                url, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ):
                sleep(0.01)
            first.execute(text("INSERT INTO written VALUES ('a line')"))
        assert found.result() == [("a line",)]


def test_what_is_exported_is_the_file_that_another_workspace_would_have(
    root: Path, url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same entries, signed by the same keys at the same moments, are the same bytes."""
    other = tmp_path_factory.mktemp("other")
    create_keys(other / "keys", other / "records")
    for name in ("keys/signing.pem", "records/public.pem"):
        (other / name).write_bytes((root / name).read_bytes())
    for ledger in (opened(root, url), Ledger.open(other / "records", other / "keys")):
        ledger.record("noted", {"as": "réf"}, key="noted", now=NOW)
        ledger.record("noted", {"rates": [0.5]}, key="again", now=NOW)
    where = lines.lines_of(root / "records", url)
    path = other / "records" / "log.jsonl"
    assert where.read() == path.read_bytes() and where.size() == path.stat().st_size
    assert verify_log(path, load_public_keys(root / "records" / "public.pem")).ok


def test_the_log_is_read_on_from_where_somebody_left_off(root: Path, url: str) -> None:
    ledger, where = opened(root, url), lines.lines_of(root / "records", url)
    ring = load_public_keys(root / "records" / "public.pem")
    submit(ledger)
    first = read_on(where, ring, Place())
    assert [entry.seq for entry in first.entries] == [1]
    submit(ledger, "joe")
    assert [entry.seq for entry in read_on(where, ring, first.place).entries] == [2]
    said(url, "DELETE FROM lethe_ledger.log")
    with pytest.raises(LogTruncated, match="it was cut"):
        read_on(where, ring, first.place)


CUT = (
    "DELETE FROM lethe_ledger.log WHERE seq = 2",
    # as a database's backup of yesterday has it
    "DELETE FROM lethe_ledger.log WHERE seq = 2;"
    "UPDATE lethe_ledger.meta SET last_seq = 1, last_hash = '{hash}';"
    "DELETE FROM lethe_ledger.requests WHERE ref = '{ref}'",
)


@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("read_only", [True, False])
def test_yesterdays_database_is_never_believed(
    root: Path, url: str, cut: str, head: bool, read_only: bool
) -> None:
    ledger = opened(root, url)
    submit(ledger)
    ref = submit(ledger, "joe")
    said(url, cut.format(hash=ledger.log.entries()[0].hash, ref=ref))
    if not head:
        (root / "keys" / "head.json").unlink()
    with pytest.raises(LogTruncated) as caught:
        opened(root, url, read_only=read_only)
    assert caught.value.exit_code == 30
    assert (root / "records" / "sealed" / f"{ref}.bin").exists()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE lethe_ledger.log SET line = overlay(line placing '\\x39' from 10) WHERE seq = 1",
        "DELETE FROM lethe_ledger.log WHERE seq = 1",
        "UPDATE lethe_ledger.log SET seq = -seq",
    ],
)
def test_a_line_that_was_altered_removed_or_moved_is_named(
    root: Path, url: str, change: str
) -> None:
    ledger = opened(root, url)
    for who in ("jane", "joe", "jim"):
        submit(ledger, who)
    said(url, change)
    for read_only in (True, False):
        with pytest.raises(LogAltered, match="log line 1"):
            opened(root, url, read_only=read_only)


def test_rows_that_were_edited_are_found_and_rows_that_are_gone_are_made_again(
    root: Path, url: str
) -> None:
    ref = submit(opened(root, url))
    said(url, "UPDATE lethe_ledger.requests SET state = 'complete'")
    (problem,) = opened(root, url, read_only=True).check().problems
    assert f"requests row {ref}: differs" in problem
    said(url, "TRUNCATE lethe_ledger.requests, lethe_ledger.runs, lethe_ledger.meta")
    before = counts(url)
    assert opened(root, url, read_only=True).request(ref).state is State.ACCEPTED
    assert counts(url) == before == (1, 0, 0)
    assert opened(root, url).check().ok and counts(url) == (1, 1, 1)


def test_rows_that_do_not_follow_take_no_line(root: Path, url: str) -> None:
    ledger = opened(root, url)
    submit(ledger)
    said(url, "UPDATE lethe_ledger.meta SET last_seq = 7")
    with pytest.raises(ProjectionBroken, match="end with entry 7") as caught:
        submit(ledger, "joe")
    assert counts(url) == (1, 1, 7) and "lethe_ledger.meta" in str(caught.value)


def test_reading_writes_nothing_and_needs_no_private_key(root: Path, url: str) -> None:
    ref = submit(opened(root, url))
    (root / "keys" / "signing.pem").unlink()
    reading = opened(root, url, read_only=True)
    assert reading.request(ref).ref == ref and reading.check().ok
    with pytest.raises(UsageError, match="for reading"):
        reading.move(ref, State.HELD, now=NOW)
    assert counts(url) == (1, 1, 1)


def test_without_its_url_there_is_no_second_empty_log(root: Path, url: str) -> None:
    submit(opened(root, url))
    with pytest.raises(InfrastructureError, match="LETHE_DATABASE_URL") as caught:
        Ledger.open(root / "records", root / "keys")
    assert caught.value.exit_code == 20 and "\n" not in str(caught.value)
    assert not (root / "records" / "log.jsonl").exists()


def test_another_workspaces_database_is_refused(
    root: Path, url: str, other_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    submit(opened(root, url))
    with pytest.raises(InfrastructureError, match="holds no ledger") as caught:
        opened(root, other_url)
    assert caught.value.exit_code == 20
    other = tmp_path_factory.mktemp("other") / "records"
    other.mkdir()
    for refusing in (lambda: lines.require_free(url), lambda: lines.begin(other, url)):
        with pytest.raises(UsageError, match="another workspace"):
            refusing()
    lines.discard(other, url)
    assert counts(url) == (1, 1, 1)
    with pytest.raises(InfrastructureError, match="another workspace"):
        lines.lines_of(other_noted(other), url)


def other_noted(records: Path) -> Path:
    (records / lines.ELSEWHERE).write_text('{"ledger": "0"}')
    return records


def test_what_was_begun_can_be_taken_back(root: Path, url: str) -> None:
    submit(opened(root, url))
    lines.begin(root / "records", url)  # again, as after a crash: nothing of it is lost
    assert counts(url) == (1, 1, 1)
    lines.discard(root / "records", url)
    assert counts(url) == (0, 0, 0)
    lines.require_free(url)


def test_one_of_two_machines_works_and_who_is_killed_leaves_no_lock(root: Path, url: str) -> None:
    records = root / "records"
    held = f"""
import sys, time
from pathlib import Path
from ledger import lines
with lines.held(Path({str(records)!r}), {url!r}):
    print("held", flush=True)
    time.sleep(100)
"""
    with subprocess.Popen(
        [sys.executable, "-c", held], cwd=Path(__file__).parents[3], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(WorkspaceBusy, match="another machine"), lines.held(records, url):
            pass
        os.kill(other.pid, signal.SIGKILL)
    for _ in range(3):
        with lines.held(records, url):
            pass


def test_the_lock_is_of_one_ledger_and_ends_with_what_failed(url: str) -> None:
    with session_lock(url, "one", "work"), session_lock(url, "other", "work"):
        pass
    with pytest.raises(KeyError), session_lock(url, "one", "work"):
        raise KeyError
    with session_lock(url, "one", "work"):
        pass


def test_no_pooler_hands_the_lock_to_another(url: str) -> None:
    """A connection is handed on where a transaction ends: the one that has the lock is in one."""
    states = (
        "SELECT state, backend_xmin FROM pg_stat_activity JOIN pg_locks USING (pid)"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    with session_lock(url, "one", "work"):
        assert said(url, states) == [("idle in transaction", None)]  # holds no vacuum up
    assert said(url, states) == []


def test_nothing_but_the_lock_outlives_a_transaction(
    root: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler that hands connections on where transactions end: each has a new one."""
    ended: list[int] = []

    @contextmanager
    def another(engine: Engine) -> Iterator[None]:
        def given_back(connection: Any, record: Any) -> None:
            ended.append(connection.info.backend_pid)
            record.invalidate()

        event.listen(engine, "checkin", given_back)
        yield
        event.remove(engine, "checkin", given_back)

    with lines.held(root / "records", url), another(engine_at(url)):
        ledger = opened(root, url)
        refs = [submit(ledger, f"person {n}") for n in range(8)]
        assert ledger.move(refs[0], State.HELD, now=NOW).state is State.HELD
        assert opened(root, url, read_only=True).check().ok
    assert len(ended) == len(set(ended)) > 20
    with engine_at(url).connect() as connection:
        for n in range(10):  # psycopg would prepare the sixth
            connection.execute(text("SELECT 1 WHERE 1 = :n"), {"n": n})
            connection.commit()
        assert connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0


@contextmanager
def ended_sessions(url: str) -> Iterator[None]:
    """Nobody gets into the database any more, and who was in it is out."""
    name = url.rpartition("/")[2]
    engine = create_engine(
        url.replace("postgresql:", "postgresql+psycopg:").replace(name, "postgres"),
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        )
        yield
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    engine.dispose()


def test_a_database_that_is_gone_leaves_nothing_half_done(root: Path, url: str) -> None:
    ledger = opened(root, url)
    ref = submit(ledger)
    with ended_sessions(url):
        for work in (lambda: ledger.move(ref, State.HELD, now=NOW), lambda: opened(root, url)):
            with pytest.raises(InfrastructureError) as caught:
                work()
            assert "\n" not in str(caught.value) and caught.value.exit_code == 20
    assert counts(url) == (1, 1, 1)
    assert ledger.move(ref, State.HELD, now=NOW).state is State.HELD
    assert opened(root, url).check().ok


def test_a_commit_whose_answer_was_lost_is_not_done_again(
    root: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has it, the writer does not know: it writes no more, and the next one finds it."""
    ledger = opened(root, url)
    ref = submit(ledger)
    append = InDatabase.append

    def unanswered(self: InDatabase, entry: Entry, *, at: int) -> None:
        append(self, entry, at=at)
        raise InfrastructureError("the connection was lost")

    def hold(one: Ledger) -> State:
        return one.move(ref, State.HELD, now=NOW, key="held").state

    with monkeypatch.context() as patch, pytest.raises(InfrastructureError):
        patch.setattr(InDatabase, "append", unanswered)
        hold(ledger)
    with pytest.raises(WorkspaceBusy):
        submit(ledger, "joe")
    assert hold(opened(root, url)) is State.HELD
    assert counts(url) == (2, 1, 2) and opened(root, url).check().ok


def test_a_database_that_goes_while_its_lock_is_held_fails_no_work_that_is_done(url: str) -> None:
    with session_lock(url, "one", "work"), ended_sessions(url):
        pass


@pytest.mark.parametrize(
    "wrong",
    [
        "postgresql://lethe:hunter2@127.0.0.1:1/postgres",
        "postgresql://lethe:hun@ter2@127.0.0.1/postgres",
        "postgresql://lethe:hunter2@127.0.0.1:hunter2/postgres",
        "mysql://lethe:hunter2@127.0.0.1/postgres",
        "hunter2",
    ],
)
def test_no_message_holds_a_password(root: Path, wrong: str) -> None:
    for work in (lambda: opened(root, wrong), lambda: lines.begin(root / "records", wrong)):
        with pytest.raises((InfrastructureError, UsageError)) as caught:
            work()
        assert "ter2" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_note_that_names_nothing_is_an_alarm(root: Path, url: str) -> None:
    (root / "records" / lines.ELSEWHERE).write_text("{}")
    with pytest.raises(IntegrityError, match="does not name a ledger"):
        opened(root, url)


LOCK_HOLDERS = (
    "SELECT pid FROM pg_stat_activity JOIN pg_locks USING (pid)"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)


def cut(url: str) -> None:
    """End the session that holds the lock, as an administrator or a network would."""
    ((pid,),) = said(url, LOCK_HOLDERS)
    said(url, f"SELECT pg_terminate_backend({pid}, 5000)")


def test_who_lost_the_lock_does_no_step_and_writes_nothing(root: Path, url: str) -> None:
    """Before anybody else wrote: what a step removes outside of the log would be gone."""
    records, done = root / "records", list[str]()
    with lines.held(records, url):
        ledger = opened(root, url)
        run = ledger.start_run([submit(ledger)], now=NOW)
        ledger.log.require_alone()
        cut(url)
        for _ in range(2):  # no second look takes it for a new connection
            with pytest.raises(WorkspaceBusy, match="the lock in the database: was lost") as caught:
                ledger.once(run, "purged", lambda: done.append("purged") or {}, clock=lambda: NOW)
        assert caught.value.exit_code == 20 and "\n" not in str(caught.value)
        with pytest.raises(WorkspaceBusy):
            submit(ledger, "joe")
        before = counts(url)
        with lines.held(records, url):
            pass  # it is free for the next one
    assert done == [] and counts(url) == before
    with lines.held(records, url):
        opened(root, url).once(run, "purged", lambda: done.append("again") or {}, clock=lambda: NOW)
    assert done == ["again"]


def test_looking_after_the_lock_holds_no_vacuum_up(root: Path, url: str) -> None:
    with lines.held(root / "records", url):
        opened(root, url).log.require_alone()
        assert said(url, LOCK_HOLDERS.replace("pid FROM", "state, backend_xmin FROM")) == [
            ("idle in transaction", None)
        ]
