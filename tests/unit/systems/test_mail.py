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
from systems.witness import letters, mail
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


def test_a_huge_message_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "MOST", 5000)
    found = kept(tmp_path / "box", somebody("x\n" * 5000), written(head(1)))
    assert list(found.keys("")) == ["checkpoints/000000000001.json"]
    assert list(found.passed_over()) == [
        "witness: 1 message passed over as too large for one of Lethe's"
    ]


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
    monkeypatch.setattr(mail, "_is_regular", lambda _: True)
    found = kept(tmp_path / "box", written(head(1)), maildir=True)
    os.mkfifo(tmp_path / "box/cur/pipe")
    assert list(found.keys("")) == ["checkpoints/000000000001.json"]


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
