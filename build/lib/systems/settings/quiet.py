"""What the packages underneath must not do: call home, ask the network, talk over our output.

And what must not stop them: a proxy between two processes of this machine, a home that cannot be
written.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import MappingProxyType

QUIET = MappingProxyType(
    {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_NO_ANALYTICS": "1",
        "DVC_STUDIO_OFFLINE": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MPLBACKEND": "Agg",
    }
)
HERE = ("localhost", "127.0.0.1", "::1")
"""This machine, as Prefect's temporary server and stores on it are addressed."""

_BOTH = ("no_proxy", "NO_PROXY")  # packages read the one or the other


def quiet_environment() -> None:
    """Set up the packages of this process and its children; they read this when imported."""
    os.environ.update(QUIET)
    _pass_by_the_proxy()
    _have_a_home()


def _pass_by_the_proxy() -> None:
    """Add this machine to what no proxy is asked for; what the user named stays."""
    named = [part.strip() for name in _BOTH for part in os.environ.get(name, "").split(",")]
    if "*" not in named:
        every = ",".join(dict.fromkeys([*filter(None, named), *HERE]))
        os.environ.update(dict.fromkeys(_BOTH, every))


def _have_a_home() -> None:
    """Give Prefect and matplotlib a folder for temporary files where the home cannot be written.

    Prefect keeps the database of its temporary server there, of which we ask nothing later.
    """
    if "PREFECT_HOME" in os.environ or _writable(os.path.expanduser("~/.prefect")):  # noqa: PTH111
        return
    folder = _own_folder()
    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))


def _writable(path: str) -> bool:
    """Say whether a folder can be written, or made if it is not there yet; "~" is no folder."""
    places = [path, *map(str, Path(path).parents)]
    there = next(place for place in places if os.path.lexists(place))
    return not path.startswith("~") and Path(there).is_dir() and os.access(there, os.W_OK | os.X_OK)


def _own_folder() -> Path:
    """A folder that is this user's and nobody else's; the same one each time, if it can be."""
    folder = Path(tempfile.gettempdir()) / f"lethe-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if folder.is_symlink() or about.st_uid != os.getuid() or about.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix="lethe-"))
    return folder
