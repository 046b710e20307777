"""Where a witness keeps what it is given: a folder, or a bucket, each object written once.

A bucket with Object Lock keeps an object from everybody until a day. Whether it has it is asked,
never assumed; a server that answers yes may still not hold to it, which nobody can see from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from ledger import durable
from systems.settings.mailing import is_mailbox, shown
from systems.witness.boxes import is_mail
from systems.witness.mail import Mail
from unlearning.digests import sha256_hex
from unlearning.errors import InfrastructureError, IntegrityError, UsageError

DIGEST = "sha256"
"""Name of the digest in an object's metadata."""


class Witness(Protocol):
    """A place that is written to once per key."""

    def locked(self) -> bool:
        """Whether the place says that it keeps what it is given until its day."""

    def give(self, key: str, content: bytes, until: datetime | None) -> bool:
        """Put an object there; False if it was there already. IntegrityError if another is.

        until: it is to be kept from everybody as long, in a place that is `locked`.
        """

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, in order."""

    def read(self, key: str) -> bytes:
        """An object's bytes."""


def witness_at(url: str) -> Witness:
    """Give the witness at s3://BUCKET/PREFIX, or in a folder or in mail by its absolute path.

    InfrastructureError for a mailbox, which is sent to and cannot be asked.
    """
    if is_mailbox(url):
        raise InfrastructureError(
            f"witness {shown(url)}: what a mailbox has cannot be asked from here, expected the "
            "mail itself: give --witness the path of an mbox file or a Maildir"
        )
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc and "@" not in parts.netloc:
        return Bucket(parts.netloc, parts.path.strip("/"))
    if not parts.scheme and Path(url).is_absolute():
        return Mail(Path(url)) if is_mail(Path(url)) else Folder(Path(url))
    raise UsageError(
        f"witness: got {shown(url)!r}, expected s3://BUCKET/PREFIX or an absolute path"
    )


@dataclass(frozen=True)
class Folder:
    """A folder outside the workspace, such as a mounted share that an auditor reads."""

    root: Path

    def locked(self) -> bool:
        """A folder keeps nothing from its owner."""
        return False

    def give(self, key: str, content: bytes, until: datetime | None) -> bool:
        """Write a file unless it is there; InfrastructureError if the folder itself is not."""
        self._require()
        path = self.root / key
        if path.is_file():
            _same(key, sha256_hex(durable.read(path)), content)
            return False
        durable.make_folder(path.parent)
        durable.write(path, content, mode=durable.OPEN)
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        """Every file below a prefix; InfrastructureError if the folder itself is not there."""
        self._require()
        below = self.root / prefix
        found = sorted(path for path in below.rglob("*") if path.is_file())
        yield from (path.relative_to(self.root).as_posix() for path in found)

    def read(self, key: str) -> bytes:
        """A file's bytes."""
        return durable.read(self.root / key)

    def _require(self) -> None:
        if not self.root.is_dir():
            raise InfrastructureError(
                f"witness: the folder {self.root.name} is not there, expected one that somebody "
                "keeps: mount it, or take it out of service.yaml"
            )


@dataclass(frozen=True)
class Bucket:
    """A bucket, by boto3 with the credentials and endpoint that it finds in the environment."""

    name: str
    prefix: str

    def locked(self) -> bool:
        """Ask whether Object Lock is on; a server that does not know it has none."""
        from botocore.exceptions import ClientError

        with _asked():
            try:
                found = self._s3.get_object_lock_configuration(Bucket=self.name)
            except ClientError as problem:
                if _code(problem) in _NO_LOCK:
                    return False
                raise
        lock: dict[str, Any] = found.get("ObjectLockConfiguration", {})
        return lock.get("ObjectLockEnabled") == "Enabled"

    def give(self, key: str, content: bytes, until: datetime | None) -> bool:
        """Put an object there unless it is; with Object Lock, to be kept until that moment."""
        from botocore.exceptions import ClientError

        lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
        with _asked():
            if self._there(key, content):
                return False
            try:
                self._s3.put_object(
                    Bucket=self.name,
                    Key=self._name(key),
                    Body=content,
                    IfNoneMatch="*",
                    Metadata={DIGEST: sha256_hex(content)},
                    ChecksumAlgorithm="SHA256",
                    **(lock if until else {}),
                )
            except ClientError as problem:
                if _code(problem) == "PreconditionFailed":  # another was faster
                    return not self._there(key, content)
                raise
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix."""
        pages = self._s3.get_paginator("list_objects_v2")
        with _asked():
            found = [
                str(one["Key"]).removeprefix(self._name(""))
                for page in pages.paginate(Bucket=self.name, Prefix=self._name(prefix))
                for one in page.get("Contents", ())
            ]
        return iter(found)

    def read(self, key: str) -> bytes:
        """An object's bytes."""
        with _asked():
            found = self._s3.get_object(Bucket=self.name, Key=self._name(key))
            return bytes(found["Body"].read())

    def _there(self, key: str, content: bytes) -> bool:
        from botocore.exceptions import ClientError

        try:
            found = self._s3.head_object(Bucket=self.name, Key=self._name(key))
        except ClientError as problem:
            if _code(problem) in {"404", "NoSuchKey", "NotFound"}:
                return False
            raise
        _same(key, str(found.get("Metadata", {}).get(DIGEST)), content)
        return True

    def _name(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    @cached_property
    def _s3(self) -> Any:
        import boto3

        return boto3.client("s3")


_NO_LOCK = frozenset({"ObjectLockConfigurationNotFoundError", "NotImplemented"})


def _code(problem: Exception) -> str:
    response: dict[str, Any] = getattr(problem, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


@contextmanager
def _asked() -> Iterator[None]:
    """Turn what boto3 raises into one InfrastructureError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as problem:
        raise InfrastructureError(
            f"witness: {' '.join(str(problem).split())[:300]}, expected a bucket that takes and "
            "gives objects: correct that, then try again"
        ) from problem


def _same(key: str, got: str, content: bytes) -> None:
    if got != sha256_hex(content):
        raise IntegrityError(
            f"witness: {key} is there with SHA-256 {got[:16]}, expected "
            f"{sha256_hex(content)[:16]}: the workspace or the witness was altered; compare "
            "both with a third copy"
        )
