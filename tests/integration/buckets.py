"""A bucket `lethe` that an S3 server on this machine keeps, as AWS_ENDPOINT_URL says to all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import pytest


@contextmanager
def bucket_on_loopback(patch: pytest.MonkeyPatch, *, versioned: bool) -> Iterator[Any]:
    """Give boto3's client of an empty bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        patch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="lethe")
    if versioned:
        versioning = {"Status": "Enabled"}
        client.put_bucket_versioning(Bucket="lethe", VersioningConfiguration=versioning)
    yield client
    client.close()
    # Its buckets belong to the process, so the next server would have them too.
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST"), timeout=10).close()
    server.stop()
