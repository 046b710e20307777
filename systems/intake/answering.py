"""What a call over HTTP is answered: who it is first, then whether he may, then what he asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from fastapi import Response
from fastapi.responses import JSONResponse

from ledger.inbox import Incoming, Receipt
from ledger.sources import SourceKeys, signing
from systems.intake import cloud_events
from systems.intake.demands import Demand, demand_in, json_in
from systems.intake.quotas import Quotas
from systems.intake.receiving import Reception
from systems.intake.standing import RECEIVED, Records
from unlearning.errors import UsageError

KEY = "Idempotency-Key"
_LONGEST_KEY = 200


@dataclass(frozen=True)
class Call:
    """One call. headers: found by any spelling of their names. path: without the query."""

    headers: Mapping[str, str]
    path: str
    body: bytes


@dataclass(frozen=True)
class Answering:
    """Answers the calls of one workspace; safe to use from many threads."""

    reception: Reception
    keys: SourceKeys
    records: Records
    quotas: Quotas

    def receive(self, call: Call) -> Response:
        """Take a request in. Nothing here asks the data, so no answer tells of them."""
        signed = self._known(call, call.body)
        if cloud_events.is_event(call.headers):
            event = cloud_events.event_in(call.headers, call.body)
            demand, key = event.demand, event.key
        else:
            # A key keeps who sent a request, and what has a nonce has one.
            demand, key = demand_in(json_in(call.body)), f"nonce {signed.nonce}"
        incoming = self._incoming(demand, signed.source, _given_key(call) or key)
        return accepted(self.reception.take(incoming, nonce=signed.nonce))

    def standing(self, call: Call, ref: str) -> Response:
        """How a source's own request stands."""
        source = self._known(call, call.path.encode()).source
        return JSONResponse(asdict(self.records.standing(ref, source, self.reception.clock())))

    def certificate(self, call: Call, ref: str) -> Response:
        """The evidence on a source's own request."""
        source = self._known(call, call.path.encode()).source
        name = {"Content-Disposition": f'attachment; filename="{ref}.zip"'}
        content = self.records.certificate(ref, source)
        return Response(content, headers=name, media_type="application/zip")

    def checkpoint(self, call: Call) -> Response:
        """Where the log ends."""
        return Response(self.records.checkpoint(), media_type="application/json")

    def _known(self, call: Call, content: bytes) -> signing.Signed:
        now = self.reception.clock()
        signed = signing.verified(call.headers, content, self.keys.of, now=now)
        self.quotas.take(signed.source)
        return signed

    def _incoming(self, demand: Demand, source: str, key: str) -> Incoming:
        at = demand.received_at or self.reception.clock()
        return Incoming(demand.selector, at, demand.jurisdiction, source, key, demand.as_written)


def accepted(receipt: Receipt) -> Response:
    """The same answer whatever was asked for, and whether it came before."""
    content = {"request": receipt.ref, "state": RECEIVED, "due_at": receipt.due_at.isoformat()}
    return JSONResponse(content, 202, {"Location": f"/v1/erasure-requests/{receipt.ref}"})


def _given_key(call: Call) -> str | None:
    key = call.headers.get(KEY)
    if key is not None and not (1 <= len(key) <= _LONGEST_KEY and key.isprintable()):
        raise UsageError(f"{KEY}: expected 1 to {_LONGEST_KEY} printable characters")
    return key
