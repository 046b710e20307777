"""service.yaml: how `lethe serve` serves a workspace; without the file, every default holds.

Who may send and who is told is in sections of their own; secrets are never in this file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path

from systems.settings.checking import build, read_yaml
from systems.settings.connectors import Connector
from systems.settings.events import Endpoint, Intake
from systems.settings.mailing import Mailing, is_mailbox, require_mailbox, shown
from unlearning.errors import PolicyError
from unlearning.settings import between

FILE = "service.yaml"
LOOPBACK = "127.0.0.1"
TEXT, JSON = "text", "json"

_PORT = between(0, 65_535)
_SECONDS = between(1, 86_400)
_CRON = re.compile(r"\S+( \S+){4}")
_WITNESS = re.compile(r"s3://[^/@\s]+(/.*)?|/.+")
_HOST = re.compile(r"[A-Za-z0-9:.\-]+")


@dataclass(frozen=True)
class Ports:
    """Where each part listens; 0 takes any free one."""

    http: int = field(default=8700, metadata=_PORT)
    prefect: int = field(default=4200, metadata=_PORT)
    mlflow: int = field(default=5000, metadata=_PORT)


@dataclass(frozen=True)
class Schedules:
    """When each deployment runs by the clock, as cron has it, in UTC; null: never by itself."""

    forget: str | None = "0 3 * * *"
    purge: str | None = "30 2 * * *"
    deadlines: str | None = "0 6 * * *"
    audit: str | None = "0 4 * * 0"
    bank: str | None = "0 5 1 * *"
    reconcile: str | None = "*/15 * * * *"
    restore_drill: str | None = "0 5 2 * *"
    replay: str | None = "0 5 3 * *"

    def __post_init__(self) -> None:
        """Refuse what is no cron of five fields before a server is started to say so."""
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None and not _CRON.fullmatch(value):
                raise PolicyError(
                    f"{FILE}: schedules.{one.name}: got {value!r}, expected five fields of cron "
                    "such as '0 3 * * *', or null"
                )


@dataclass(frozen=True)
class Timeouts:
    """Seconds: for a part to end when told to."""

    stop: int = field(default=8, metadata=_SECONDS)


@dataclass(frozen=True)
class Witnessing:
    """Who sees evidence and checkpoints before a release, and for how long each keeps them.

    at: s3://BUCKET/PREFIX, absolute paths of folders, or smtp://HOST/NAME@DOMAIN. days: of Object
    Lock, where a bucket has it; null leaves that to the bucket's own default. mail: how mailboxes
    are sent to; null where there is none.
    """

    at: tuple[str, ...] = ()
    days: int | None = field(default=None, metadata=between(1, 36_500))
    mail: Mailing | None = None

    def __post_init__(self) -> None:
        """Refuse an address of another kind before a run has trained for it."""
        for url in self.at:
            if is_mailbox(url):
                require_mailbox(url)
                if self.mail is None:
                    raise PolicyError(
                        f"{FILE}: witness.mail: got nothing, expected the sender of what a mailbox "
                        "gets: add mail: {sender: lethe@example.org}"
                    )
            elif not _WITNESS.fullmatch(url):
                raise PolicyError(
                    f"{FILE}: witness.at: got {shown(url)!r}, expected "
                    "s3://BUCKET/PREFIX, an absolute path of a folder or smtp://HOST/NAME@DOMAIN"
                )


@dataclass(frozen=True)
class Service:
    """service.yaml. database: URL of the server that holds what waits; null is a file here.

    log_format: `text` for a person, `json` for what collects logs: one object a line.
    """

    host: str = LOOPBACK
    log_format: str = TEXT
    ports: Ports = Ports()
    database: str | None = None
    schedules: Schedules = Schedules()
    timeouts: Timeouts = Timeouts()
    witness: Witnessing = Witnessing()
    intake: Intake = field(default_factory=Intake)
    webhooks: tuple[Endpoint, ...] = ()
    connectors: tuple[Connector, ...] = ()

    def __post_init__(self) -> None:
        """Refuse no host, which would mean all of the machine's addresses, and what is unclear."""
        if self.log_format not in (TEXT, JSON):
            raise PolicyError(
                f"{FILE}: log_format: got {self.log_format!r}, expected {TEXT} or {JSON}"
            )
        if not _HOST.fullmatch(self.host):
            raise PolicyError(
                f"{FILE}: host: got {self.host!r}, expected a name or an address such as {LOOPBACK}"
            )
        names = [one.name for one in self.connectors]
        if len(set(names)) != len(names):
            raise PolicyError(f"{FILE}: connectors: two have the same name, expected one of each")


def load_service(root: Path) -> Service:
    """Read service.yaml of a workspace, the defaults where there is none; PolicyError as params."""
    path = root / FILE
    if not path.exists() or _is_blank(path):
        return Service()
    return build(Service, read_yaml(path)[1], FILE, defaults=True)


def _is_blank(path: Path) -> bool:
    """Whether a file holds comments at most."""
    lines = path.read_bytes().splitlines() if path.is_file() else [b"-"]
    return all(not line.strip() or line.lstrip().startswith(b"#") for line in lines)
