"""A PostgreSQL server of this machine's own binaries, in a temporary folder, on loopback."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""


def programs() -> Path:
    """The folder of initdb and pg_ctl; skips where there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders or not (folders[-1] / "pg_ctl").exists():
        pytest.skip("no PostgreSQL on this machine: neither initdb on PATH nor /usr/lib/postgresql")
    return folders[-1]


@contextmanager
def server() -> Iterator[str]:
    """A running server; gives the URL of its database `postgres`."""
    binaries, folder = programs(), Path(tempfile.mkdtemp(prefix="lethe-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    data, port = folder / "data", _free_port()
    try:
        _run(binaries / "initdb", "-D", data, "-A", "trust", "-U", "lethe", "-N")
        options = f"-h 127.0.0.1 -p {port} -k {folder} -F -c max_connections=40"
        control = (binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log")
        _run(*control, "-o", options, "start")
        try:
            yield f"postgresql://lethe@127.0.0.1:{port}/postgres"
        finally:
            _run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database(url: str) -> str:
    """An empty database on a server; gives its URL."""
    import psycopg

    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return f"{url.rpartition('/')[0]}/{name}"


def _run(*command: object) -> None:
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    subprocess.run(
        [str(part) for part in command],
        user=user,
        cwd="/",
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=120,
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
