"""What a database refuses, in one line that holds neither its URL nor a password."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    TimeoutError,
)

from unlearning.errors import InfrastructureError, LetheError

_UNUSABLE = (OperationalError, InterfaceError, InternalError)
_MAY_NOT = "42501"
"""PostgreSQL's code for a role that lacks a privilege."""


@contextmanager
def guarded(name: str, broken: Callable[[str], LetheError]) -> Iterator[None]:
    """Raise InfrastructureError if the database cannot be used now, else what `broken` gives.

    name: stands in the message. broken: makes an error of the database's own reason.
    """
    try:
        yield
    except TimeoutError as error:
        raise _unusable(name, "no connection is free") from error
    except DBAPIError as error:
        reason = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
        if isinstance(error, _UNUSABLE) or code_of(error) == _MAY_NOT or _before_any(error):
            raise _unusable(name, reason) from error
        raise broken(reason) from error


def code_of(error: DBAPIError) -> str | None:
    """PostgreSQL's five characters for what went wrong; None for another database's."""
    return getattr(error.orig, "sqlstate", None)


def _before_any(error: DBAPIError) -> bool:
    """Whether no server was asked: an option of the URL is none."""
    asked = error.statement is not None or code_of(error) is not None
    return isinstance(error, ProgrammingError) and not asked


def _unusable(name: str, reason: str) -> InfrastructureError:
    return InfrastructureError(
        f"{name}: cannot be used ({reason}): free space, make it writable or start its server, "
        "then try again"
    )
