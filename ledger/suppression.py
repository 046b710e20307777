"""The suppression list: recognises an erased example without saying which one it was.

Each example leaves two lines, one for its id and one for its bytes, each an HMAC-SHA256 under
keys/suppression.key. The list must outlive the data: it is what keeps an erased example from
coming back with a later import or a restored backup. Bytes are compared exactly, so a copy is
recognised under another id, and a re-encoded image only under its own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ledger import durable
from ledger.keys import suppression_key
from unlearning.digests import canonical_json
from unlearning.errors import IntegrityError

FILE = "suppression.jsonl"
_ID, _IMAGE = "id", "image"


@dataclass(frozen=True)
class Suppression:
    """The list as read at one moment, for many questions."""

    key: bytes
    digests: frozenset[tuple[str, str]]

    def contains(self, example_id: str, image_sha256: str) -> bool:
        """Whether an example of this id, or one of these bytes, was erased."""
        return not self.digests.isdisjoint(self.tokens(example_id, image_sha256))

    def tokens(self, example_id: str, image_sha256: str) -> list[tuple[str, str]]:
        """The two (kind, HMAC) pairs under which an example is listed."""
        return [
            (kind, _token(self.key, kind, value))
            for kind, value in ((_ID, example_id), (_IMAGE, image_sha256))
        ]


def load(records: Path, keys: Path) -> Suppression:
    """Read the list; IntegrityError names a line that is none of ours."""
    path = records / FILE
    lines = durable.read(path).splitlines() if path.exists() else []
    digests = frozenset(_parse(line, number) for number, line in enumerate(lines, start=1))
    return Suppression(suppression_key(keys), digests)


def add(records: Path, keys: Path, examples: Iterable[tuple[str, str]]) -> int:
    """List examples, given as (example id, SHA-256 of the image bytes); return the new lines.

    The file is replaced as a whole and sorted, so that a repeated call changes nothing and the
    order tells nothing.
    """
    listed = load(records, keys)
    wanted = {token for example in examples for token in listed.tokens(*example)}
    new = wanted - listed.digests
    if new:
        lines = [
            canonical_json({"kind": kind, "hmac": token}) + b"\n"
            for kind, token in sorted(listed.digests | new)
        ]
        durable.write(records / FILE, b"".join(lines))
    return len(new)


def _token(key: bytes, kind: str, value: str) -> str:
    return hmac.new(key, f"{kind}\0{value}".encode(), hashlib.sha256).hexdigest()


def _parse(line: bytes, number: int) -> tuple[str, str]:
    try:
        fields = json.loads(line)
        kind, token = fields["kind"], fields["hmac"]
        genuine = (
            kind in {_ID, _IMAGE} and len(bytes.fromhex(token)) == hashlib.sha256().digest_size
        )
    except (ValueError, TypeError, KeyError):
        genuine = False
    if not genuine:
        raise IntegrityError(
            f"{FILE}: line {number} is no entry, expected a kind and an HMAC: "
            "the list was altered; restore it from your backup"
        )
    return kind, token
