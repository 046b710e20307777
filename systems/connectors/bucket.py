"""A bucket's prefix outside: every version of what is meant goes, and each is asked for again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from systems.connectors.contract import Demand, Outcome, Wanted
from systems.copies import Status
from unlearning.errors import InfrastructureError

_PIECE = 2**20
_NO_LIST = frozenset({"NotImplemented", "MethodNotAllowed"})
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
_KEPT = frozenset({"AccessDenied", "ObjectLocked", "InvalidRequest"})

Version = tuple[str, str | None]
"""A key with one of its versions; None where the server has none."""
_Standing = tuple[Status, str | None, datetime | None]


@dataclass(frozen=True)
class _Listed:
    """What a prefix holds: versions, delete markers, unfinished uploads (None: not told)."""

    versions: frozenset[Version]
    markers: frozenset[Version]
    uploads: frozenset[tuple[str, str]] | None


@dataclass(frozen=True)
class Bucket:
    """A prefix, by boto3 with the credentials and endpoint that it finds in the environment.

    names, content: as the settings have them.
    """

    bucket: str
    prefix: str
    names: tuple[str, ...] = ()
    content: bool = True

    def reach(self) -> None:
        """InfrastructureError unless its versions can be listed."""
        with _asked():
            self._s3.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)

    def mark(self) -> None:
        """A bucket is one under its name, empty or not."""

    def remove(self, demand: Demand) -> Outcome:
        """Remove every version that is meant, list again, and ask for each that went.

        What Object Lock keeps is told with its day. An upload that is not finished cannot be read,
        so that it goes by its name alone.
        """
        wanted = Wanted.of(demand, self.names, content=self.content)
        with _asked():
            before = self._listed()
            ours = frozenset(v for v in before.versions if self._meant(v, wanted))
            kept = [until for one in sorted(ours, key=str) if (until := self._removed(one))]
            self._tidy(before, ours, wanted)
            after = self._listed()
            new = (v for v in after.versions - before.versions if self._meant(v, wanted))
            left = frozenset(new) | frozenset(v for v in ours if self._there(v, after))
        more = sum(wanted.named(self._name(key)) for key, _ in after.markers | _uploads(after))
        alike = sum(bool(wanted.spellings(self._name(key))) for key, _ in after.versions)
        standing = _standing(len(left), more, kept) or _unseen(after, wanted, alike)
        status, why, until = standing
        return Outcome(status, why, until, len(before.versions), len(ours - left))

    def _meant(self, version: Version, wanted: Wanted) -> bool:
        return wanted.named(self._name(version[0])) or wanted.held(self._pieces(version))

    def _name(self, key: str) -> str:
        return key.removeprefix(self.prefix)

    def _pieces(self, version: Version) -> Iterator[bytes]:
        try:
            found = self._s3.get_object(Bucket=self.bucket, **_named(version))
        except self._s3.exceptions.ClientError as problem:
            if _code(problem) in _GONE:
                return
            raise
        yield from found["Body"].iter_chunks(_PIECE)

    def _removed(self, version: Version) -> datetime | None:
        """Remove a version; the day until which it is kept if it may not go before."""
        try:
            self._s3.delete_object(Bucket=self.bucket, **_named(version))
        except self._s3.exceptions.ClientError as problem:
            if _code(problem) not in _KEPT:
                raise
            return self._kept_until(version)
        return None

    def _kept_until(self, version: Version) -> datetime | None:
        try:
            found = self._s3.head_object(Bucket=self.bucket, **_named(version))
        except self._s3.exceptions.ClientError:
            return None
        until: datetime | None = found.get("ObjectLockRetainUntilDate")
        return until

    def _tidy(self, before: _Listed, ours: frozenset[Version], wanted: Wanted) -> None:
        """Remove what bears such a name and holds nothing; a marker only after what it hides."""
        others = {key for key, _ in before.versions - ours}
        hidden = {key for key, _ in ours}
        for marker in before.markers:
            key = marker[0]
            if key not in others and (key in hidden or wanted.named(self._name(key))):
                self._s3.delete_object(Bucket=self.bucket, **_named(marker))
        for key, upload in _uploads(before):
            if wanted.named(self._name(key)):
                self._s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)

    def _there(self, version: Version, after: _Listed) -> bool:
        """Whether it is listed, or still answers although it is not."""
        if version in after.versions:
            return True
        try:
            self._s3.get_object(Bucket=self.bucket, **_named(version))["Body"].close()
        except self._s3.exceptions.ClientError as problem:
            if _code(problem) in _GONE:
                return False
            raise
        return True

    def _listed(self) -> _Listed:
        found: dict[str, set[tuple[str, Any]]] = defaultdict(set)
        for page in self._pages("list_object_versions") or ():
            for kind in ("Versions", "DeleteMarkers"):
                found[kind] |= {(one["Key"], one["VersionId"]) for one in page.get(kind, ())}
        listed = {key for key, _ in found["Versions"] | found["DeleteMarkers"]}
        for page in self._pages("list_objects_v2") or ():  # all that one without versions has
            plain = {str(one["Key"]) for one in page.get("Contents", ())} - listed
            found["Versions"] |= {(key, None) for key in plain}
        versions, markers = frozenset(found["Versions"]), frozenset(found["DeleteMarkers"])
        return _Listed(versions, markers, self._unfinished())

    def _unfinished(self) -> frozenset[tuple[str, str]] | None:
        pages = self._pages("list_multipart_uploads")
        if pages is None:
            return None
        found = (one for page in pages for one in page.get("Uploads", ()))
        return frozenset((str(one["Key"]), str(one["UploadId"])) for one in found)

    def _pages(self, method: str) -> list[dict[str, Any]] | None:
        """Give all pages of a list; None where the server has no such list."""
        pages = self._s3.get_paginator(method)
        try:
            return list(pages.paginate(Bucket=self.bucket, Prefix=self.prefix))
        except self._s3.exceptions.ClientError as problem:
            if method == "list_objects_v2" or _code(problem) not in _NO_LIST:
                raise
            return None

    @cached_property
    def _s3(self) -> Any:
        import boto3

        return boto3.client("s3")


def _named(version: Version) -> dict[str, str]:
    key, number = version
    return {"Key": key} if number is None else {"Key": key, "VersionId": number}


def _uploads(listed: _Listed) -> frozenset[tuple[str, str]]:
    return listed.uploads or frozenset()


def _standing(left: int, more: int, kept: list[datetime]) -> _Standing | None:
    """Say what is still there. left: versions. more: delete markers and uploads, by their names."""
    if left > len(kept):
        return Status.REMAINS, f"{left} versions are still there: see what keeps them", None
    if more:
        why = f"{more} delete markers or unfinished uploads bear such a name: see what keeps them"
        return Status.REMAINS, why, None
    if left:
        return Status.KEPT, f"Object Lock keeps {left} versions until that day", max(kept)
    return None


def _unseen(after: _Listed, wanted: Wanted, alike: int) -> _Standing:
    """Say what nobody could see; an upload without such a name matters for its content alone.

    alike: versions whose keys differ from such a name by case or Unicode form.
    """
    if alike:
        why = f"{alike} keys differ only by case or Unicode form from such a name: look whose"
        return Status.UNVERIFIED, f"{why} they are", None
    if after.uploads is None:
        return Status.UNVERIFIED, "unfinished uploads are not listed there: look there", None
    if blind := len(after.uploads) if wanted.digests else 0:
        why = f"{blind} unfinished uploads cannot be read: finish or abort them, or look there"
        return Status.UNVERIFIED, why, None
    return Status.REMOVED, None, None


def _code(problem: Exception) -> str:
    response: dict[str, Any] = getattr(problem, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


@contextmanager
def _asked() -> Iterator[None]:
    """Say what boto3 raises without a key, which may be an id."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as problem:
        words = _code(problem) or type(problem).__name__
        raise InfrastructureError(
            f"the bucket does not answer as it should ({words}), expected one whose versions we "
            "may list, read and remove"
        ) from None
