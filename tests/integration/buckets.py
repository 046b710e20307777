"""AWS on this machine, as AWS_ENDPOINT_URL says to all; and a bucket `lethe` there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import pytest


@contextmanager
def aws_on_loopback(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the address of an empty server; what it held is gone with it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "MLFLOW_S3_ENDPOINT_URL": address,  # MLflow keeps its clients by it, a process long
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        patch.setenv(name, value)
    yield address
    # What it holds belongs to the process, so the next server would have it too.
    urlopen(Request(f"{address}/moto-api/reset", method="POST"), timeout=10).close()
    server.stop()


@contextmanager
def bucket_on_loopback(patch: pytest.MonkeyPatch, *, versioned: bool) -> Iterator[Any]:
    """Give boto3's client of an empty bucket."""
    import boto3

    with aws_on_loopback(patch):
        client = boto3.client("s3")
        client.create_bucket(Bucket="lethe")
        if versioned:
            versioning = {"Status": "Enabled"}
            client.put_bucket_versioning(Bucket="lethe", VersioningConfiguration=versioning)
        yield client
        client.close()
