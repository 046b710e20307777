"""What a storm is made of: bodies, and how each is signed when it is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.intake.places import SOURCE
from ledger.sources import signing

SHARES = {"valid": 0.5, "duplicate": 0.15, "replay": 0.15, "forged": 0.1, "malformed": 0.1}
FORGERIES = ("secret", "body", "source", "unsigned", "old")
MALFORMED = (b"", b"{", b"[]", b'{"subjects":[]}', b'{"subjects":["a"],"class":"b"}', b"\xff\xfe")


@dataclass(frozen=True)
class Event:
    """One event. key: the idempotency key; nonce: None for a new one each time it is sent.

    subjects: whom a valid one names, or what it repeats; none for others. how: of a forgery.
    """

    kind: str
    body: bytes
    key: str
    nonce: str | None = None
    subjects: tuple[str, ...] = ()
    how: str = ""

    def headers(self, secret: str) -> dict[str, str]:
        """The headers of a call, signed now, or as a forger would."""
        now, body = datetime.now(UTC), self.body
        if self.how == "unsigned":
            return {"Idempotency-Key": self.key}
        if self.how == "old":
            now -= timedelta(minutes=10)
        if self.how == "body":
            body = body + b" "
        source = "nobody" if self.how == "source" else SOURCE
        known = "another secret than theirs" if self.how == "secret" else secret
        signed = signing.headers_for(source, known, body, now=now, nonce=self.nonce)
        return signed | {"Idempotency-Key": self.key}


def drawn(count: int, rng: np.random.Generator) -> list[Event]:
    """So many events in random order; duplicates and replays are of valid ones among them."""
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(share * count))]
    valid = [_valid(number) for number in range(kinds.count("valid"))]
    others = [_other(k, n, valid, rng) for n, k in enumerate(kinds) if k != "valid"]
    events = [*valid, *others]
    return [events[i] for i in rng.permutation(len(events))]


def _valid(number: int) -> Event:
    subject = f"s-{number}"
    body = json.dumps({"subjects": [subject]}).encode()
    return Event("valid", body, f"case-{number}", f"nonce-of-event-{number:06}", (subject,))


def _other(kind: str, number: int, valid: list[Event], rng: np.random.Generator) -> Event:
    of = valid[int(rng.integers(len(valid)))]
    if kind == "replay":  # the very bytes, nonce and all
        return Event(kind, of.body, of.key, of.nonce, of.subjects)
    if kind == "duplicate":  # the sender's own second try
        return Event(kind, of.body, of.key, None, of.subjects)
    if kind == "malformed":
        return Event(kind, MALFORMED[number % len(MALFORMED)], f"malformed-{number}")
    body = json.dumps({"subjects": [f"forged-{number}"]}).encode()
    return Event(kind, body, f"forged-{number}", how=FORGERIES[number % len(FORGERIES)])
