"""Checkpoints out of mail to which anybody may have written: what counts, what is passed over."""

from __future__ import annotations

import mailbox
import os
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from socket import AF_UNIX, socket

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.checkpoint import Checkpoint, checked, signed
from ledger.evidence import seal
from ledger.keyring import Keyring
from systems.settings.mailing import Mailing, require_mailbox, shown
from systems.settings.service import Witnessing
from systems.witness import boxes, letters, mail
from systems.witness.mail import Mail
from systems.witness.places import witness_at
from unlearning.errors import InfrastructureError, IntegrityError, PolicyError, UsageError

KEY = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
RING = Keyring((KEY.public_key().public_bytes_raw(),))
OTHER = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TO = "auditor@example.org"


def head(entries: int, key: Ed25519PrivateKey = KEY) -> letters.Letter:
    content = signed(Checkpoint(entries, "ab" * 32, NOW.isoformat()), key)
    return letters.of_object(f"checkpoints/{entries:012d}.json", content, "the log's head")


def written(letter: letters.Letter, now: datetime = NOW) -> EmailMessage:
    return letters.message(letter, "0" * 32, "lethe@example.com", TO, now)


def somebody(text: str = "shall we have lunch?") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "b@example.org", TO, "lunch"
    made.set_content(text)
    return made


def kept(path: Path, *messages: EmailMessage | bytes, maildir: bool = False) -> Mail:
    box = mailbox.Maildir(path) if maildir else mailbox.mbox(path)
    for one in messages:
        box.add(one)
    box.flush()
    box.close()
    found = witness_at(str(path))
    assert isinstance(found, Mail)
    return found


@pytest.mark.parametrize("maildir", [False, True])
def test_checkpoints_come_back_and_others_mail_is_counted(tmp_path: Path, maildir: bool) -> None:
    found = kept(tmp_path / "box", written(head(2)), somebody(), written(head(1)), maildir=maildir)
    keys = list(found.keys("checkpoints/"))
    assert [checked(found.read(key), RING).entries for key in keys] == [1, 2]
    assert list(found.passed_over()) == ["witness: 1 other message passed over"]
    assert not found.locked()


def test_a_repeat_is_told_by_its_number_and_counts_once(tmp_path: Path) -> None:
    first, again = written(head(1)), written(head(1), NOW.replace(hour=5))
    assert first["Message-ID"] == again["Message-ID"] != written(head(2))["Message-ID"]
    assert first["Message-ID"].endswith(".lethe@example.com>")
    found = kept(tmp_path / "box", first, again)
    assert list(found.keys("")) == ["checkpoints/000000000001.json"]


def test_what_was_sent_on_as_an_attachment_counts(tmp_path: Path) -> None:
    around = somebody("see below")
    around.add_attachment(written(head(3)))
    found = kept(tmp_path / "box", around)
    assert list(found.keys("checkpoints/")) == ["checkpoints/000000000003.json"]


def test_two_forms_of_one_object_are_an_alarm(tmp_path: Path) -> None:
    found = kept(tmp_path / "box", written(head(1)), written(head(1, OTHER)))
    with pytest.raises(IntegrityError, match=r"message 2 brings another checkpoints/0+1\.json"):
        list(found.keys(""))


def test_two_forms_in_one_message_are_an_alarm(tmp_path: Path) -> None:
    """As a keeper sends on what he got, several at once."""
    around = somebody("see below")
    for key in (OTHER, KEY):
        around.add_attachment(written(head(3, key)))
    found = kept(tmp_path / "box", around)
    with pytest.raises(IntegrityError, match=r"brings another checkpoints/0+3\.json"):
        list(found.keys(""))


def test_a_checkpoint_by_another_key_is_none(tmp_path: Path) -> None:
    found = kept(tmp_path / "box", written(head(1, OTHER)))
    with pytest.raises(IntegrityError, match="is none that the given key signed"):
        [checked(found.read(key), RING) for key in found.keys("")]


def test_one_that_was_altered_on_its_way_is_none(tmp_path: Path) -> None:
    content = written(head(1)).as_bytes()
    start = content.index(b"\n\n", content.index(b"attachment")) + 2
    found = kept(tmp_path / "box", content[:start] + b"!!!!" + content[start + 4 :])
    with pytest.raises(IntegrityError, match="is none that the given key signed"):
        checked(found.read("checkpoints/000000000001.json"), RING)


def test_one_that_was_cut_is_an_alarm(tmp_path: Path) -> None:
    content = written(head(1)).as_bytes()
    found = kept(tmp_path / "box", content[: content.index(b"Content-Disposition")])
    with pytest.raises(IntegrityError, match="is Lethe's by its number and brings nothing"):
        list(found.keys(""))


@pytest.mark.parametrize(
    "content",
    [
        b"From: x\nSubject: =?utf-9?q?=ff?=\nContent-Type: multipart/mixed; boundary=\n\n\xff",
        b"Content-Disposition: attachment; filename*=utf-9''%ff%fe\n\nx",
        b"Content-Disposition: attachment; filename*0*=no'; filename*x=y\n\nx",
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\n--a\nContent-Type: multipart/b\n",
        b"Message-ID: <\xff\xfe>\n\n",
        b"Content-Type: message/rfc822\n\n" * 3000,
        b"",
    ],
)
def test_a_message_that_is_none_is_passed_over(tmp_path: Path, content: bytes) -> None:
    found = kept(tmp_path / "box", content, written(head(1)))
    assert list(found.keys("")) == ["checkpoints/000000000001.json"]


TOO_LARGE = ["witness: 1 message passed over as too large for one of Lethe's"]


def test_a_huge_message_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "MOST", 5000)
    found = kept(tmp_path / "box", somebody("x\n" * 5000), written(head(1)))
    assert list(found.keys("")) == ["checkpoints/000000000001.json"]
    assert list(found.passed_over()) == TOO_LARGE


@pytest.mark.parametrize(
    "content",
    [
        b"a:b\n" * 1001,
        b"\n" + b"x\r" * 1001,
        b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n" * 101,
        b"a: b\nContent-Type: multipart/mixed; x=" + b";" * 2000,
        b"content-disposition: attachment;" + b";\r\n ;" * 1000,
    ],
)
def test_what_takes_too_much_to_parse_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Each line takes a hundred bytes and more, however short; a field the square of its length."""
    monkeypatch.setattr(boxes, "LINES", 1000)
    monkeypatch.setattr(boxes, "PARTS", 100)
    found = kept(tmp_path / "box", written(head(1)))
    with (tmp_path / "box").open("ab") as file:
        file.write(b"From x\n" + content)
    assert list(found.keys("")) == ["checkpoints/000000000001.json"]
    assert list(found.passed_over()) == TOO_LARGE


def test_one_of_lethes_that_is_too_large_is_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has is missing, and would be missed by nobody."""
    monkeypatch.setattr(boxes, "MOST", 600)
    found = kept(tmp_path / "box", written(head(1)), written(head(2)))
    with pytest.raises(IntegrityError, match="message 1 is Lethe's by its number and too large"):
        list(found.keys(""))


def test_a_checkpoint_has_no_kilobytes(tmp_path: Path) -> None:
    """One of a log with twelve digits of entries, with its root, has a quarter of two."""
    real = signed(Checkpoint(10**12 - 1, "ab" * 32, NOW.isoformat(), "cd" * 32), KEY)
    assert len(real) < letters.SMALL / 4
    name = "checkpoints/000000000001.json"
    grown = letters.of_object(name, real + b" " * letters.SMALL, "grown")
    found = kept(tmp_path / "box", written(grown))
    with pytest.raises(IntegrityError, match=f"message 1 brings {name} of 2,[0-9]+ bytes"):
        list(found.keys(""))


def test_more_objects_than_a_workspace_has_are_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "OBJECTS", 2)
    assert len(list(kept(tmp_path / "two", *map(written, map(head, (1, 2)))).keys(""))) == 2
    found = kept(tmp_path / "three", *map(written, map(head, (1, 2, 3))))
    with pytest.raises(IntegrityError, match="message 3 brings one more than 2 objects"):
        list(found.keys(""))


@pytest.mark.parametrize("maildir", [False, True])
def test_a_list_is_not_kept_but_read_again_where_it_lies(tmp_path: Path, maildir: bool) -> None:
    """Each has everybody who was erased by then: together they have his square."""
    key = "suppression/000000000002.json"
    listed = letters.of_object(key, b"line\n" * 1000, "the list")
    path = tmp_path / "box"
    found = kept(path, somebody(), written(listed), written(head(3)), maildir=maildir)
    assert list(found.keys("suppression/")) == [key]
    assert found.found.objects[key].content is None
    assert found.read(key) == b"line\n" * 1000
    for file in [*path.rglob("*")] if maildir else [path]:
        if file.is_file():
            file.write_bytes(file.read_bytes().replace(b"bGlu", b"bGlv"))
    with pytest.raises(InfrastructureError, match="that nobody is changing"):
        found.read(key)


def test_a_line_without_end_is_not_held_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows in it begins no message, wherever it is cut."""
    monkeypatch.setattr(boxes, "_CHUNK", 64)
    found = kept(tmp_path / "box", somebody("x" * 64 + "From me"), written(head(1)))
    assert list(found.passed_over()) == ["witness: 1 other message passed over"]
    assert list(found.keys("")) == ["checkpoints/000000000001.json"]


def test_only_regular_files_are_mails(tmp_path: Path) -> None:
    """A pipe would be waited for without end, and a dead link tried again and again."""
    box = tmp_path / "box"
    kept(box, written(head(1)), maildir=True)
    (held,) = (box / "new").iterdir()
    (box / "cur/linked").symlink_to(held.rename(tmp_path / "elsewhere"))
    os.mkfifo(box / "cur/pipe")
    (box / "cur/folder").mkdir()
    (box / "cur/dead").symlink_to(tmp_path / "gone")
    (box / "cur/loop").symlink_to(box / "cur/loop")
    (box / "new/device").symlink_to("/dev/zero")
    with socket(AF_UNIX) as listening:
        listening.bind(str(box / "new/s"))
        found = witness_at(str(box))
        assert list(found.keys("")) == ["checkpoints/000000000001.json"]
    assert isinstance(found, Mail)
    assert list(found.passed_over()) == [
        "witness: 6 things among the mails passed over as no regular file"
    ]


def test_a_pipe_that_took_a_mails_place_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes, "_size", lambda _: 5)
    found = kept(tmp_path / "box", written(head(1)), maildir=True)
    os.mkfifo(tmp_path / "box/cur/pipe")
    with pytest.raises(InfrastructureError, match="that nobody is changing"):
        list(found.keys(""))


def test_names_lead_nowhere_else() -> None:
    assert letters.key_of("checkpoints__000000000001.json") == "checkpoints/000000000001.json"
    for name in ("..__..__x", "draws__x", "checkpoints__1.json", "evidence__run-1__statement.json"):
        assert letters.key_of(name) is None


def test_what_is_no_mail_is_no_empty_witness(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b'{"at":1}')
    with pytest.raises(UsageError, match="log is no mbox file"):
        list(witness_at(str(tmp_path / "log")).keys(""))
    (tmp_path / "empty").touch()
    assert list(witness_at(str(tmp_path / "empty")).keys("")) == []
    with pytest.raises(UsageError, match="expected a place to write to"):
        witness_at(str(tmp_path / "empty")).give("x", b"", None)


def test_a_statement_comes_with_all_its_files_or_names_what_did_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "run-0123456789ab"
    folder.mkdir()
    (folder / "noise").write_bytes(Ed25519PrivateKey.generate().private_bytes_raw() * 50_000)
    digest = seal(folder, {"run": folder.name}, KEY)
    key = f"evidence/{folder.name}"
    files = sorted(folder.iterdir())
    (folder / "noise").chmod(0o600)
    both = letters.of_statement(key, folder, files, 10)
    assert [*both.files][2] == f"evidence__{folder.name}.zip"
    assert (
        written(both)["Message-ID"]
        == written(letters.of_statement(key, folder, files, 10))["Message-ID"]
    )
    small = letters.of_statement(key, folder, files, 0)
    assert len(small.files) == 2 and [*small.left_out] == [f"evidence__{folder.name}.zip"]
    text = written(small).get_body()
    assert text is not None and digest in text.get_content()
    found = kept(tmp_path / "box", written(both))
    assert list(found.keys("evidence/")) == [f"{key}/statement.json", f"{key}/statement.sig"]


def test_a_mailbox_is_not_asked_and_not_shown() -> None:
    with pytest.raises(InfrastructureError) as problem:
        witness_at("smtps://mail.example.org/auditor@example.org")
    assert "cannot be asked" in str(problem.value) and "auditor" not in str(problem.value)
    assert shown("smtp://mail.example.org:25/a@b.example") == "smtp://mail.example.org:25"
    assert shown("s3://bucket/x") == "s3://bucket/x"


@pytest.mark.parametrize(
    "url",
    [
        "smtp://somebody:secret@mail.example.org/a@b.example",
        "smtp://mail.example.org",
        "smtp://mail.example.org/a",
        "smtp:///a@b.example",
        "smtp://mail.example.org/a@b.example\nBcc: c@d.example",
        "smtp://mail.example.org/a@b.example/secret",
        "SMTP://somebody:secret@mail.example.org/a@b.example",
        " smtp://somebody:sec/secret@mail.example.org/a@b.example",
        "smtp://mail.example.org:99999/a@b.example",
        "smtp://mail.example.org:0/a@b.example",
    ],
)
def test_another_spelling_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(PolicyError, match="in another spelling") as problem:
        Witnessing((url,), mail=Mailing("a@b.example"))
    assert "secret" not in str(problem.value)
    assert "secret" not in shown(url)


@pytest.mark.parametrize("url", ["https://me:secret@example.org/x", "s3://me:secret@bucket/x"])
def test_no_witness_has_credentials_in_its_address(url: str) -> None:
    for asked in (witness_at, lambda url: Witnessing((url,))):
        with pytest.raises((PolicyError, UsageError)) as problem:
            asked(url)
        assert "secret" not in str(problem.value)


def test_a_sender_is_an_address() -> None:
    require_mailbox("smtp://[::1]:2525/a.b+c@d.example")
    for sender in ("", "lethe", "Lethe <lethe@example.org>", "a@b\nBcc: c@d"):
        with pytest.raises(PolicyError, match="expected an address"):
            Mailing(sender)
    with pytest.raises(PolicyError, match="encrypt: got 'tls'"):
        Mailing("a@b.example", encrypt="tls")
