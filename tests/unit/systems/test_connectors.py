"""Places outside: what is meant goes, nothing else does, and only what is shown counts as gone."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ledger.sources import SourceKeys, signing
from systems.connectors import folder
from systems.connectors.contract import Demand, Wanted
from systems.connectors.folder import Folder
from systems.connectors.places import require_outside
from systems.connectors.webhook import Webhook
from systems.copies import Status
from systems.settings.checking import build
from systems.settings.connectors import BUCKET, FOLDER, WEBHOOK, Connector
from tasks.running.records import utc_now
from unlearning.errors import InfrastructureError, PolicyError, UsageError

PICTURE, SHARD, OTHERS = b"their picture", b"a replaced shard", b"somebody else"
DEMAND = Demand(
    reference="run-0123456789ab",
    examples=("person/1/a", "b"),
    subjects=("person/1",),
    shards=("shard-07",),
    images=frozenset({hashlib.sha256(PICTURE).hexdigest()}),
    objects=frozenset({hashlib.md5(SHARD, usedforsecurity=False).hexdigest()}),
)
NAMES = ("{example}.png", "people/{subject}/", "out/{shard}.csv")


# Settings


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        ("/mnt/share", FOLDER),
        ("s3://bucket/some/prefix", BUCKET),
        ("https://crm.example/erase", WEBHOOK),
        ("http://127.0.0.1:8000/erase", WEBHOOK),
    ],
)
def test_the_address_says_what_it_is(at: str, kind: str) -> None:
    source = "crm" if kind == WEBHOOK else None
    assert Connector("crm", at, source=source).kind == kind


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"name": "Ann Lee", "at": "/x"}, "name"),
        ({"name": "a", "at": "/"}, "at of a"),
        ({"name": "a", "at": "/mnt/../etc"}, "at of a"),
        ({"name": "a", "at": "relative"}, "at of a"),
        ({"name": "a", "at": "s3://bucket"}, "at of a"),
        ({"name": "a", "at": "http://crm.example/x", "source": "crm"}, "at of a"),
        ({"name": "a", "at": "https://crm.example/x"}, "source of a"),
        ({"name": "a", "at": "/x", "source": "crm"}, "source of a"),
        ({"name": "a", "at": "https://h/x", "source": "s", "names": ["{example}"]}, "names of a"),
        ({"name": "a", "at": "/x", "content": False}, "names of a"),
        ({"name": "a", "at": "/x", "names": ["all.png"]}, "names of a"),
        ({"name": "a", "at": "/x", "names": ["{example}{shard}"]}, "names of a"),
        ({"name": "a", "at": "/x", "names": ["{person}.png"]}, "names of a"),
        ({"name": "a", "at": "/x", "names": ["../{example}"]}, "names of a"),
        ({"name": "a", "at": "/x", "names": ["/{example}"]}, "names of a"),
    ],
)
def test_what_could_reach_too_far_or_nothing_is_refused(value: dict[str, Any], named: str) -> None:
    with pytest.raises(PolicyError, match=named):
        build(Connector, value, "service.yaml: connectors[0]", defaults=True)


@pytest.mark.parametrize(
    ("at", "other", "refused"),
    [
        ("s3://b//store", "s3://b/store", True),
        ("s3://b/store", "s3://b//store/", True),
        ("s3://b/store//below", "s3://b/store", True),
        ("s3://b/stored", "s3://b/store", False),
    ],
)
def test_slashes_hide_no_overlap(at: str, other: str, refused: bool) -> None:
    with pytest.raises(UsageError, match="overlaps") if refused else nullcontext():
        require_outside(Connector("a", at), Mock(), (other,))


# Who is meant


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("person/1/a.png", True),
        ("b.png", True),
        ("people/person/1/any/thing.txt", True),
        ("out/shard-07.csv", True),
        ("people/person/10/x.png", False),
        ("people/person/1", False),
        ("bb.png", False),
        ("b.png.bak", False),
        ("deeper/b.png", False),
        ("out/shard-070.csv", False),
    ],
)
def test_a_name_is_meant_as_a_whole(path: str, meant: bool) -> None:
    assert Wanted.of(DEMAND, NAMES, content=True).named(path) is meant


def test_an_id_that_ends_with_a_slash_means_no_folder() -> None:
    wanted = Wanted.of(Demand("run-0123456789ab", ("exports/",)), ("{example}",), content=False)
    assert not wanted.named("exports/others.png") and wanted.named("exports/")


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_content_is_meant_to_the_byte(cut: int) -> None:
    wanted = Wanted.of(DEMAND, (), content=True)
    for content, meant in ((PICTURE, True), (SHARD, True), (OTHERS, False), (b"", False)):
        pieces = [content[i : i + cut] for i in range(0, len(content), cut)]
        assert wanted.held(pieces) is meant
    assert not Wanted.of(DEMAND, NAMES, content=False).held([PICTURE])


# A folder


def filled(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def left_in(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if not p.is_dir()}


def test_what_is_meant_goes_and_nothing_else(tmp_path: Path) -> None:
    stays = {"c.png": OTHERS, "people/person/10/b.png": OTHERS, "notes.txt": b"b"}
    goes = {"b.png": OTHERS, "people/person/1/x": b"?", "old/copy.bin": PICTURE, "dvc/12": SHARD}
    root = filled(tmp_path / "share", {**stays, **goes})
    place = Folder(root, NAMES)
    found = place.remove(DEMAND)
    assert (found.status, found.looked, found.removed) == (Status.REMOVED, 7, 4)
    assert left_in(root) == set(stays)
    assert not (root / "people/person/1").exists() and (root / "old").is_dir()
    again = place.remove(DEMAND)
    assert (again.status, again.removed) == (Status.REMOVED, 0)


def test_a_folder_that_is_not_there_or_empty_shows_nothing(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="cannot be read"):
        Folder(tmp_path / "share").remove(DEMAND)
    (tmp_path / "share").mkdir()
    assert Folder(tmp_path / "share").remove(DEMAND).status is Status.UNVERIFIED


def test_links_are_never_followed(tmp_path: Path) -> None:
    outside = filled(tmp_path / "outside", {"b.png": PICTURE, "c.png": OTHERS})
    root = filled(tmp_path / "share", {"c.png": OTHERS})
    (root / "there").symlink_to(outside)
    found = Folder(root, NAMES).remove(DEMAND)
    assert found.status is Status.UNVERIFIED and "links lead out" in str(found.why)
    (root / "there").unlink()
    (root / "b.png").symlink_to(outside / "b.png")
    found = Folder(root, NAMES).remove(DEMAND)
    assert found.status is Status.REMAINS and "links bear such a name" in str(found.why)
    (root / "b.png").unlink()
    (root / "people/person").mkdir(parents=True)
    (root / "people/person/1").symlink_to(outside)
    assert Folder(root, NAMES).remove(DEMAND).status is Status.REMAINS
    assert left_in(outside) == {"b.png", "c.png"}


def test_a_file_whose_bytes_would_stay_under_another_name_is_left(tmp_path: Path) -> None:
    root = filled(tmp_path / "share", {"b.png": PICTURE, "c.png": OTHERS})
    os.link(root / "b.png", tmp_path / "twin")
    found = Folder(root, NAMES).remove(DEMAND)
    assert found.status is Status.REMAINS and "hard links" in str(found.why)
    assert (root / "b.png").exists()
    (tmp_path / "twin").unlink()
    os.link(root / "b.png", root / "twin")  # both names are in it, and both go
    assert Folder(root, NAMES).remove(DEMAND).status is Status.REMOVED
    assert left_in(root) == {"c.png"}


def test_what_cannot_be_removed_is_told_without_its_name(tmp_path: Path, monkeypatch: Any) -> None:
    root = filled(tmp_path / "share", {"b.png": PICTURE})

    def refused(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(InfrastructureError, match="Permission denied") as problem:
        Folder(root, NAMES).remove(DEMAND)
    assert "b.png" not in str(problem.value)


@pytest.mark.parametrize("name", ["b.png", "old/copy.bin"])
def test_what_took_a_files_place_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By content it is no longer meant; by name it still is, and is looked at anew next time."""
    root = filled(tmp_path / "share", {name: PICTURE, "c.png": OTHERS})
    look, looks = Folder._look, []

    def looked(place: Folder, wanted: Wanted) -> Any:
        seen = look(place, wanted)
        if not looks:
            (root / "new").write_bytes(OTHERS)
            (root / "new").replace(root / name)
        looks.append(seen)
        return seen

    monkeypatch.setattr(Folder, "_look", looked)
    found = Folder(root, NAMES).remove(DEMAND)
    assert (root / name).read_bytes() == OTHERS and found.removed == 0
    assert found.status is (Status.REMAINS if name == "b.png" else Status.REMOVED)


def test_a_file_that_was_rewritten_as_if_untouched_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = filled(tmp_path / "share", {"copy.bin": PICTURE, "c.png": OTHERS})
    look = Folder._look

    def looked(place: Folder, wanted: Wanted) -> Any:
        seen, about = look(place, wanted), (root / "copy.bin").stat()
        (root / "copy.bin").write_bytes(OTHERS[: len(PICTURE)])
        os.utime(root / "copy.bin", ns=(about.st_atime_ns, about.st_mtime_ns))
        return seen

    monkeypatch.setattr(Folder, "_look", looked)
    assert Folder(root).remove(DEMAND).removed == 0 and (root / "copy.bin").exists()


@pytest.mark.parametrize("kind", ["pipe", "socket", "link", "circle"])
def test_what_is_no_file_and_bears_an_id_keeps_the_line_open(tmp_path: Path, kind: str) -> None:
    root = filled(tmp_path / "share", {"c.png": OTHERS})
    if kind == "pipe":
        os.mkfifo(root / "b.png")
    elif kind == "socket":
        monkey = socket.socket(socket.AF_UNIX)
        monkey.bind(os.path.relpath(root / "b.png"))
        monkey.close()
    else:
        (root / "b.png").symlink_to(root / ("c.png" if kind == "link" else "b.png"))
    found = Folder(root, NAMES).remove(DEMAND)
    assert found.status is Status.REMAINS and "bear such a name" in str(found.why)
    assert left_in(root) == {"b.png", "c.png"}


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    root = filled(tmp_path / "share", {"c.png": OTHERS})
    (root / "one").symlink_to(root / "two")
    (root / "two").symlink_to(root / "one")
    (root / "self").symlink_to(root)
    assert Folder(root, NAMES).remove(DEMAND).status is Status.REMOVED


@pytest.mark.parametrize(
    ("there", "named"),
    [("B.png", "b"), ("Mu\u0308ller.png", "M\u00fcller"), ("people/ANN/x", "ann")],
)
def test_a_name_of_another_case_or_unicode_form_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str, named: str
) -> None:
    """Where the file system takes both for one it goes; else a person has to look whose it is."""
    root = filled(tmp_path / "share", {there: OTHERS, "c.png": OTHERS})
    demand = Demand("run-0123456789ab", (named,), (named,))
    found = Folder(root, NAMES).remove(demand)
    assert found.status is Status.UNVERIFIED and "Unicode form" in str(found.why)
    assert left_in(root) == {there, "c.png"}
    monkeypatch.setattr(folder, "_is_one", lambda one, other: True)
    assert Folder(root, NAMES).remove(demand).status is Status.REMOVED
    assert left_in(root) == {"c.png"}


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_nor_is_a_link_or_a_pipe_of_such_a_name(tmp_path: Path, kind: str) -> None:
    root = filled(tmp_path / "share", {"c.png": OTHERS})
    if kind == "pipe":
        os.mkfifo(root / "B.png")
    else:
        there = {"link": "B.png", "folder": "people/ANN"}[kind]
        (root / there).parent.mkdir(exist_ok=True)
        (root / there).symlink_to(root / "c.png")
    found = Folder(root, NAMES).remove(Demand("run-0123456789ab", ("b",), ("ann",)))
    assert found.status is Status.UNVERIFIED and "Unicode form" in str(found.why)
    assert "c.png" in left_in(root)


def test_one_that_was_emptied_by_a_try_that_was_cut_off_is_told_from_an_unmounted_one(
    tmp_path: Path,
) -> None:
    root = filled(tmp_path / "share", {"b.png": OTHERS})
    mark = Folder(root, NAMES).mark()
    assert mark is not None
    (root / "b.png").unlink()  # and then it was killed
    assert Folder(root, NAMES).mark() is None
    found = Folder(root, NAMES).remove(replace(DEMAND, seen=mark))
    assert found.status is Status.REMOVED and found.answer == {"held_files_before": True}
    root.rename(tmp_path / "away")
    root.mkdir()  # what is there while nothing is mounted
    assert Folder(root, NAMES).remove(replace(DEMAND, seen=mark)).status is Status.UNVERIFIED


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    root = filled(tmp_path / "share", {"c.png": OTHERS})
    os.mkfifo(root / "pipe")
    assert Folder(root, NAMES).remove(DEMAND).status is Status.REMOVED


# A webhook

SECRET = "a secret of sixteen"
RECEIPT = {"reference": DEMAND.reference, "status": "gone", "gone": 2, "not_found": 0}


@pytest.fixture
def keys(tmp_path: Path) -> SourceKeys:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/crm.key").write_text(SECRET)
    (tmp_path / "sources/other.key").write_text(SECRET[::-1])
    return SourceKeys(tmp_path)


Answer = Callable[[bytes, dict[str, str]], tuple[int, bytes, dict[str, str]]]


def signed(said: object, nonce: str, source: str = "crm", secret: str = SECRET) -> Any:
    content = json.dumps(said).encode()
    return 200, content, signing.headers_for(source, secret, content, now=utc_now(), nonce=nonce)


def asked(keys: SourceKeys, answer: Answer) -> Any:
    return Webhook("https://h/x", "crm", keys, lambda _, *call: answer(*call)).remove(DEMAND)


def test_it_is_told_the_ids_and_its_signed_word_closes_the_line(keys: SourceKeys) -> None:
    told: list[dict[str, Any]] = []

    def answer(body: bytes, headers: dict[str, str]) -> Any:
        told.append(json.loads(body))
        signing.verified(headers, body, keys.of, now=utc_now())
        return signed(RECEIPT, headers[signing.NONCE])

    found = asked(keys, answer)
    assert (found.status, found.removed) == (Status.REMOVED, 2)
    assert found.answer["answer"] == RECEIPT
    assert told == [
        {
            "reference": DEMAND.reference,
            "examples": list(DEMAND.examples),
            "subjects": list(DEMAND.subjects),
        }
    ]


def test_not_found_counts_in_a_signed_receipt_alone(keys: SourceKeys) -> None:
    """What was erased by a call whose answer was lost is not found by the next one."""
    missing = {**RECEIPT, "gone": 0, "not_found": 2}
    found = asked(keys, lambda _, sent: signed(missing, sent[signing.NONCE]))
    assert (found.status, found.removed) == (Status.REMOVED, 0)
    with pytest.raises(InfrastructureError, match="answered 404"):
        asked(keys, lambda *_: (404, b"", {}))


@pytest.mark.parametrize(
    "said",
    [
        {**RECEIPT, "reference": "run-ba9876543210"},
        {**RECEIPT, "gone": 1},
        {**RECEIPT, "gone": 3, "not_found": -1},
        {**RECEIPT, "gone": True, "not_found": 1},
        {**RECEIPT, "status": "maybe"},
        {**RECEIPT, "note": "person/1"},
        {"reference": DEMAND.reference, "status": "gone"},
        {"reference": DEMAND.reference, "status": "kept", "until": "some day"},
        {"reference": DEMAND.reference, "status": "kept", "until": "2027-01-31"},
        [],
        "gone",
    ],
)
def test_another_answer_is_no_receipt(keys: SourceKeys, said: object) -> None:
    with pytest.raises(InfrastructureError, match="no receipt"):
        asked(keys, lambda _, sent: signed(said, sent[signing.NONCE]))


def test_what_is_kept_or_pending_is_told(keys: SourceKeys) -> None:
    day = "2027-01-31T00:00:00+00:00"
    kept = {"reference": DEMAND.reference, "status": "kept", "until": day}
    found = asked(keys, lambda _, sent: signed(kept, sent[signing.NONCE]))
    assert (found.status, found.until) == (Status.KEPT, datetime.fromisoformat(day))
    pending = {"reference": DEMAND.reference, "status": "pending"}
    assert asked(keys, lambda _, s: signed(pending, s[signing.NONCE])).status is Status.REMAINS


def test_only_a_signed_answer_to_this_very_call_counts(keys: SourceKeys) -> None:
    first: list[Any] = []

    def honest(_: bytes, sent: dict[str, str]) -> Any:
        first.append(signed(RECEIPT, sent[signing.NONCE]))
        return first[0]

    assert asked(keys, honest).status is Status.REMOVED
    old = utc_now() - timedelta(minutes=6)
    content = json.dumps(RECEIPT).encode()
    forged: dict[str, Answer] = {
        "replayed": lambda *_: first[0],
        "unsigned": lambda *_: (200, content, {}),
        "another secret": lambda _, s: signed(RECEIPT, s[signing.NONCE], secret="x" * 20),
        "another source": lambda _, s: signed(RECEIPT, s[signing.NONCE], "other", SECRET[::-1]),
        "our own call": lambda body, s: (200, body, s),
        "altered": lambda _, s: (200, content + b" ", signed(RECEIPT, s[signing.NONCE])[2]),
        "old": lambda _, s: (
            200,
            content,
            signing.headers_for("crm", SECRET, content, now=old, nonce=s[signing.NONCE]),
        ),
    }
    for what, answer in forged.items():
        with pytest.raises(InfrastructureError, match=r"not signed for this|no receipt"):
            print(what, asked(keys, answer))


def test_without_a_secret_nobody_is_told_anything(keys: SourceKeys) -> None:
    (keys.keys / "sources/crm.key").unlink()
    with pytest.raises(InfrastructureError, match="has no secret"):
        asked(keys, lambda *_: pytest.fail("it was called"))
