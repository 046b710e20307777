"""What a received request names, readable with keys/inbox.key alone, and what is kept of its key.

Digests are under the suppression key: they outlive the payload, and nobody can test a guess
against them without that key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import SealAltered
from ledger.inbox.received import Incoming, incoming_of
from ledger.keys import INBOX, read_secret, suppression_key, write_secret
from ledger.sealed import decrypt
from unlearning.digests import canonical_json


@dataclass(frozen=True)
class Payloads:
    """Seals and opens under the keys of one workspace."""

    keys: Path

    def key(self) -> bytes:
        """The key under which is sealed now; KeyMissing if it is lost."""
        return read_secret(self.keys / INBOX)

    def new_key(self) -> None:
        """Draw another key: what was sealed before, and every copy of it, is unreadable for good.

        The caller is in a transaction that no other writer is in, and nothing waits.
        """
        write_secret(self.keys / INBOX)

    def open(self, ref: str, payload: bytes) -> Incoming:
        """Decrypt it; SealAltered if it, its key or its reference is another, KeyMissing."""
        key = self.key()
        try:
            plain = decrypt(key, ref, payload)
        except ValueError as error:
            raise SealAltered(
                f"inbox: {len(payload)} bytes of {ref} do not open with {self.keys.name}/{INBOX}: "
                "the inbox was altered, or the key is another one; restore both from your backup"
            ) from error
        return incoming_of(json.loads(plain))

    def key_digest(self, incoming: Incoming) -> str | None:
        """What is kept of an idempotency key, which may well be built from a name."""
        key = incoming.key
        return None if key is None else self._digest("key", [incoming.source, key])

    def content_digest(self, incoming: Incoming) -> str | None:
        """What is kept of what came under a key, to know it when it comes again."""
        if incoming.key is None:
            return None
        said = {"jurisdiction": incoming.jurisdiction, **incoming.selector.ordered().as_value()}
        return self._digest("content", [incoming.source, incoming.key, said])

    def nonce_digest(self, source: str, nonce: str) -> str:
        """What is kept of a nonce."""
        return self._digest("nonce", [source, nonce])

    def _digest(self, what: str, value: list[object]) -> str:
        content = f"inbox {what}\0".encode() + canonical_json(value)
        return hmac.new(suppression_key(self.keys), content, hashlib.sha256).hexdigest()
