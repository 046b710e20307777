"""Witnesses for real: a folder, and a bucket with Object Lock on this machine's S3 server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.cli.work.exporting import prove
from flows.cli.work.verifying import Expected, verify
from ledger import durable, evidence
from ledger.chain import read_chain
from ledger.checkpoint import WITNESSED, Checkpoint, signed
from ledger.errors import OutsideWorkspace
from ledger.keys import load_public_keys, load_signing_key
from ledger.replay.statements import SEALED
from systems.witness.places import witness_at
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.witness import bring_up_to_date, seen
from tests.integration.buckets import bucket_on_loopback
from tests.integration.small_runs import small
from unlearning.digests import canonical_json
from unlearning.errors import InfrastructureError, IntegrityError, UsageError

RUN = "run-0123456789ab"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    with (
        pytest.MonkeyPatch.context() as patch,
        bucket_on_loopback(patch, versioned=True) as client,
    ):
        client.create_bucket(Bucket="kept", ObjectLockEnabledForBucket=True)
        yield client


@pytest.fixture
def site(tmp_path: Path) -> Opened:
    return opened(str(small(tmp_path / "site")))


def witnessed_by(at: Opened, *urls: str, days: int | None = None) -> Opened:
    for url in urls:
        if "://" not in url:
            Path(url).mkdir(exist_ok=True)
    lines = [f"  at: [{', '.join(urls)}]", *([f"  days: {days}"] if days else [])]
    (at.ws.root / "service.yaml").write_text("\n".join(["witness:", *lines, ""]))
    return at


def sealed(at: Opened, run: str = RUN) -> Path:
    """A statement as a run seals it: files, statement, signature, and then the log's entry."""
    folder = at.ws.evidence / run
    durable.make_folder(folder)
    durable.write(folder / "attempts.json", b"[]")
    log = at.ledger.log
    durable.write(folder / evidence.EXCERPT, b"".join(entry.line() for entry in log.entries()))
    body = {"run": run, "log_head": log.head}
    digest = evidence.seal(folder, body, load_signing_key(at.ws.keys))
    at.ledger.record("step", {"statement": digest}, key=f"{run}/{SEALED}", now=utc_now())
    return folder


def test_a_folder_has_the_bundle_and_the_head(site: Opened, tmp_path: Path) -> None:
    witnessed_by(site, str(tmp_path / "share"))
    folder = sealed(site)
    head = site.ledger.log.head
    (told,) = bring_up_to_date(site)
    assert told["given"] == 4
    for path in folder.iterdir():
        assert (tmp_path / "share/evidence" / RUN / path.name).read_bytes() == path.read_bytes()
    found = seen(witness_at(str(tmp_path / "share")), load_public_keys(site.ws.public_key))
    assert [one.head for one in found] == [site.ledger.log.head]
    assert site.ledger.log.entries()[-1].previous == head
    assert site.ledger.log.entries()[-1].key.startswith(WITNESSED)


def test_a_second_time_gives_nothing_and_logs_nothing(site: Opened, tmp_path: Path) -> None:
    witnessed_by(site, str(tmp_path / "share"))
    sealed(site)
    bring_up_to_date(site)
    head = site.ledger.log.head
    assert bring_up_to_date(site)[0]["given"] == 0
    assert site.ledger.log.head == head


def test_what_is_not_sealed_yet_is_not_shown(site: Opened, tmp_path: Path) -> None:
    witnessed_by(site, str(tmp_path / "share"))
    durable.make_folder(site.ws.evidence / RUN)
    durable.write(site.ws.evidence / RUN / "attempts.json", b"[]")
    bring_up_to_date(site)
    assert list((tmp_path / "share").rglob("attempts.json")) == []


def test_a_bucket_with_object_lock_keeps_it_until_its_day(site: Opened, bucket: Any) -> None:
    witnessed_by(site, "s3://kept/faces", days=30)
    sealed(site)
    (told,) = bring_up_to_date(site)
    assert told["locked"] is True
    key = f"faces/evidence/{RUN}/statement.json"
    found = bucket.head_object(Bucket="kept", Key=key)
    assert found["ObjectLockMode"] == "COMPLIANCE"
    assert 29 <= (found["ObjectLockRetainUntilDate"] - utc_now()).days <= 30
    with pytest.raises(bucket.exceptions.ClientError, match="Access Denied"):
        bucket.delete_object(Bucket="kept", Key=key, VersionId=found["VersionId"])


def test_a_bucket_without_it_is_asked_and_told(site: Opened, bucket: Any) -> None:
    witnessed_by(site, "s3://lethe/plain", days=30)
    sealed(site)
    assert bring_up_to_date(site)[0]["locked"] is False
    entry = site.ledger.log.entries()[-1]
    assert entry.body["locked"] is False
    assert "lethe" not in entry.body["witness"]  # an address may hold what others should not see


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_another_content_under_the_same_name_is_an_alarm(
    site: Opened, bucket: Any, tmp_path: Path, place: str
) -> None:
    url = str(tmp_path / "share") if place == "folder" else f"s3://lethe/{tmp_path.name}"
    (tmp_path / "share").mkdir()
    there = witness_at(url)
    assert there.give("evidence/x", b"one", None) is True
    assert there.give("evidence/x", b"one", None) is False
    with pytest.raises(IntegrityError, match="was altered"):
        there.give("evidence/x", b"two", None)
    assert there.read("evidence/x") == b"one"


def test_a_bucket_that_is_not_there_holds_the_release_up(site: Opened, bucket: Any) -> None:
    witnessed_by(site, "s3://nobodys/x")
    sealed(site)
    with pytest.raises(InfrastructureError, match="witness: "):
        bring_up_to_date(site)


def test_a_store_that_does_not_answer_is_one_line(
    site: Opened, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that it is asked is whether it keeps what it is given."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    witnessed_by(site, "s3://kept/faces", days=30)
    with pytest.raises(InfrastructureError, match="witness: "):
        bring_up_to_date(site)


def test_a_share_that_is_not_mounted_holds_the_release_up(site: Opened, tmp_path: Path) -> None:
    """A folder in its place would be on the very disk that it is to be apart from."""
    witnessed_by(site, str(tmp_path / "share"))
    (tmp_path / "share").rmdir()
    sealed(site)
    with pytest.raises(InfrastructureError, match="witness: the folder share is not there"):
        bring_up_to_date(site)
    assert not (tmp_path / "share").exists()


def test_a_copy_shows_the_originals_witness_nothing(site: Opened, tmp_path: Path) -> None:
    """What it wrote there would be held against the original."""
    share = str(tmp_path / "share")
    witnessed_by(site, share)
    bring_up_to_date(site)
    copy = opened(str(shutil.copytree(site.ws.root, tmp_path / "copy")))
    copy.ledger.record("noted", {}, key="of the copy", now=utc_now())
    with pytest.raises(OutsideWorkspace, match="was copied or restored"):
        bring_up_to_date(copy)
    bring_up_to_date(site)
    assert log_check(site, share)["ok"]


def test_a_witness_sees_one_workspace(site: Opened, tmp_path: Path) -> None:
    other = opened(str(small(tmp_path / "other")))
    for one in (site, other):
        witnessed_by(one, str(tmp_path / "share"))
    bring_up_to_date(site)
    with pytest.raises(OutsideWorkspace, match="is another workspace's"):
        bring_up_to_date(other)


def test_a_statement_that_is_another_than_the_one_seen_is_an_alarm(
    site: Opened, tmp_path: Path
) -> None:
    witnessed_by(site, str(tmp_path / "share"))
    folder = sealed(site)
    bring_up_to_date(site)
    (folder / evidence.SIGNATURE).write_bytes(b"another")
    with pytest.raises(IntegrityError, match="was altered"):
        bring_up_to_date(site)


def test_a_witness_within_the_workspace_is_none(site: Opened) -> None:
    witnessed_by(site, str(site.ws.evidence))
    with pytest.raises(UsageError, match="lies in the workspace itself"):
        bring_up_to_date(site)


def test_an_address_of_another_kind_is_refused() -> None:
    for url in ("ftp://there/x", "relative/folder", "s3://"):
        with pytest.raises(UsageError, match="expected s3://BUCKET"):
            witness_at(url)


# What a witness is for


def log_check(at: Opened, witness: str) -> dict[str, Any]:
    return verify(at.ws.root, None, True, None, Expected(witness=witness))


def test_the_log_that_was_seen_is_verified_against_the_witness(site: Opened, tmp_path) -> None:
    share = str(tmp_path / "share")
    witnessed_by(site, share)
    bring_up_to_date(site)
    site.ledger.record("noted", {}, key="later", now=utc_now())
    bring_up_to_date(site)
    found = log_check(site, share)
    assert found["ok"], found["problems"]
    assert "witness: 2 checkpoints" in found["checked"]


def test_a_log_that_was_cut_with_all_that_knew_it_is_found(site: Opened, tmp_path: Path) -> None:
    """Its end, the tables and the noted head removed together leave no trace in the workspace."""
    share = str(tmp_path / "share")
    witnessed_by(site, share)
    site.ledger.record("noted", {}, key="one", now=utc_now())
    bring_up_to_date(site)
    lines = site.ws.log.read_bytes().splitlines(keepends=True)
    site.ws.log.write_bytes(b"".join(lines[:-1]))
    for path in (site.ws.records / "ledger.db", site.ws.keys / "head.json"):
        path.unlink(missing_ok=True)
    assert verify(site.ws.root, None, True, None, Expected())["ok"]
    found = log_check(site, share)
    assert not found["ok"]
    assert "it was cut or written anew" in found["problems"][0]


def test_a_log_that_was_written_anew_with_the_right_key_is_found(site: Opened, tmp_path) -> None:
    share = str(tmp_path / "share")
    witnessed_by(site, share)
    site.ledger.record("noted", {"was": 1}, key="one", now=utc_now())
    bring_up_to_date(site)
    lines = site.ws.log.read_bytes().splitlines(keepends=True)
    site.ws.log.write_bytes(b"".join(lines[:-1]))
    for path in (site.ws.records / "ledger.db", site.ws.keys / "head.json"):
        path.unlink(missing_ok=True)
    opened(site.root).ledger.record("noted", {"was": 2}, key="one", now=utc_now())
    content, key = site.ws.log.read_bytes(), load_public_keys(site.ws.public_key)
    assert read_chain(content, key).problem is None
    assert not log_check(site, share)["ok"]


def test_a_checkpoint_that_was_altered_is_an_alarm(site: Opened, tmp_path: Path) -> None:
    share = tmp_path / "share"
    witnessed_by(site, str(share))
    bring_up_to_date(site)
    (path,) = (share / "checkpoints").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"entries":', b'"entries":1', 1))
    with pytest.raises(IntegrityError, match="checkpoint: is none that the given key signed"):
        log_check(site, str(share))


def test_a_witness_that_saw_nothing_is_no_evidence(site: Opened, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert log_check(site, str(tmp_path / "empty"))["problems"] == ["witness: has no checkpoint"]


def test_a_witness_that_is_not_mounted_is_no_empty_one(site: Opened, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="is not there"):
        log_check(site, str(tmp_path / "away"))


def test_one_entry_is_proved_to_whoever_kept_a_checkpoint(site: Opened, tmp_path: Path) -> None:
    """Neither log nor bundle is needed: the proof, the public key, and what a witness keeps."""
    at = witnessed_by(site, str(tmp_path / "auditor"))
    sealed(at)
    bring_up_to_date(at)
    kept = max((tmp_path / "auditor" / "checkpoints").iterdir())
    sealed(at, "run-0123456789cd")
    entry = at.ledger.log.entries()[-1]
    out = tmp_path / "proof.json"
    key = at.ws.public_key
    told = prove(at.ws.root, entry.key, out, kept)
    assert told["entry"] == entry.seq
    found = verify(tmp_path, out, False, key, Expected(since=kept))
    assert found["ok"] and len(found["checked"]) == 2
    said = json.loads(out.read_bytes())
    altered = {**said, "entry": {**said["entry"], "at": "2020-01-01"}}
    out.write_bytes(canonical_json(altered) + b"\n")
    assert not verify(tmp_path, out, False, key, Expected())["ok"]
    with pytest.raises(UsageError, match="number or the key"):
        prove(at.ws.root, "run-ffffffffffff/sealed", out, None)
    with pytest.raises(UsageError, match="something else"):
        prove(at.ws.root, "1", kept, None)
    for own in (at.ws.records / "database.json", at.ws.keys / "signing.next.pem"):
        with pytest.raises(UsageError, match="expected a file elsewhere"):
            prove(at.ws.root, "1", own, None)
        assert not own.exists()


def test_a_head_that_was_given_before_checkpoints_had_a_root_stays(
    site: Opened, tmp_path: Path
) -> None:
    at = witnessed_by(site, str(tmp_path / "auditor"))
    sealed(at)
    bring_up_to_date(at)
    newest = max((tmp_path / "auditor" / "checkpoints").iterdir())
    last = at.ledger.log.entries()[-1]
    before = Checkpoint(last.seq, last.hash, last.at)
    for said, fine in ((before, True), (replace(before, head="0" * 64), False)):
        newest.chmod(0o600)
        newest.write_bytes(signed(said, load_signing_key(at.ws.keys)))
        if fine:
            assert [one["given"] for one in bring_up_to_date(at)] == [0]
        else:
            with pytest.raises(IntegrityError):
                bring_up_to_date(at)
