"""Prefect's server with its pages, as one process."""

from __future__ import annotations

import os
import sys

from systems.settings.quiet import quiet_environment
from systems.settings.workspace import Workspace
from unlearning.processes import end_with

LEASES = "prefect.server.concurrency.lease_storage.filesystem"
"""Leases are kept on the disk: in memory, one that a kill left would hold its slot for ever."""


def environment(ws: Workspace, host: str, port: int) -> dict[str, str]:
    """What the server is told; what the environment says already stays, such as a database."""
    home = ws.service / "prefect"
    own = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{ws.service / 'prefect.db'}",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES,
    }
    address = {"PREFECT_SERVER_API_HOST": host, "PREFECT_SERVER_API_PORT": str(port)}
    return {name: os.environ.get(name, value) for name, value in own.items()} | address


def main(arguments: list[str]) -> int:
    """Serve it; arguments: workspace, host, port, the process that started this one."""
    root, host, port, parent = arguments
    end_with(int(parent))
    quiet_environment()
    os.environ.update(environment(Workspace.at(root), host, int(port)))
    os.environ.pop("PREFECT_API_URL", None)
    import uvicorn

    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host=host,
        port=int(port),
        log_level="warning",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
