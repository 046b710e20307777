"""Make the buckets that are named, versioned; those after --locked with Object Lock as well."""

from __future__ import annotations

import sys
from typing import Any

import boto3
from botocore.exceptions import ClientError

THERE = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


def make(store: Any, name: str, *, locked: bool) -> None:
    """Create a bucket unless it is there; Object Lock can be had at creation alone."""
    try:
        store.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)
    except ClientError as problem:
        if problem.response["Error"]["Code"] not in THERE:
            raise
    store.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def main(words: list[str]) -> None:
    """Make them all."""
    first = words.index("--locked") if "--locked" in words else len(words)
    store = boto3.client("s3")
    for name in words[:first]:
        make(store, name, locked=False)
    for name in words[first + 1 :]:
        make(store, name, locked=True)


if __name__ == "__main__":
    main(sys.argv[1:])
