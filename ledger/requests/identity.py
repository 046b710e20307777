"""By whom and how it was confirmed who asks: another system's reference, nothing of a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from unlearning.errors import UsageError

METHODS = ("login", "contact", "document", "eid", "in_person", "agent", "other")
"""Signed in there; answered over an address or number known before; showed a document; an
electronic identity; came in person; an agent with a mandate."""

PATTERN = (
    rf"(?:{'|'.join(METHODS)}):[a-z0-9][a-z0-9-]{{0,39}}(?:/[A-Za-z0-9][A-Za-z0-9._:/-]{{0,79}})?"
)
"""METHOD:SYSTEM or METHOD:SYSTEM/REFERENCE, as a regular expression; no e-mail address is one."""


CONFIRMED = "identity_confirmed"
"""Event of the log: it was confirmed after the receipt."""


@dataclass(frozen=True)
class Identity:
    """What another system attests. by: the system. reference: what it calls its record of this."""

    method: str
    by: str
    reference: str | None = None

    def as_value(self) -> dict[str, Any]:
        """All of it, as the log has it."""
        return asdict(self)


def identity_in(text: str, where: str) -> Identity:
    """Read METHOD:SYSTEM or METHOD:SYSTEM/REFERENCE; UsageError, which repeats nothing of it.

    where: what stands first in the message, such as the option.
    """
    if not re.fullmatch(PATTERN, text):
        raise UsageError(
            f"{where}: got something else, expected METHOD:SYSTEM or METHOD:SYSTEM/REFERENCE, such "
            f"as login:portal/7f3a, METHOD one of {', '.join(METHODS)}; SYSTEM and REFERENCE name "
            "who confirmed it and its record, never a person"
        )
    method, _, rest = text.partition(":")
    by, _, reference = rest.partition("/")
    return Identity(method, by, reference or None)


def identity_in_words(value: Mapping[str, Any], *, reference: bool = True) -> str:
    """Say what the log has of an identity: how, by which system, and its reference if asked for."""
    said = f"{value['method']} by {value['by']}".replace("_", " ")
    return f"{said}, {value['reference']}" if reference and value.get("reference") else said
