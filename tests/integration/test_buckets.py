"""infra/buckets.py against this machine's S3 server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.buckets import bucket_on_loopback

SCRIPT = Path(__file__).parents[2] / "infra" / "buckets.py"


def test_buckets_are_versioned_and_locked_where_asked_and_made_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with bucket_on_loopback(monkeypatch, versioned=False) as client:
        for _ in range(2):
            line = [sys.executable, str(SCRIPT), "data", "--locked", "kept"]
            subprocess.run(line, check=True, timeout=60)
        for name in ("data", "kept"):
            assert client.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
        found = client.get_object_lock_configuration(Bucket="kept")
        assert found["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"
        with pytest.raises(client.exceptions.ClientError, match="ObjectLockConfiguration"):
            client.get_object_lock_configuration(Bucket="data")
