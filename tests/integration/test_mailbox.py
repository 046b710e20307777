"""A mailbox as a witness, for real: sent to over SMTP on this machine, read as its keeper does."""

from __future__ import annotations

import ipaddress
import mailbox
import shutil
import ssl
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flows.cli.work.reaching import outside
from ledger.checkpoint import WITNESSED, name_of
from ledger.errors import OutsideWorkspace
from ledger.evidence import read_sealed
from ledger.keys import load_public_keys
from systems.witness.mailbox import PASSWORD, PASSWORD_FILE, USER
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.witness import bring_up_to_date
from tests.integration.mail_server import MailServer, mail_on_loopback
from tests.integration.small_runs import another, small
from tests.integration.test_witness import RUN, log_check, sealed
from unlearning.errors import InfrastructureError, UsageError

PERSON = "auditor@example.org"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("mailed") / "site")


@pytest.fixture
def site(workspace: Path, tmp_path: Path) -> Opened:
    return another(workspace, tmp_path / "site")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    with mail_on_loopback(MailServer(tmp_path / "inbox.mbox")) as found:
        yield found


def mailed_by(at: Opened, server: MailServer, **more: object) -> str:
    url = f"smtp{'s' * server.whole}://127.0.0.1:{server.port}/{PERSON}"
    said = {"sender": "lethe@example.com", "encrypt": "none", "seconds": 2, **more}
    mail = ", ".join(f"{name}: {value}" for name, value in said.items())
    (at.ws.root / "service.yaml").write_text(f"witness:\n  at: ['{url}']\n  mail: {{{mail}}}\n")
    return url


def messages(server: MailServer) -> list[mailbox.mboxMessage]:
    if not server.path.exists():
        return []
    with closing(mailbox.mbox(server.path)) as box:
        return list(box)


def subjects(server: MailServer) -> list[str]:
    return [one["Subject"] for one in messages(server)]


def test_what_an_auditor_was_mailed_holds_the_log(
    site: Opened, server: MailServer, tmp_path: Path
) -> None:
    url = mailed_by(site, server)
    folder = sealed(site)
    (told,) = bring_up_to_date(site)
    entry = site.ledger.log.entries()[-1]
    assert entry.event == WITNESSED
    assert entry.body == {"witness": name_of(url), "given": 2, "locked": False, "asked": False}
    assert told == entry.body
    upto = entry.seq - 1
    assert subjects(server) == [f"Lethe evidence/{RUN}", f"Lethe checkpoints/{upto:012d}.json"]
    # The archive is the bundle: unpacked anywhere, it verifies with the public key.
    (first, *_) = messages(server)
    (archive,) = [p for p in first.walk() if (p.get_filename() or "").endswith(".zip")]
    zipfile.ZipFile(BytesIO(archive.get_payload(decode=True))).extractall(tmp_path / "out")
    unpacked = tmp_path / "out/evidence" / RUN
    assert {p.name for p in unpacked.iterdir()} == {p.name for p in folder.iterdir()}
    assert read_sealed(unpacked, load_public_keys(site.ws.public_key)).verification.ok


def test_nobody_is_named_in_the_log(site: Opened, server: MailServer) -> None:
    mailed_by(site, server)
    sealed(site)
    bring_up_to_date(site)
    for part in (PERSON, "auditor", "example"):
        assert part.encode() not in site.ws.log.read_bytes()


def test_a_second_time_sends_nothing_and_what_was_logged_since_is_sent(
    site: Opened, server: MailServer
) -> None:
    mailed_by(site, server)
    bring_up_to_date(site)
    count, head = len(subjects(server)), site.ledger.log.head
    assert bring_up_to_date(site)[0]["given"] == 0
    assert (len(subjects(server)), site.ledger.log.head) == (count, head)
    site.ledger.record("noted", {}, key="later", now=utc_now())
    assert bring_up_to_date(site)[0]["given"] == 1
    assert len(subjects(server)) == count + 1
    found = log_check(site, str(server.path))
    assert found["ok"] and "witness: 2 checkpoints" in found["checked"]


def test_killed_before_it_was_logged_the_same_numbers_come_again(
    site: Opened, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailed_by(site, server)
    sealed(site)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("tasks.witness._record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        bring_up_to_date(site)
    bring_up_to_date(site)
    numbers = [one["Message-ID"] for one in messages(server)]
    assert len(numbers) == 4 and numbers[:2] == numbers[2:]


def test_a_log_that_was_cut_is_found(site: Opened, server: MailServer) -> None:
    mailed_by(site, server)
    site.ledger.record("noted", {}, key="one", now=utc_now())
    bring_up_to_date(site)
    lines = site.ws.log.read_bytes().splitlines(keepends=True)
    site.ws.log.write_bytes(b"".join(lines[:-2]))
    for path in (site.ws.records / "ledger.db", site.ws.keys / "head.json"):
        path.unlink(missing_ok=True)
    found = log_check(site, str(server.path))
    assert not found["ok"] and "it was cut or written anew" in found["problems"][0]


def test_what_the_server_lost_is_no_checkpoint(site: Opened, server: MailServer) -> None:
    """The log says that it was sent; that it is there only its keeper can say."""
    server.loses = True
    mailed_by(site, server)
    bring_up_to_date(site)
    server.path.touch()
    assert log_check(site, str(server.path))["problems"] == ["witness: has no checkpoint"]


@pytest.mark.parametrize("fault", ["refuses", "silent", "away"])
def test_a_server_that_does_not_take_it_holds_the_release_up(
    site: Opened, server: MailServer, fault: str
) -> None:
    if fault == "away":
        server.port = 9
    else:
        setattr(server, fault, "auditor")
    mailed_by(site, server, seconds=1)
    sealed(site)
    head = site.ledger.log.head
    with pytest.raises(InfrastructureError, match="witness: the mail server 127") as problem:
        bring_up_to_date(site)
    assert problem.value.exit_code == 20
    assert "auditor" not in str(problem.value)
    assert site.ledger.log.head == head
    if fault != "refuses":  # reached, it takes no more than a look
        assert "the mail server" in dict(outside(site.ws))["witnesses"]()


def test_the_doctor_reaches_for_it_and_sends_nothing(site: Opened, server: MailServer) -> None:
    mailed_by(site, server)
    assert dict(outside(site.ws))["witnesses"]() == ""
    assert subjects(server) == []


def test_a_copy_mails_nothing(site: Opened, server: MailServer, tmp_path: Path) -> None:
    mailed_by(site, server)
    bring_up_to_date(site)
    count = len(subjects(server))
    copy = opened(str(shutil.copytree(site.ws.root, tmp_path / "copy")))
    copy.ledger.record("noted", {}, key="of the copy", now=utc_now())
    with pytest.raises(OutsideWorkspace, match="this workspace was copied"):
        bring_up_to_date(copy)
    assert len(subjects(server)) == count


def test_a_password_goes_over_tls_alone(
    site: Opened, server: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = certified(tmp_path)
    server.tls, server.login = context, ("faces", "not to be told")
    monkeypatch.setenv(USER, "faces")
    (tmp_path / "password").write_text("not to be told\n")
    monkeypatch.setenv(PASSWORD_FILE, str(tmp_path / "password"))
    mailed_by(site, server, encrypt="starttls")
    with pytest.raises(InfrastructureError, match="SSLCertVerificationError"):
        bring_up_to_date(site)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    bring_up_to_date(site)
    assert server.secure == [True]
    monkeypatch.delenv(PASSWORD_FILE)
    monkeypatch.setenv(PASSWORD, "wrong")
    site.ledger.record("noted", {}, key="later", now=utc_now())
    with pytest.raises(InfrastructureError, match="SMTPAuthenticationError 535") as problem:
        bring_up_to_date(site)
    assert "faces" not in str(problem.value)


def test_tls_from_the_first_byte_believes_no_other_server(
    site: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = certified(tmp_path)
    inbox = MailServer(tmp_path / "inbox.mbox", tls=context, whole=True, login=("faces", "secret"))
    monkeypatch.setenv(USER, "faces")
    monkeypatch.setenv(PASSWORD, "secret")
    with mail_on_loopback(inbox) as server:
        mailed_by(site, server)
        with pytest.raises(InfrastructureError, match="SSLCertVerificationError"):
            bring_up_to_date(site)
        assert server.secure == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        bring_up_to_date(site)
        assert server.secure == [True]
        assert log_check(site, str(server.path))["ok"]


def test_what_takes_more_than_one_session_goes_in_several(site: Opened, server: MailServer) -> None:
    """Else nothing beyond a server's limit would ever arrive, however often it is tried."""
    server.most = 1
    mailed_by(site, server)
    sealed(site)
    assert bring_up_to_date(site)[0]["given"] == 2
    assert len(set(subjects(server))) == len(subjects(server)) == 2
    server.most = 0
    site.ledger.record("noted", {}, key="later", now=utc_now())
    with pytest.raises(InfrastructureError, match="SMTPSenderRefused 421"):
        bring_up_to_date(site)


def test_what_a_server_took_it_has_whatever_it_says_to_the_end(
    site: Opened, server: MailServer
) -> None:
    server.farewell = "500 what"
    mailed_by(site, server)
    assert bring_up_to_date(site)[0]["given"] == 1


def test_a_server_that_never_comes_to_an_end_is_left(site: Opened, server: MailServer) -> None:
    """Each line comes in time, the answer does not."""
    server.drips = True
    mailed_by(site, server, seconds=1)
    with pytest.raises(InfrastructureError, match="the mail server"):
        bring_up_to_date(site)


def test_a_password_does_not_leave_the_machine_in_clear(
    site: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USER, "faces")
    mailed_by(site, MailServer(site.root, port=9))
    text = (site.ws.root / "service.yaml").read_text().replace("127.0.0.1", "mail.invalid")
    (site.ws.root / "service.yaml").write_text(text)
    monkeypatch.setattr("smtplib.SMTP.connect", lambda *_: (220, b""))
    monkeypatch.setattr("smtplib.SMTP.ehlo_or_helo_if_needed", lambda *_: None)
    with pytest.raises(UsageError, match="no password to go"):
        bring_up_to_date(site)


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1, and the file by which a client believes it."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")]),
    )
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(utc_now() - timedelta(days=1))
        .not_valid_after(utc_now() + timedelta(days=1))
        .add_extension(here, False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    secret, shown = folder / "tls.key", folder / "tls.pem"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, secret)
    return context, shown
