"""A system outside that erases by itself: asked by a signed call, believed by a signed answer.

Only an answer to this very call counts: it bears our nonce under the secret that we share. So one
that is replayed, or meant for another request, closes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ledger.errors import NotAuthentic
from ledger.sources import SourceKeys, signing
from systems.connectors.contract import Demand, Outcome
from systems.copies import Status
from systems.posting import post
from unlearning.digests import canonical_json
from unlearning.errors import InfrastructureError

TIMEOUT = 30.0  # seconds for a call as a whole
LONGEST = 65_536  # bytes of an answer
GONE, KEPT, PENDING = "gone", "kept", "pending"

Called = tuple[int, bytes, Mapping[str, str]]
"""Status, body and headers of an answer."""
Call = Callable[[str, bytes, dict[str, str]], Called]


@dataclass(frozen=True)
class Webhook:
    """A system by its address. source: whose secret signs the call and its answer."""

    url: str
    source: str
    keys: SourceKeys
    call: Call

    def reach(self) -> None:
        """Ask for nobody: InfrastructureError unless the answer is a signed one."""
        self._receipt(Demand("check", ()))

    def mark(self) -> None:
        """A system answers for itself."""

    def remove(self, demand: Demand) -> Outcome:
        """Tell it the ids and take its word, if it is a word on all of them."""
        answer, signed = self._receipt(demand)
        looked = len(demand.examples)
        if answer["status"] == KEPT:
            until = datetime.fromisoformat(answer["until"])
            why = "it says that copies are kept there until that day"
            return Outcome(Status.KEPT, why, until, looked)
        if answer["status"] == PENDING:
            return Outcome(Status.REMAINS, "it says that it is not done yet", looked=looked)
        told = {"answer": answer, "signed": signed}
        return Outcome(Status.REMOVED, None, None, looked, answer[GONE], told)

    def _receipt(self, demand: Demand) -> tuple[dict[str, Any], dict[str, str]]:
        secret = self.keys.of(self.source)
        if secret is None:
            raise InfrastructureError(
                f"source {self.source} has no secret: run `lethe source add {self.source}`"
            )
        body = canonical_json(
            {
                "reference": demand.reference,
                "examples": list(demand.examples),
                "subjects": list(demand.subjects),
            }
        )
        sent = signing.headers_for(self.source, secret.decode(), body, now=datetime.now(UTC))
        status, content, headers = self.call(self.url, body, sent)
        if status != 200:
            raise InfrastructureError(f"answered {status}, expected 200 with a signed receipt")
        self._require_ours(headers, content, sent[signing.NONCE])
        said = _parsed(content, demand)
        return said, {n: str(headers.get(n)) for n in (signing.TIMESTAMP, signing.SIGNATURE)}

    def _require_ours(self, headers: Mapping[str, str], content: bytes, nonce: str) -> None:
        try:
            signed = signing.verified(headers, content, self.keys.of, now=datetime.now(UTC))
        except NotAuthentic:
            signed = None
        if signed is None or (signed.source, signed.nonce) != (self.source, nonce):
            raise InfrastructureError(
                "its answer is not signed for this call, expected the source's signature over the "
                "answer under the nonce of the call"
            )


def _parsed(content: bytes, demand: Demand) -> dict[str, Any]:
    """Read a receipt; of the answer nothing else is taken, so nothing else can be kept."""
    try:
        said = json.loads(content)
        right = said["reference"] == demand.reference and _is_receipt(said, len(demand.examples))
    except (ValueError, TypeError, KeyError, RecursionError):
        right = False
    if not right:
        raise InfrastructureError(
            "its answer is no receipt for what was asked, expected the call's reference and a "
            "status, with `gone` and `not_found` that add up to the examples, or `until`"
        )
    known: dict[str, Any] = said
    return known


def _is_receipt(said: Mapping[str, Any], examples: int) -> bool:
    rest = {key: value for key, value in said.items() if key not in ("reference", "status")}
    if said["status"] == GONE:
        counts = [rest.pop("gone"), rest.pop("not_found")]
        whole = all(type(count) is int and count >= 0 for count in counts)
        return whole and sum(counts) == examples and not rest
    if said["status"] == KEPT:
        return datetime.fromisoformat(rest.pop("until")).tzinfo is not None and not rest
    return bool(said["status"] == PENDING) and not rest


def called(url: str, body: bytes, headers: dict[str, str]) -> Called:
    """Post a body and give the answer; InfrastructureError if there is none in time."""
    return post(url, body, headers, seconds=TIMEOUT, most=LONGEST)
