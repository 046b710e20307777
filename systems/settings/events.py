"""service.yaml: how requests come in from outside, and who is told of their states.

Secrets are in keys/sources/ alone: a section names the source whose secret it uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from systems.settings.checking import build, read_yaml
from systems.settings.quiet import HERE
from unlearning.errors import PolicyError
from unlearning.settings import above, at_least, between


@dataclass(frozen=True)
class Queue:
    """A queue of SQS. url: as AWS gives it; region and credentials are boto3's to find.

    source: whose messages these are, where the queue's own policy says who may send; null: each
    message is signed, its attributes being what headers are to a call over HTTP.
    """

    url: str
    source: str | None = None


@dataclass(frozen=True)
class Folder:
    """A watched folder. path: absolute, or in the workspace. source: whose files these are."""

    path: str
    source: str


@dataclass(frozen=True)
class Intake:
    """What the doors take.

    body_bytes: of one HTTP request, or file. per_second, burst: requests of one source, on the long
    run and at once. certificates: sources that may learn the end of their own requests and fetch
    the evidence; to all others a state tells nothing of what was found. mappings: files, in the
    workspace, that say how to read other systems' webhooks.
    """

    body_bytes: int = field(default=1_000_000, metadata=between(1_000, 100_000_000))
    per_second: float = field(default=20.0, metadata=above(0))
    burst: int = field(default=200, metadata=at_least(1))
    certificates: tuple[str, ...] = ()
    mappings: tuple[str, ...] = ()
    queues: tuple[Queue, ...] = ()
    folders: tuple[Folder, ...] = ()


@dataclass(frozen=True)
class Endpoint:
    """Who is told what became of requests. source: whose secret signs the notices.

    url: https, unless it is on this machine.
    """

    url: str
    source: str

    def __post_init__(self) -> None:
        """Refuse an address to which a notice would travel in the open."""
        try:
            address = urlsplit(self.url)
            scheme, host = address.scheme, address.hostname
        except ValueError:
            scheme, host = "", None
        if not host or not (scheme == "https" or (scheme == "http" and host in HERE)):
            raise PolicyError(
                f"webhooks: url of {self.source}: expected https://HOST/PATH, or http:// on "
                "this machine"
            )


SCHEMES = ("hmac-sha256", "token", "jwt-es384")
ENCODINGS = ("hex", "base64")


@dataclass(frozen=True)
class Scheme:
    """How another system shows who it is, in one header.

    hmac-sha256: of the body, under the source's secret, in hex or base64. token: the secret itself.
    jwt-es384: a JSON Web Token; the source's secret is the public key, in base64, and audience whom
    a token must be for. prefix: what stands before it, such as `sha256=`.
    """

    header: str
    scheme: str = SCHEMES[0]
    encoding: str = ENCODINGS[0]
    prefix: str = ""
    audience: str | None = None

    def __post_init__(self) -> None:
        """Refuse a scheme or an encoding that is not known."""
        for name, got, known in (
            ("scheme", self.scheme, SCHEMES),
            ("encoding", self.encoding, ENCODINGS),
        ):
            if got not in known:
                raise PolicyError(f"signature: {name}: got {got!r}, expected {' or '.join(known)}")


@dataclass(frozen=True)
class Fields:
    """Where a webhook's body has each part of a request: JMESPath, null for what it has not."""

    subjects: str | None = None
    examples: str | None = None
    classes: str | None = None
    jurisdiction: str | None = None
    received_at: str | None = None
    identity: str | None = None


@dataclass(frozen=True)
class Webhook:
    """How to read another system's webhook; expressions are JMESPath over its JSON body.

    when: what must be true of a body that asks for erasure; others are answered and left. key: what
    names the request there, the same when it is sent again. answer: the status that the other
    system takes for "received".
    """

    source: str
    signature: Scheme
    key: str
    request: Fields
    when: str = "`true`"
    answer: int = field(default=202, metadata=between(200, 299))


def load_webhook(path: Path) -> Webhook:
    """Read a mapping file; PolicyError names what is wrong in it."""
    return build(Webhook, read_yaml(path)[1], path.name, defaults=True)
