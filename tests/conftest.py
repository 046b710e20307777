"""What every test gets: a quiet environment, a tier, seeded chance; unit tests get no network."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from systems.settings.quiet import QUIET

# One thread: two workers share two cores, and the same number everywhere gives the same sums.
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
THREADS["OMP_WAIT_POLICY"] = "PASSIVE"  # threads that spin while they wait starve a busy machine
HOME = tempfile.TemporaryDirectory(prefix="lethe-tests-", ignore_cleanup_errors=True)
# Read by the packages when they are imported, so it comes before any of them.
os.environ.update(QUIET)
os.environ.update(THREADS | {"PREFECT_LOGGING_LEVEL": "WARNING", "PREFECT_HOME": HOME.name})

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

# No test is timed: on a busy machine one example may take a second.
hypothesis.settings.register_profile("lethe", deadline=None)
hypothesis.settings.load_profile("lethe")

TESTS = Path(__file__).parent
LONG = "LETHE_PROOF" in os.environ  # `make proof` takes as long as it takes
ALL = LONG or "LETHE_LONG" in os.environ  # `make long` runs what `make test` leaves out
SECONDS = {"unit": 60, "integration": 300, "end_to_end": 900}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with the tier whose folder it lies in, and limit its time accordingly."""
    for item in items:
        tier = item.path.relative_to(TESTS).parts[0]
        item.add_marker(tier)
        if item.get_closest_marker("long") and not ALL:
            item.add_marker(pytest.mark.skip(reason="left out for time: make long"))
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(0 if LONG else SECONDS[tier]))


def pytest_unconfigure() -> None:
    HOME.cleanup()


@pytest.fixture
def rng() -> np.random.Generator:
    """Chance that is the same in every run."""
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout."""
    folder = TESTS.parents[1] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return folder


class NetworkUsed(Exception):
    """A unit test tried to leave this machine."""


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a unit test fail that looks up or connects to another machine, even if it hides that."""
    if request.node.get_closest_marker("unit") is None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        attempts = _guard_sockets(patch)
        yield
    if attempts:
        pytest.fail(f"a unit test works without a network, this one asked for {attempts}")


def _guard_sockets(patch: pytest.MonkeyPatch) -> list[str]:
    attempts: list[str] = []

    def refuse(host: object) -> None:
        name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
        if not (name in {"localhost", "::1"} or name.startswith("127.")):
            attempts.append(name)
            raise NetworkUsed(f"a unit test works without a network, this one asked for {name}")

    def guarded(name: str) -> Callable[[socket.socket, Any], Any]:
        real = getattr(socket.socket, name)

        def call(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse(address[0])
            return real(self, address)

        return call

    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        refuse(host)
        return look_up(host, *rest, **named)

    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, guarded(name))
    patch.setattr(socket, "getaddrinfo", getaddrinfo)
    return attempts
