"""A log that is older than what lies beside it is never believed, and costs nobody a request."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.domain import Selector, State
from ledger.errors import LogTruncated, SealAltered
from ledger.keys import create_keys
from ledger.requests import Ledger

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
LOG, TABLES, HEAD = "records/log.jsonl", "records/ledger.db", "keys/head.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create_keys(tmp_path / "keys", tmp_path / "records")
    return tmp_path


def opened(root: Path, *, read_only: bool = False) -> Ledger:
    return Ledger.open(root / "records", root / "keys", read_only=read_only)


def submit(ledger: Ledger, person: str) -> str:
    request = ledger.submit(
        Selector("subject", (person,)),
        received_at=NOW,
        jurisdiction="gdpr",
        idempotency_key=None,
        examples=3,
        now=NOW,
    )
    return request.ref


def personal(root: Path) -> dict[str, bytes]:
    """What is lost for good if it is removed."""
    paths = [*root.glob("records/sealed/*"), *root.glob("keys/requests/*")]
    return {str(path): path.read_bytes() for path in paths}


@pytest.mark.parametrize("back", [(LOG,), (LOG, TABLES), (LOG, TABLES, HEAD)])
@pytest.mark.parametrize("read_only", [True, False])
def test_yesterdays_log_costs_todays_requests_nothing(
    root: Path, back: tuple[str, ...], read_only: bool
):
    """Whatever is put back with it: the keys of today's requests are there, and stay."""
    submit(opened(root), "jane")
    yesterday = {name: (root / name).read_bytes() for name in back}
    submit(opened(root), "joe")
    today, log = personal(root), (root / LOG).read_bytes()
    for name, content in yesterday.items():
        (root / name).write_bytes(content)
    for _ in range(2):
        with pytest.raises(LogTruncated, match=r"nothing was removed|was cut") as caught:
            opened(root, read_only=read_only)
    assert caught.value.exit_code == 30
    assert personal(root) == today
    (root / LOG).write_bytes(log)
    assert len(opened(root).requests(None, NOW)) == 2


def test_yesterdays_records_as_a_whole_are_found_by_the_keys(root: Path):
    ref = submit(opened(root), "jane")
    shutil.copytree(root / "records", root / "kept")
    submit(opened(root), "joe")
    (root / HEAD).unlink()
    shutil.rmtree(root / "records")
    (root / "kept").rename(root / "records")
    with pytest.raises(LogTruncated, match="lacks 1 request of") as caught:
        opened(root)
    assert ref not in str(caught.value)


def test_what_changed_without_a_new_request_is_missed_too(root: Path):
    """A hold of today: no key and no selector came with it, but the end of the log was kept."""
    ref = submit(opened(root), "jane")
    yesterday = {name: (root / name).read_bytes() for name in (LOG, TABLES)}
    opened(root).move(ref, State.HELD, now=NOW, reason="legal hold")
    for name, content in yesterday.items():
        (root / name).write_bytes(content)
    with pytest.raises(LogTruncated, match=r"1 entry that keys/head\.json has seen"):
        opened(root)


def test_a_bundle_of_a_run_that_the_log_lacks_is_found(root: Path):
    ledger = opened(root)
    run = ledger.start_run([submit(ledger, "jane")], now=NOW)
    for name in (run, "run-later"):
        (root / "evidence" / name).mkdir(parents=True)
        (root / "evidence" / name / "statement.sig").write_text("{}")
    with pytest.raises(LogTruncated, match=r"1 run of which the evidence is there \(run-later\)"):
        opened(root)


def test_a_head_that_says_nothing_is_an_alarm(root: Path):
    submit(opened(root), "jane")
    (root / HEAD).write_text("{}")
    with pytest.raises(SealAltered, match="does not say where the log ended"):
        opened(root)


@pytest.mark.parametrize("content", [b"../../mine", b"", b"\xff", b"a/b", b"req-1\n"])
@pytest.mark.parametrize("read_only", [True, False])
def test_a_note_that_is_no_reference_removes_nobodys_file(
    root: Path, content: bytes, read_only: bool
) -> None:
    """The note names what a crash has kept from the log, which is removed with its key."""
    submit(opened(root), "jane")
    mine = root / "mine.bin"
    mine.write_bytes(b"somebody else's")
    (root / "records" / "sealed" / "unrecorded").write_bytes(content)
    before = personal(root)
    with pytest.raises(SealAltered, match="no reference"):
        opened(root, read_only=read_only)
    assert mine.read_bytes() == b"somebody else's" and personal(root) == before


@pytest.mark.parametrize("seq", ["-1", "0", "true and false", "null", '"1"'])
def test_a_head_that_counts_no_entries_is_an_alarm(root: Path, seq: str) -> None:
    submit(opened(root), "jane")
    (root / HEAD).write_text(f'{{"seq": {seq}, "head": "a"}}')
    with pytest.raises(SealAltered, match="does not say where the log ended"):
        opened(root)
