"""Letters and the record of processing, from templates that a lawyer may edit.

A workspace's own template, letters/LANGUAGE/KIND.txt, stands before ours. It is text with Jinja's
placeholders; what it may use is what `facts` has, and nothing of it can be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearning.errors import UsageError

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

LANGUAGES = ("en", "de", "fr")
ACKNOWLEDGEMENT, IDENTITY, EXTENSION, REFUSAL, COMPLETION, UPGRADE = (
    *("acknowledgement", "identity", "extension", "refusal", "completion", "upgrade"),
)
RECORD = "record"
FOLDER = "letters"
"""A workspace's folder of its own templates."""


def written(kind: str, language: str, facts: Mapping[str, Any], own: Path | None = None) -> str:
    """Write a letter; own: the folder of templates that stand before ours.

    UsageError, with the place, for a template of one's own that cannot be used.
    """
    from jinja2 import TemplateError

    name = f"{language}/{kind}.txt"
    try:
        return _environment(own).get_template(name).render(**facts).strip() + "\n"
    except (TemplateError, UnicodeDecodeError) as problem:
        line = getattr(problem, "lineno", None)
        raise UsageError(
            f"{FOLDER}/{name}: {f'line {line}: ' if line else ''}{problem}, expected a template "
            f"that uses {', '.join(sorted(facts))} alone; mend it, or remove it to use ours"
        ) from problem


@lru_cache(maxsize=4)
def _environment(own: Path | None) -> ImmutableSandboxedEnvironment:
    from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    ours = PackageLoader("systems.report", "templates/letters")
    loader = ours if own is None else ChoiceLoader([FileSystemLoader(own), ours])
    return ImmutableSandboxedEnvironment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, autoescape=False
    )
