"""The places where DVC keeps objects, as sets of keys: list, read, remove, and nothing hidden.

A key is an object's md5 (".dir" after it for a listing of a folder). In a versioned bucket every
version of a key is an object to be removed, and a removed key may still have old versions.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ledger import durable

_PACKAGES = frozenset({"aiobotocore", "aiohttp", "botocore", "dvc", "dvc_data", "dvc_objects"})


class ObjectStore(Protocol):
    """Objects by key; OSError where the place does not answer."""

    @property
    def where(self) -> str:
        """What the place is called."""

    @property
    def unverified(self) -> str | None:
        """Why a removal here cannot be verified; None where what is not listed is gone."""

    def keys(self) -> frozenset[str]:
        """Every key of which any bytes remain, leftovers of broken transfers included."""

    def read(self, key: str) -> bytes:
        """An object's bytes."""

    def file(self, key: str) -> Path | None:
        """An object's file; None where it is none on this machine."""

    def remove(self, key: str) -> None:
        """Remove an object so that no bytes of it remain; one that is not there is no error."""


PLAIN = frozenset({"local", "memory", "s3", "sftp", "ssh"})
"""Protocols of places that keep no older version, or, as S3, are asked for every one."""


def store_of(odb: Any, where: str, within: Path) -> ObjectStore:
    """Wrap one of DVC's object databases. within: what a folder of objects may not lead out of."""
    plain = DvcStore(odb, where, within)
    if odb.fs.protocol != "s3":
        return plain
    bucket, _, prefix = odb.path.partition("/")
    return S3Store(plain, odb.fs.fs, bucket, f"{prefix}/")


def from_outside(error: BaseException) -> bool:
    """Whether a store, the network or DVC raised it, and not a mistake of ours."""
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in _PACKAGES


@dataclass(frozen=True)
class DvcStore:
    """A folder, or any store that DVC reaches, taken as it lists itself."""

    odb: Any
    where: str
    within: Path

    @property
    def unverified(self) -> str | None:
        """Stores that may keep old versions are not taken at their word."""
        protocol = self.odb.fs.protocol
        if protocol in PLAIN:
            return None
        return f"{protocol} may keep older versions, which cannot be listed from here: look there"

    def keys(self) -> frozenset[str]:
        """Every key, names of broken transfers included, which DVC places beside the objects."""
        return frozenset(self.odb.all())

    def read(self, key: str) -> bytes:
        """An object's bytes."""
        with self.odb.fs.open(self.odb.oid_to_path(key), "rb") as file:
            return bytes(file.read())

    def file(self, key: str) -> Path | None:
        """An object's file, in a folder."""
        return Path(self.odb.oid_to_path(key)) if self.odb.fs.protocol == "local" else None

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is no error.

        OutsideWorkspace if it lies in a folder that is not this workspace's.
        """
        path = self.odb.oid_to_path(key)
        if self.odb.fs.protocol == "local":
            durable.inside(Path(path), self.within)
        if self.odb.fs.exists(path):
            self.odb.delete(key)


@dataclass(frozen=True)
class S3Store:
    """A bucket, whose old versions and unfinished uploads count as bytes that remain.

    Asks with the connection that DVC made, so with its credentials and endpoint. A server that
    has no versioning says so (ENOSYS), and is taken as it lists itself.
    """

    plain: DvcStore
    s3: Any
    bucket: str
    prefix: str

    @property
    def where(self) -> str:
        """What the place is called."""
        return self.plain.where

    @property
    def unverified(self) -> str | None:
        """Every version is asked for."""
        return None

    def keys(self) -> frozenset[str]:
        """Every key with a version or an unfinished upload, removed ones included."""
        named = [v["Key"] for v in self._versions(self.prefix) if not v["marker"]]
        named += [upload["Key"] for upload in self._uploads(self.prefix)]
        versioned = {name.removeprefix(self.prefix).replace("/", "") for name in named}
        return frozenset(versioned | self._plain_keys())

    def read(self, key: str) -> bytes:
        """The bytes of the newest version that has any; all versions of a key are the same."""
        name = self._name(key)
        for version in self._versions(name):
            if version["Key"] == name and not version["marker"]:
                path, named = f"{self.bucket}/{name}", version["VersionId"]
                # One part: for several it would first ask for the size of the newest version,
                # which a delete marker hides.
                return bytes(self.s3.cat_file(path, version_id=named, max_concurrency=1))
        return self.plain.read(key)

    def file(self, key: str) -> Path | None:
        """None: nothing of it is on this machine."""
        return None

    def remove(self, key: str) -> None:
        """Remove every version, every delete marker and every unfinished upload of a key."""
        name = self._name(key)
        for version in self._versions(name):
            if version["Key"] == name:
                self.s3.call_s3(
                    "delete_object", Bucket=self.bucket, Key=name, VersionId=version["VersionId"]
                )
        for upload in self._uploads(name):
            if upload["Key"] == name:
                self.s3.call_s3(
                    "abort_multipart_upload",
                    Bucket=self.bucket,
                    Key=name,
                    UploadId=upload["UploadId"],
                )
        self.s3.invalidate_cache()
        self.plain.remove(key)

    def _name(self, key: str) -> str:
        return f"{self.prefix}{key[:2]}/{key[2:]}"

    def _plain_keys(self) -> frozenset[str]:
        self.s3.invalidate_cache()
        return self.plain.keys()

    def _versions(self, prefix: str) -> Iterator[dict[str, Any]]:
        for page in self._pages("list_object_versions", prefix, ("KeyMarker", "VersionIdMarker")):
            yield from ({**v, "marker": False} for v in page.get("Versions", ()))
            yield from ({**v, "marker": True} for v in page.get("DeleteMarkers", ()))

    def _uploads(self, prefix: str) -> Iterator[dict[str, Any]]:
        for page in self._pages("list_multipart_uploads", prefix, ("KeyMarker", "UploadIdMarker")):
            yield from page.get("Uploads", ())

    def _pages(
        self, method: str, prefix: str, markers: tuple[str, str]
    ) -> Iterator[dict[str, Any]]:
        after: dict[str, str] = {}
        while True:
            try:
                page = self.s3.call_s3(method, Bucket=self.bucket, Prefix=prefix, **after)
            except OSError as error:
                if error.errno == errno.ENOSYS:
                    return
                raise
            yield page
            if not page.get("IsTruncated"):
                return
            after = {marker: page[f"Next{marker}"] for marker in markers if f"Next{marker}" in page}
