"""`lethe init --backbone`: what is frozen, and who says that it never saw the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.cli.work.asked.files import Files
from ledger import durable
from ledger.domain import require_reason
from ledger.replay.certificates import BACKBONE
from systems.settings.params import changed
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.digests import sha256_file, sha256_hex
from unlearning.errors import UsageError
from unlearning.recipe import Recipe


@dataclass(frozen=True)
class Frozen:
    """A backbone that is to be frozen: the bytes to keep, and what is said of the file."""

    content: bytes
    body: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Names what is kept."""
        return sha256_hex(self.content)


def check_asked(files: Files) -> None:
    """Refuse options that say nothing together."""
    if files.backbone is None:
        for name in ("statement", "head"):
            if getattr(files, name) is not None:
                option = "--backbone-statement" if name == "statement" else "--head"
                raise UsageError(f"{option}: got without --backbone, expected both, or neither")
        return
    if files.weights is not None:
        raise UsageError(
            "--backbone: got with --weights, expected one: a head is fitted here, on your data"
        )
    if not (files.statement or "").strip():
        raise UsageError(
            "--backbone-statement: got nothing, expected who trained the backbone on what, and "
            "that it never saw these data: it is signed with the log"
        )
    require_reason(str(files.statement), "where the backbone is from")


def frozen_in(files: Files, recipe: Recipe, *, given: bool) -> Frozen | None:
    """Read the backbone; None where none is asked for. recipe: of the data."""
    if files.backbone is None:
        return None
    from unlearning.heads.backbones import normalised

    content = normalised(files.backbone, recipe, given=given)
    body = {"file_sha256": sha256_file(files.backbone), "statement": str(files.statement).strip()}
    return Frozen(content, {"sha256": sha256_hex(content), **body})


def settings_with(settings: bytes, frozen: Frozen, head: str | None) -> bytes:
    """Name backbone and head in a params.yaml."""
    changes: dict[str, Any] = {"head.backbone": frozen.sha256}
    return changed(settings, {**changes, **({"head.loss": head} if head else {})})


def keep(at: Opened, frozen: Frozen | None) -> None:
    """Put the backbone into the workspace, and the statement on it into the signed log."""
    if frozen is not None:
        durable.write(at.ws.backbone, frozen.content)
        at.ledger.record(BACKBONE, dict(frozen.body), key=BACKBONE, now=utc_now())
