"""Ports that parts listen on: free before anything is started, or one line says which is not."""

from __future__ import annotations

import socket

from systems.settings.service import Ports
from unlearning.errors import InfrastructureError

OPTIONS = {"http": "--port", "prefect": "--prefect-port", "mlflow": "--mlflow-port"}


def free_ports(host: str, ports: Ports) -> Ports:
    """Give the ports to use, any free one for 0; InfrastructureError for one that is taken."""
    found: dict[str, int] = {}
    for name in OPTIONS:
        found[name] = _free(host, name, getattr(ports, name), set(found.values()))
    return Ports(**found)


def _free(host: str, name: str, port: int, others: set[int]) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError as problem:
            raise InfrastructureError(
                f"port {port} of {host}: cannot be used for {name} ({problem.strerror}), expected "
                f"a free one: choose another with {OPTIONS[name]}, or end what listens there"
            ) from problem
        got = int(one.getsockname()[1])
    return _free(host, name, 0, others) if got in others and not port else got
