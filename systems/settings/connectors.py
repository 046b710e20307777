"""service.yaml: places outside that hold copies, and how a person's are told from others' there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from systems.settings.quiet import HERE
from unlearning.digests import canonical_json, sha256_hex
from unlearning.errors import PolicyError

FOLDER, BUCKET, WEBHOOK = "folder", "bucket", "webhook"
PLACEHOLDERS = ("example", "subject", "shard")

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_BUCKET = re.compile(r"s3://[^/\s]+/[^\s]*[^/\s]/?")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Connector:
    """A place outside of which copies are to go. name: what the inventory calls it.

    at: an absolute folder, s3://BUCKET/PREFIX, or the https address of a system that is asked. In
    folder and bucket a file goes by its name, one of `names` with an id in it (a folder's ends with
    a slash, and means all below), or by its content, the very bytes of a picture or a replaced
    shard. source: whose secret a webhook's call and answer are signed with.
    """

    name: str
    at: str
    names: tuple[str, ...] = ()
    content: bool = True
    source: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could reach too far, or nothing, before anything is asked."""
        if not _NAME.fullmatch(self.name):
            raise PolicyError(
                f"connectors: name: got {self.name!r}, expected 1 to 40 small letters, digits and "
                "hyphens, which name no person"
            )
        if self.kind is None:
            raise self._wrong("at", "an absolute folder, s3://BUCKET/PREFIX or https://HOST/PATH")
        if (self.kind == WEBHOOK) != (self.source is not None):
            raise self._wrong("source", "one for a webhook, and for nothing else")
        if self.kind == WEBHOOK and (self.names or not self.content):
            raise self._wrong("names", "none for a webhook, which is sent the ids")
        if not (self.names or self.content):
            raise self._wrong("names", "at least one, or `content: true`")
        for template in self.names:
            self._check_template(template)

    @property
    def kind(self) -> str | None:
        """Which of the three it is; None for an address of another kind."""
        if _BUCKET.fullmatch(self.at):
            return BUCKET
        if self.at.startswith("/") and ".." not in PurePosixPath(self.at).parts:
            return FOLDER if PurePosixPath(self.at) != PurePosixPath("/") else None
        return WEBHOOK if _is_safe(self.at) else None

    @property
    def address(self) -> str:
        """SHA-256 of the address, which may hold what others should not see."""
        return sha256_hex(self.at.encode())

    @property
    def meaning(self) -> dict[str, str]:
        """SHA-256 of each setting that says what is meant there and whose word counts, by key."""
        values = {"names": sorted(self.names), "content": self.content, "source": self.source}
        return {key: sha256_hex(canonical_json(value)) for key, value in values.items()}

    def _check_template(self, template: str) -> None:
        found = _PLACEHOLDER.findall(template)
        if len(found) != 1 or found[0] not in PLACEHOLDERS or template.count("{") != 1:
            known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
            raise self._wrong("names", f"each with exactly one of {known} in it")
        if template.startswith("/") or {"..", "."} & set(template.split("/")):
            raise self._wrong("names", "paths below the place")

    def _wrong(self, key: str, expected: str) -> PolicyError:
        return PolicyError(f"connectors: {key} of {self.name}: expected {expected}")


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can read what is sent there."""
    try:
        address = urlsplit(url)
        scheme, host = address.scheme, address.hostname
    except ValueError:
        return False
    return bool(host) and (scheme == "https" or (scheme == "http" and host in HERE))
