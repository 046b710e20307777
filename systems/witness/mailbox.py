"""A mailbox that an auditor reads, as a witness: it is sent to, and cannot be asked.

What it has, whether it keeps it, or whose it is nobody can see from here; the server's word that
it took a message is all there is.
"""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from threading import Timer
from urllib.parse import urlsplit

from ledger import durable
from systems.settings.mailing import NO_TLS, Mailing
from systems.settings.quiet import HERE
from unlearning.errors import InfrastructureError, UsageError

USER, PASSWORD, PASSWORD_FILE = "LETHE_SMTP_USER", "LETHE_SMTP_PASSWORD", "LETHE_SMTP_PASSWORD_FILE"
"""Variables of the environment; without the first nobody logs in."""

_PORTS = {"smtp": 587, "smtps": 465}


class _Patient(smtplib.SMTP):
    """Gives an answer as long as a session has in all: else a server that drips is waited for."""

    def getreply(self) -> tuple[int, bytes]:
        """Read one answer; what comes too late ends the connection."""
        cut = Timer(float(self.timeout), _cut, [self.sock])
        cut.start()
        try:
            return super().getreply()
        finally:
            cut.cancel()


class _PatientTls(_Patient, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # of TLS too, which is being read


@dataclass(frozen=True)
class Mailbox:
    """Where messages go. whole: TLS from the first byte."""

    host: str
    port: int
    whole: bool
    recipient: str
    settings: Mailing

    def send(self, messages: Sequence[EmailMessage]) -> None:
        """Send all; InfrastructureError unless the server took each of them.

        Servers take so many in one session: after one that took some, the rest goes in another.
        """
        left = list(messages)
        while left:
            with self._session() as session:
                left = self._send(session, left)

    def _send(self, session: smtplib.SMTP, messages: Sequence[EmailMessage]) -> list[EmailMessage]:
        """Send what one session takes, and give the rest; what smtplib raises if it takes none."""
        for taken, one in enumerate(messages):
            try:
                session.send_message(one, self.settings.sender, [self.recipient])
            except OSError:
                if not taken:
                    raise
                return list(messages[taken:])
        return []

    def reach(self) -> None:
        """Log in and ask for nothing; InfrastructureError where that fails."""
        with self._session() as session:
            session.noop()

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Turn what smtplib raises into one error, which names no person: answers quote them."""
        try:
            session = self._connected()
            try:
                session.ehlo_or_helo_if_needed()
                self._log_in(session)
                yield session
                with suppress(OSError):  # what it took it has, whatever it says to the end
                    session.quit()
            finally:
                session.close()
        except (OSError, ValueError) as problem:
            raise InfrastructureError(
                f"witness: the mail server {self.host}:{self.port} did not take what was sent "
                f"({_reason(problem)}), expected one that does: correct that, then try again"
            ) from None

    def _connected(self) -> smtplib.SMTP:
        seconds = self.settings.seconds
        if self.whole:
            context = ssl.create_default_context()
            return _PatientTls(self.host, self.port, timeout=seconds, context=context)
        session = _Patient(self.host, self.port, timeout=seconds)
        if self.settings.encrypt != NO_TLS:
            try:
                session.starttls(context=ssl.create_default_context())
            except BaseException:
                session.close()
                raise
        return session

    def _log_in(self, session: smtplib.SMTP) -> None:
        user = os.environ.get(USER)
        if not user:
            return
        if not self.whole and self.settings.encrypt == NO_TLS and self.host not in HERE:
            raise UsageError(
                f"witness: got {USER} with witness.mail.encrypt: none, expected no password to go "
                "over the wire in clear: use smtps:// or encrypt: starttls"
            )
        session.login(user, _password())


def mailbox_at(url: str, settings: Mailing) -> Mailbox:
    """Give the mailbox at smtp://HOST[:PORT]/NAME@DOMAIN or smtps://..., a spelling that holds."""
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    host, recipient = str(parts.hostname), url.rpartition("/")[2]
    return Mailbox(host, port, parts.scheme == "smtps", recipient, settings)


def _password() -> str:
    named = os.environ.get(PASSWORD_FILE)
    if not named:
        return os.environ.get(PASSWORD, "")
    return durable.read(Path(named)).decode().strip()


def _reason(problem: Exception) -> str:
    codes = (
        [code for code, _ in problem.recipients.values()]
        if isinstance(problem, smtplib.SMTPRecipientsRefused)
        else [problem.smtp_code]
        if isinstance(problem, smtplib.SMTPResponseException)
        else []
    )
    return " ".join([type(problem).__name__, *map(str, codes)])
