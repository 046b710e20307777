"""Places outside as lines of a run's copies: COMPLETE and A1 wait until each shows it is gone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from flows.cli.work import queries, serving
from flows.cli.work.serving import Word
from ledger import durable
from ledger.domain import State
from ledger.evidence import COMPLETION, ERASURE, read_sealed
from ledger.keys import load_public_keys
from ledger.log import Log
from ledger.replay.beside import check_beside
from ledger.replay.statements import completion_contradictions, erasure_contradictions
from systems.connectors import webhook
from systems.connectors.bucket import Bucket
from systems.connectors.contract import Demand
from systems.copies import Status
from systems.settings.ownership import MARK
from systems.settings.recording import lines_of
from tasks.claim import claim_requests
from tasks.connectors import asking
from tasks.connectors.asking import due_runs
from tasks.connectors.owing import check_connectors, present
from tasks.keeping.purging import purge_due
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tests.integration.buckets import bucket_on_loopback
from tests.integration.small_runs import again, another, closed, extracted, person, small
from tests.integration.systems_outside import Outside, configured, images_of, listening
from tests.tampering import LONG
from unlearning.errors import InfrastructureError, UsageError

OTHERS = b"somebody else's"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("original") / "workspace")


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    return another(original, tmp_path / "workspace")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        pytest.MonkeyPatch.context() as patch,
        bucket_on_loopback(patch, versioned=True) as client,
    ):
        client.create_bucket(Bucket="kept", ObjectLockEnabledForBucket=True)
        client.create_bucket(Bucket="plain")
        yield client


def ended(at: Opened, who: str) -> Run:
    """Take somebody's request through a run that only purges, to its end."""
    run = extracted(at, who)
    run.once("decided", lambda: {"decision": "purge", "assurance": "A0", "records": []})
    run.once("sealed", lambda: {"statement": "0" * 64})
    return closed(run)


def state(run: Run) -> State:
    return again(run).at.ledger.request(run.requests[0]).state


def lines(run: Run, where: str) -> list[dict[str, Any]]:
    found = serving.purge(run.at.ws.root, run.requests[0])["copies"]
    return [row for row in found if row["where"] == where]


def stated(run: Run, name: str) -> dict[str, Any]:
    found = read_sealed(run.bundle / name, load_public_keys(run.at.ws.public_key))
    against = {ERASURE: erasure_contradictions, COMPLETION: completion_contradictions}
    assert [*against[name](found.statement, found.entries, run.ref)] == []
    return found.statement


def beside(run: Run) -> list[str]:
    ws = run.at.ws
    found = check_beside(lines_of(ws), ws.records, load_public_keys(ws.public_key)).problems
    return [one for one in found if "evidence/" not in one]  # these runs seal no first statement


def text_of(at: Opened) -> bytes:
    """All that lies in records/ and evidence/: what may be shown to others."""
    files = [p for f in (at.ws.records, at.ws.evidence) for p in f.rglob("*") if p.is_file()]
    return b"".join(path.read_bytes() for path in files)


# A folder


def share(at: Opened, who: str, root: Path) -> Path:
    """A folder with a person's pictures, under names of their own and by id, and others'."""
    for number, (example, image) in enumerate(images_of(at, who).items()):
        (root / "by-id" / f"{example}.txt").parent.mkdir(parents=True, exist_ok=True)
        (root / "by-id" / f"{example}.txt").write_bytes(b"a note")
        (root / f"{number}.bin").write_bytes(image)
    for shard in at.ws.shards.glob("*.parquet"):
        shutil.copy(shard, root / shard.name)
    (root / "others.bin").write_bytes(OTHERS)
    return root


def test_a_folder_is_a_line_of_its_own_with_a_receipt(at: Opened, tmp_path: Path) -> None:
    who = person(at)
    theirs = images_of(at, who)
    root = share(at, who, tmp_path / "share")
    shards = {path.name for path in root.glob("*.parquet")}
    configured(at, f"{{name: exports, at: {root}, names: ['by-id/{{example}}.txt']}}")
    assert [copy.where for copy in present(at)] == ["connector exports"]
    run = ended(at, who)
    assert state(run) is State.COMPLETE
    left = {path.name for path in root.rglob("*") if path.is_file()}
    assert left == {"others.bin", *(left & shards)}
    assert len(left & shards) == len(shards) - 1, "only the shard that held them goes"
    for name in (ERASURE, COMPLETION):
        assert stated(run, name)["assurance"] == "A1"
    (row,) = (r for r in stated(run, ERASURE)["copies"] if r["where"] == "connector exports")
    assert row["status"] == "removed" and len(row["receipt"]) == 64
    receipt = at.ws.records / "connectors" / run.ref / "exports.json"
    assert json.loads(receipt.read_bytes())["removed"] == 2 * len(theirs) + 1
    assert beside(run) == []
    assert not list(receipt.parent.glob("*.sealed")), "what it was asked for is gone with its key"
    told = text_of(run.at)
    assert not any(value.encode() in told for value in (who, *theirs))
    receipt.write_bytes(b"{}")
    assert any("connectors/" in problem for problem in beside(run))


def test_a_share_that_is_not_there_keeps_the_request_open_and_is_asked_again(
    at: Opened, tmp_path: Path
) -> None:
    who = person(at)
    root = share(at, who, tmp_path / "share")
    root.rename(tmp_path / "elsewhere")
    configured(at, f"{{name: exports, at: {root}}}")
    run = ended(at, who)
    assert state(run) is State.PURGING
    said = stated(run, ERASURE)
    assert said["assurance"] == "A0" and len(said["purged"]["remaining"]) == 1
    entries = len(again(run).at.ledger.log.entries())
    (line,) = lines(run, "connector exports")
    assert line["status"] == "remains" and "cannot be read" in line["why"]
    assert len(again(run).at.ledger.log.entries()) == entries, "the same again is no news"
    root.symlink_to(at.ws.data)
    (line,) = lines(run, "connector exports")
    assert line["status"] == "remains" and "overlaps the workspace" in line["why"]
    root.unlink()
    (tmp_path / "elsewhere").rename(root)
    purge_due(opened(at.root))
    assert state(run) is State.PURGING, "asked a moment ago, so not again yet"
    assert due_runs(at, utc_now()) == []
    later = utc_now() + timedelta(minutes=11)
    assert due_runs(again(run).at, later) == [run.ref]
    assert lines(run, "connector exports") == []  # by hand: at once
    assert state(run) is State.COMPLETE
    last = stated(again(run), COMPLETION)
    assert last["assurance"] == "A1" and not last["purged"]["remaining"]
    assert beside(run) == []


def test_a_place_that_is_named_no_more_waits_for_an_operators_word(
    at: Opened, tmp_path: Path
) -> None:
    configured(at, f"{{name: exports, at: {tmp_path / 'share'}}}")
    run = ended(at, person(at))
    (at.ws.root / "service.yaml").unlink()
    (line,) = lines(run, "connector exports")
    assert line["status"] == "unverified" and "no longer names" in line["why"]
    (tmp_path / "empty").mkdir()
    configured(at, f"{{name: exports, at: {tmp_path / 'empty'}}}")
    (line,) = lines(run, "connector exports")
    assert line["status"] == "unverified", "another place under the same name is not the one owed"
    ref = run.requests[0]
    found = serving.purge(at.ws.root, ref, Word("connector exports", "the disk was shredded"))
    assert found["state"] == "complete"
    assert stated(again(run), COMPLETION)["confirmed"][0]["reason"] == "the disk was shredded"


def test_an_edit_of_what_is_meant_closes_no_line(at: Opened, tmp_path: Path) -> None:
    who = person(at)
    (example, *_) = images_of(at, who)
    root = tmp_path / "share"
    configured(at, f"{{name: exports, at: {root}, names: ['{{example}}.png'], content: false}}")
    run = ended(at, who)
    file = root / f"{example}.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(OTHERS)
    configured(at, f"{{name: exports, at: {root}, names: ['x-{{example}}.png']}}")
    (line,) = lines(run, "connector exports")
    assert line["status"] == "unverified" and "other names, content than" in line["why"]
    assert file.exists() and state(run) is State.PURGING
    configured(at, f"{{name: exports, at: {root}, names: ['{{example}}.png'], content: false}}")
    assert lines(run, "connector exports") == [] and state(run) is State.COMPLETE
    assert not file.exists()


def test_a_copy_of_the_workspace_touches_nothing_outside(at: Opened, tmp_path: Path) -> None:
    who = person(at)
    root = share(at, who, tmp_path / "share")
    before = sorted(root.rglob("*"))
    configured(at, f"{{name: exports, at: {root}}}")
    copy = opened(str(shutil.copytree(at.root, tmp_path / "copy", symlinks=True)))
    run = ended(copy, who)
    assert state(run) is State.PURGING
    assert "was copied or restored" in lines(run, "connector exports")[0]["why"]
    assert sorted(root.rglob("*")) == before


# A bucket


def put(client: Any, bucket: str, key: str, content: bytes, **more: Any) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=content, **more)


def held_in(client: Any, bucket: str, prefix: str) -> dict[str, list[bytes]]:
    """Every version of every object below a prefix, delete markers as nothing."""
    page = client.list_object_versions(Bucket=bucket, Prefix=prefix)
    found: dict[str, list[bytes]] = {}
    for one in page.get("Versions", ()):
        named = {"Bucket": bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
        found.setdefault(one["Key"], []).append(client.get_object(**named)["Body"].read())
    for one in page.get("DeleteMarkers", ()):
        found.setdefault(one["Key"], []).append(b"")
    return found


@pytest.mark.parametrize("bucket", ["lethe", "plain"])
def test_every_version_below_the_prefix_goes(
    at: Opened, client: Any, tmp_path: Path, bucket: str
) -> None:
    who, prefix = person(at), f"{tmp_path.name}-{bucket}/faces"
    (example, image), *_ = images_of(at, who).items()
    put(client, bucket, f"{prefix}/copy.bin", OTHERS)
    put(client, bucket, f"{prefix}/copy.bin", image)
    put(client, bucket, f"{prefix}/{example}.txt", b"a note")
    client.delete_object(Bucket=bucket, Key=f"{prefix}/{example}.txt")
    put(client, bucket, f"{prefix}/others.bin", OTHERS)
    put(client, bucket, f"{prefix}-not/{example}.txt", image)
    configured(at, f"{{name: faces, at: 's3://{bucket}/{prefix}', names: ['{{example}}.txt']}}")
    run = ended(at, who)
    assert state(run) is State.COMPLETE
    left = held_in(client, bucket, f"{prefix}/")
    kept = {f"{prefix}/copy.bin": [OTHERS]} if bucket == "lethe" else {}
    assert left == {**kept, f"{prefix}/others.bin": [OTHERS]}
    assert held_in(client, bucket, f"{prefix}-not/"), "what only begins alike is another place"


def test_what_object_lock_keeps_is_listed_with_its_day_and_goes_after_it(
    at: Opened, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, key = person(at), f"{tmp_path.name}/copy.bin"
    (image, *_) = images_of(at, who).values()
    until = utc_now() + timedelta(days=30)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    put(client, "kept", key, image, **lock)
    configured(at, f"{{name: locked, at: 's3://kept/{tmp_path.name}'}}")
    run = ended(at, who)
    (line,) = lines(run, "connector locked")
    assert (line["status"], line["until"][:10]) == ("kept", until.date().isoformat())
    assert state(run) is State.PURGING
    assert due_runs(again(run).at, until - timedelta(hours=1)) == []
    (one,) = client.list_object_versions(Bucket="kept", Prefix=key)["Versions"]
    named = {"Bucket": "kept", "Key": key, "VersionId": one["VersionId"]}
    client.put_object_retention(
        **named, Retention={}, BypassGovernanceRetention=True
    )  # as when its day has come
    assert lines(run, "connector locked") == []
    assert state(run) is State.COMPLETE


def pretending(place: Bucket, method: str, code: str) -> Bucket:
    """A place whose server does nothing at a call, or answers a list with an error."""
    error = ClientError({"Error": {"Code": code}}, method)
    paginator = place._s3.get_paginator

    def pages(name: str) -> Any:
        return Mock(paginate=Mock(side_effect=error)) if name == method else paginator(name)

    place._s3.get_paginator = pages
    if not code:
        setattr(place._s3, method, lambda **_: None)
    return place


def test_an_upload_that_stays_or_is_not_told_of_keeps_the_line_open(
    client: Any, tmp_path: Path
) -> None:
    demand, prefix = Demand("run-0123456789ab", ("ann",)), f"{tmp_path.name}/"
    client.create_multipart_upload(Bucket="plain", Key=f"{prefix}ann.png")

    def place() -> Bucket:
        return Bucket("plain", prefix, ("{example}.png",), content=False)

    found = pretending(place(), "abort_multipart_upload", "").remove(demand)
    assert found.status is Status.REMAINS and "uploads bear such a name" in str(found.why)
    found = pretending(place(), "list_multipart_uploads", "NotImplemented").remove(demand)
    assert found.status is Status.UNVERIFIED and "not listed" in str(found.why)
    assert place().remove(demand).status is Status.REMOVED


def test_a_delete_marker_that_stays_keeps_the_line_open(client: Any, tmp_path: Path) -> None:
    demand, key = Demand("run-0123456789ab", ("ann",)), f"{tmp_path.name}/ann.png"
    version = client.put_object(Bucket="lethe", Key=key, Body=OTHERS)["VersionId"]
    client.delete_object(Bucket="lethe", Key=key)
    client.delete_object(Bucket="lethe", Key=key, VersionId=version)
    place = Bucket("lethe", f"{tmp_path.name}/", ("{example}.png",), content=False)
    assert pretending(place, "delete_object", "").remove(demand).status is Status.REMAINS
    assert held_in(client, "lethe", key) == {key: [b""]}


def test_a_bucket_that_does_not_answer_keeps_the_line_open(
    at: Opened, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(at, "{name: faces, at: 's3://nobodys/faces'}")
    run = ended(at, person(at))
    assert "NoSuchBucket" in lines(run, "connector faces")[0]["why"]
    assert state(run) is State.PURGING


# A system that is asked


@pytest.fixture
def system(at: Opened) -> Iterator[Outside]:
    with listening(at) as found:
        configured(at, f"{{name: crm, at: '{found.url}', source: crm}}")
        yield found


def test_a_system_is_told_the_ids_and_its_receipt_is_kept(at: Opened, system: Outside) -> None:
    who = person(at)
    theirs = set(images_of(at, who))
    system.held = {*theirs, "others"}
    run = ended(at, who)
    assert state(run) is State.COMPLETE
    assert system.held == {"others"}
    call, again_at_the_end = system.calls
    assert (call["reference"], set(call["examples"])) == (run.ref, theirs)
    assert again_at_the_end == call
    receipt = json.loads((at.ws.records / "connectors" / run.ref / "crm.json").read_bytes())
    assert receipt["answer"]["gone"] == len(theirs) and receipt["signed"]
    told = text_of(run.at)
    assert not any(value.encode() in told for value in (who, *theirs))


def test_whatever_is_no_receipt_for_this_call_keeps_the_line_open(
    at: Opened, system: Outside
) -> None:
    """And in the end the system is told the very same once more, and the line closes."""
    moods = {
        "500": "answered 500",
        "404": "answered 404",
        "pending": "not done yet",
        "another": "no receipt for what was asked",
        "replayed": "not signed for this call",
    }
    system.moods = [*moods]
    run = ended(at, person(at))
    assert state(run) is State.PURGING
    said = stated(run, ERASURE)
    assert said["assurance"] == "A0" and moods["500"] in said["copies"][-1]["why"]
    for mood, why in list(moods.items())[1:]:
        assert why in lines(run, "connector crm")[0]["why"], mood
        assert state(run) is State.PURGING
    assert lines(run, "connector crm") == []
    assert state(run) is State.COMPLETE
    assert all(call == system.calls[0] for call in system.calls) and len(system.calls) == 7


def test_one_that_does_not_answer_in_time_keeps_it_open(
    at: Opened, system: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT", 0.2)
    real = system.answer

    def slowly(*call: Any) -> Any:
        time.sleep(0.6)
        return real(*call)

    monkeypatch.setattr(system, "answer", slowly)
    run = ended(at, person(at))
    assert state(run) is State.PURGING
    monkeypatch.undo()
    assert lines(run, "connector crm") == [] and state(run) is State.COMPLETE


def test_the_pause_grows_to_a_day_and_no_further(
    at: Opened, system: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.moods = ["500"] * 30
    run, pauses, clock = ended(at, person(at)), [], utc_now()
    monkeypatch.setattr(asking, "utc_now", lambda: clock)
    for _ in range(12):
        told = json.loads((at.ws.artifacts / f"asked-{run.ref}.json").read_bytes())["crm"]
        due = asking.datetime.fromisoformat(told["next"])
        pauses.append(due - clock)
        clock = due
        asking.ask_again(again(run).at, [run.ref], clock)
    assert pauses[1:4] == [timedelta(minutes=10), timedelta(minutes=20), timedelta(minutes=40)]
    assert pauses[-1] == timedelta(days=1)


# Before, and in the middle


def test_settings_are_checked_before_a_request_is_claimed(at: Opened, tmp_path: Path) -> None:
    entries = len(at.ledger.log.entries())
    for line, named in (
        (f"{{name: a, at: {at.ws.data}}}", "overlaps the workspace"),
        (f"{{name: a, at: {tmp_path}}}", "overlaps the workspace"),
        ("{name: a, at: 'https://h.example/x', source: nobody}", "has no secret"),
    ):
        configured(at, line)
        with pytest.raises((UsageError, InfrastructureError), match=named):
            check_connectors(at)
        with pytest.raises((UsageError, InfrastructureError), match=named):
            claim_requests(at.root, ["req-1"], at.ws.policy, None)
    assert len(opened(at.root).ledger.log.entries()) == entries


def test_the_doctor_reaches_for_each(at: Opened, system: Outside, tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    configured(
        at,
        f"{{name: crm, at: '{system.url}', source: crm}}",
        f"{{name: here, at: {tmp_path / 'share'}}}",
        f"{{name: gone, at: {tmp_path / 'nowhere'}}}",
    )
    found = {check["name"]: check for check in queries.doctor(at.ws.root)["checks"]}
    assert found["connector crm"]["ok"] and found["connector here"]["ok"]
    assert "cannot be read" in found["connector gone"]["hint"]
    assert system.calls == [{"reference": "check", "examples": [], "subjects": []}]


class Killed(BaseException):
    """The process ends here."""


def test_killed_at_any_effect_it_comes_to_the_same(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the note of what is owed to the end; a step that was done is not done again."""
    for last in range(0, 200, 1 if LONG else 17):
        root = shutil.copytree(original, tmp_path / f"at-{last}", symlinks=True)
        (root / "records" / MARK).unlink()
        at = opened(str(root))
        who = person(at)
        outside = share(at, who, tmp_path / f"share-{last}")
        configured(at, f"{{name: exports, at: {outside}, names: ['by-id/{{example}}.txt']}}")
        run = extracted(at, who)
        run.once("decided", lambda: {"decision": "purge", "assurance": "A0", "records": []})
        run.once("sealed", lambda: {"statement": "0" * 64})
        count = _killing(monkeypatch, last)
        try:
            closed(run)
            whole = True
        except Killed:
            whole = False
        monkeypatch.undo()
        if not whole and again(run).done("finished") is None:
            closed(again(run))
        assert state(run) is State.COMPLETE, count
        left = {path.suffix for path in outside.rglob("*") if path.is_file()}
        assert left <= {".bin", ".parquet"}
        assert [p.name for p in outside.rglob("*.bin")] == ["others.bin"]
        assert beside(run) == []
        if whole:
            break
    assert whole


def _killing(patch: pytest.MonkeyPatch, last: int) -> list[str]:
    seen: list[str] = []

    def counted(real: Any, name: str) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            if len(seen) >= last:
                raise Killed(name)
            seen.append(name)
            return real(*args, **named)

        return call

    for module, name in ((durable, "write"), (durable, "remove_file"), (Log, "append")):
        patch.setattr(module, name, counted(getattr(module, name), name))
    return seen
