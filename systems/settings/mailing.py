"""service.yaml, `witness.mail`: how mail goes to a witness that is a mailbox.

Credentials are never in this file, nor in a mailbox's address: the environment has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from unlearning.errors import PolicyError
from unlearning.settings import between

STARTTLS, NO_TLS = "starttls", "none"

_PERSON = r"[A-Za-z0-9.!#$%&'*+=?^_`{|}~-]+@[A-Za-z0-9.-]+"
_SENDER = re.compile(_PERSON)
_MAILBOX = re.compile(rf"smtps?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{{1,5}})?/{_PERSON}")


@dataclass(frozen=True)
class Mailing:
    """How a message is sent.

    sender: whom it is from. encrypt: what smtp:// does before anything is said, `starttls` or
    `none`; smtps:// is TLS from the first byte. seconds: for each answer of the server. mib: of a
    message's attachments; what does not fit is named by its SHA-256.
    """

    sender: str
    encrypt: str = STARTTLS
    seconds: int = field(default=30, metadata=between(1, 600))
    mib: int = field(default=10, metadata=between(1, 50))

    def __post_init__(self) -> None:
        """Refuse a sender that is no address, and an encryption that is not known."""
        if not _SENDER.fullmatch(self.sender):
            raise PolicyError(
                "service.yaml: witness.mail.sender: expected an address such as "
                "lethe@example.org, got something else"
            )
        if self.encrypt not in (STARTTLS, NO_TLS):
            raise PolicyError(
                f"service.yaml: witness.mail.encrypt: got {self.encrypt!r}, expected {STARTTLS} or "
                f"{NO_TLS}"
            )


def is_mailbox(url: str) -> bool:
    """Whether a witness is meant as a mailbox, in whatever spelling."""
    return url.strip().lower().startswith(("smtp:", "smtps:"))


def require_mailbox(url: str) -> None:
    """PolicyError for another spelling, which is not told: it may hold a password or a person."""
    if not _MAILBOX.fullmatch(url) or not _has_port(url):
        raise PolicyError(
            "service.yaml: witness.at: got a mailbox in another spelling, expected "
            "smtp://HOST[:PORT]/NAME@DOMAIN or smtps://...; credentials belong into the environment"
        )


def _has_port(url: str) -> bool:
    """Whether the port that a mailbox names, if it does, can be one."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def shown(url: str) -> str:
    """Give a witness's address as others may see it: without credentials, of a mailbox its server.

    Of a mailbox in another spelling nothing, since it may hold a password anywhere.
    """
    if is_mailbox(url) and not _MAILBOX.fullmatch(url):
        return "a mailbox"
    scheme, found, rest = url.partition("://")
    server, slash, path = rest.partition("/")
    told = f"{scheme}{found}{server.rpartition('@')[2]}"
    return told if is_mailbox(url) else f"{told}{slash}{path}"
