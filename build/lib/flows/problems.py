"""What went wrong, as an exit code and one line; the traceback is for --debug.

The line of our own errors is theirs. A package that stands for something outside, such as a server
or a database, is quoted. Of everything else the line tells only what kind of error it is and where:
its words may hold what was being read, so an id.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from unlearning.errors import is_out_of_memory

HOME = Path(__file__).parents[1]
UNFORESEEN, OUTSIDE = 1, 20
_LONGEST = 200

_SPEAK_FOR_THE_OUTSIDE = frozenset(
    {"aiobotocore", "aiohttp", "boto3", "botocore", "distributed", "dvc", "dvc_data"}
    | {"dvc_objects", "httpcore", "httpx", "mlflow", "prefect", "requests", "sqlalchemy", "sqlite3"}
    | {"urllib3", "websockets"}
)
"""Packages whose errors are about servers, stores and databases."""


def explain(problem: BaseException) -> tuple[int, str]:
    """Give a problem's exit code and its one line; 1 for what nobody foresaw."""
    code = getattr(problem, "exit_code", None)
    if hasattr(problem, "format_message"):  # Typer's: only this names the option
        return int(code or 2), f"{problem.format_message().rstrip('.')}; see `lethe --help`"
    if isinstance(code, int):
        return code, _one_line(problem)
    line = _about_prefect(problem) or _about_memory(problem) or _about_a_file(problem)
    line = line or _about_a_package(problem) or _about_the_outside(problem)
    return (OUTSIDE, line) if line else (UNFORESEEN, _unforeseen(problem))


def _about_prefect(problem: BaseException) -> str | None:
    text = str(problem)
    if "ephemeral Prefect API server" in text:
        return (
            "prefect: its temporary server did not answer in time, expected it to start; "
            "try again, or set PREFECT_API_URL to a server that runs"
        )
    if "Failed to reach API" in text or (_named(problem, "httpx") and _server()):
        return (
            f"prefect: no server answers at {_server()}, which PREFECT_API_URL names; start it, or "
            "unset PREFECT_API_URL, so that a temporary one is used, and try again"
        )
    if "socksio" in text:
        return (
            "proxy: one of HTTP_PROXY, HTTPS_PROXY and ALL_PROXY names a SOCKS proxy, expected an "
            "HTTP one, since Prefect cannot use SOCKS; unset it for lethe, or install httpx[socks]"
        )
    return None


def _server() -> str:
    """Where Prefect's server is said to be; without the user and password that may be in it."""
    scheme, _, rest = os.environ.get("PREFECT_API_URL", "").rpartition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if rest else ""


def _about_memory(problem: BaseException) -> str | None:
    if not is_out_of_memory(problem):
        return None
    return (
        "memory: got less than was asked for; free some, or take a smaller --size or --batch-size, "
        "and try again"
    )


def _about_a_file(problem: BaseException) -> str | None:
    if not isinstance(problem, OSError) or not problem.filename:
        return None
    short = str(problem.filename).rsplit("/", maxsplit=1)[-1]
    return f"{short}: {problem.strerror or type(problem).__name__}; free or repair it and try again"


def _about_a_package(problem: BaseException) -> str | None:
    if not isinstance(problem, ModuleNotFoundError) or not problem.name:
        return None
    if (HOME / problem.name.split(".")[0]).exists():
        return None
    return (
        f"{problem.name}: is not installed, expected Lethe's extra `run`, which all but `lethe "
        'verify` needs; install it with pip install "lethe[run]"'
    )


def _about_the_outside(problem: BaseException) -> str | None:
    for one in _chain(problem):
        package = type(one).__module__.split(".")[0]
        if package in _SPEAK_FOR_THE_OUTSIDE:
            said = f"{package}: {type(one).__name__}: {_one_line(one)[:_LONGEST]}"
            return f"{said}; expected it to answer; correct that and try again"
    if isinstance(problem, OSError):
        words = problem.strerror or _one_line(problem)[:_LONGEST]
        return f"{type(problem).__name__}: {words}; correct that and try again"
    return None


def _unforeseen(problem: BaseException) -> str:
    return (
        f"{type(problem).__name__} at {_place(problem)}, which nobody foresaw; nothing is wrong "
        "with your command: run it again with --debug for the traceback, and report that"
    )


def _place(problem: BaseException) -> str:
    """Name the last line of ours that was passed on the way."""
    frames = traceback.extract_tb(problem.__traceback__)
    ours = [f for f in frames if _is_ours(Path(f.filename))] or frames[-1:]
    if not ours:
        return "an unknown place"
    last = Path(ours[-1].filename)
    name = last.relative_to(HOME).as_posix() if _is_ours(last) else last.name
    return f"{name}:{ours[-1].lineno}"


def _is_ours(path: Path) -> bool:
    return path.is_relative_to(HOME) and "site-packages" not in path.relative_to(HOME).parts


def _named(problem: BaseException, package: str) -> bool:
    return any(type(one).__module__.split(".")[0] == package for one in _chain(problem))


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """Give a problem, and what it says that it came from."""
    one: BaseException | None = problem
    while one is not None:
        yield one
        one = one.__cause__


def _one_line(problem: BaseException) -> str:
    return " ".join(str(problem).split())
