"""Ids from a file or from standard input: what stands on the command line, others can read."""

from __future__ import annotations

import sys
from pathlib import Path

from unlearning.errors import InfrastructureError, UsageError

STANDARD_INPUT = Path("-")


def with_ids_of(given: list[str] | None, file: Path | None, *, option: str) -> list[str] | None:
    """Give the ids of an option and of its file, one a line, exactly as written; None without any.

    UsageError names the option if there is none in the file, and never an id.
    """
    if file is None:
        return given
    try:
        content = sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as problem:
        raise InfrastructureError(
            f"{option}: {file.name} cannot be read ({problem.strerror}); expected a file of ids"
        ) from problem
    except UnicodeDecodeError as problem:
        raise UsageError(f"{option}: got no UTF-8 text, expected one id a line") from problem
    # Not splitlines: it also breaks at a form feed, at U+2028 and others, which an id may hold.
    ids = [line for line in (each.removesuffix("\r") for each in text.split("\n")) if line]
    if not ids:
        raise UsageError(f"{option}: got no id, expected one a line")
    return [*(given or []), *ids]
