"""Other systems' webhooks: a mapping file says where a body has what a request needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from systems.intake.demands import Keyed, demand_in, json_in
from systems.settings.events import Fields, Webhook, load_webhook
from unlearning.errors import PolicyError, UsageError

_OURS = {"classes": "class"}  # names that Python does not let a field have
_LISTS = frozenset({"subjects", "examples"})
_LONGEST_KEY = 500


@dataclass(frozen=True)
class Reading:
    """Reads one other system's webhooks; expressions are compiled once."""

    webhook: Webhook
    expressions: Mapping[str, Any]

    @classmethod
    def of(cls, webhook: Webhook, name: str) -> Reading:
        """Compile a mapping's expressions; PolicyError names the one that is none."""
        told = {f.name: getattr(webhook.request, f.name) for f in fields(Fields)}
        texts = {"when": webhook.when, "key": webhook.key} | {k: v for k, v in told.items() if v}
        return cls(webhook, {k: _compiled(v, f"{name}: {k}") for k, v in texts.items()})

    def read(self, body: bytes) -> Keyed | None:
        """The request in a body; None where none is asked for, UsageError for what is none."""
        value = json_in(body)
        if self._found("when", value) is not True:
            return None
        key = self._found("key", value)
        if not isinstance(key, str | int) or not 1 <= len(str(key)) <= _LONGEST_KEY:
            raise UsageError("body: has nothing where the mapping's `key` looks, expected a name")
        return Keyed(demand_in(self._request(value)), f"webhook {key}")

    def _request(self, value: Any) -> dict[str, Any]:
        found = {f.name: self._found(f.name, value) for f in fields(Fields)}
        told = {_OURS.get(name, name): v for name, v in found.items() if v is not None}
        return {k: [v] if k in _LISTS and isinstance(v, str) else v for k, v in told.items()}

    def _found(self, name: str, value: Any) -> Any:
        if name not in self.expressions:
            return None
        try:
            return self.expressions[name].search(value)
        except (JMESPathError, TypeError, RecursionError) as error:
            raise UsageError(f"body: the mapping's `{name}` cannot be read in it") from error


def readings(root: Path, mappings: tuple[str, ...]) -> dict[str, Reading]:
    """The mappings of a workspace by the name of their source; PolicyError for two of one."""
    found: dict[str, Reading] = {}
    for name in mappings:
        webhook = load_webhook(root / name)
        if webhook.source in found:
            raise PolicyError(f"{name}: source {webhook.source} has another mapping, expected one")
        found[webhook.source] = Reading.of(webhook, name)
    return found


def _compiled(text: str, where: str) -> Any:
    try:
        return jmespath.compile(text)
    except JMESPathError as error:
        raise PolicyError(f"{where}: got {text!r}, expected a JMESPath expression") from error
