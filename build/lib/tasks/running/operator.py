"""Who starts a run: a person who did may not approve what comes of it."""

from __future__ import annotations

import getpass
import os
import re

from ledger.domain import require_staff

VARIABLE = "LETHE_OPERATOR"
"""A role or staff reference; without it the system's user counts."""


def operator() -> str:
    """Name who runs this process; UsageError for a LETHE_OPERATOR that cannot be one."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return require_staff(given, VARIABLE)
    return require_staff(_as_staff(_user()), f"the system's user (or set {VARIABLE})")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"user-{os.getuid()}"


def _as_staff(user: str) -> str:
    """Directories call their users NAME@DOMAIN or DOMAIN\\\\NAME; the log holds no address."""
    name = re.sub(r"[^\w.:/+-]", "-", user.rpartition("\\")[2].partition("@")[0])
    return name if len(name) > 1 and name[0].isalnum() else f"user-{name}"
