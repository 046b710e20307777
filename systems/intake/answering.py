"""What a call over HTTP is answered: who it is first, then whether he may, then what he asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from fastapi import Response
from fastapi.responses import JSONResponse

from ledger.errors import NotAuthentic
from ledger.inbox import Receipt
from ledger.sources import SourceKeys, signing
from systems.intake.genuine import UNKNOWN, require_genuine
from systems.intake.mapping import Reading
from systems.intake.quotas import Quotas
from systems.intake.read import read
from systems.intake.receiving import Reception
from systems.intake.standing import RECEIVED, Records

ANYBODY = ""
"""Whose quota is used by all who do not say who they are; no source's name."""


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
    mappings: Mapping[str, Reading]

    def receive(self, call: Call) -> Response:
        """Take a request in. Nothing here asks the data, so no answer tells of them."""
        signed = self._known(call, call.body)
        found, own = read(call.headers, call.body), f"nonce {signed.nonce}"
        incoming = found.incoming(signed.source, own, self.reception.clock())
        return accepted(self.reception.take(incoming, nonce=signed.nonce))

    def webhook(self, call: Call, source: str) -> Response:
        """Take in what another system's webhook asks for; one that asks for nothing is answered."""
        reading = self.mappings.get(source)
        if reading is None:
            raise NotAuthentic(UNKNOWN)
        webhook = reading.webhook
        require_genuine(webhook, call.headers, call.body, self.keys.of, self.reception.clock())
        self.quotas.take(webhook.source)
        mapped = reading.read(call.body)
        if mapped is None:
            return JSONResponse({"state": "ignored"}, webhook.answer)
        incoming = mapped.incoming(webhook.source, str(mapped.key), self.reception.clock())
        return accepted(self.reception.take(incoming), webhook.answer)

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
        """Where the log ends, for anybody.

        Who signs has his own quota, so that nobody keeps a source from it by using up all others'.
        """
        if call.headers.get(signing.SIGNATURE) is None:
            self.quotas.take(ANYBODY)
        else:
            self._known(call, call.path.encode())
        return Response(self.records.checkpoint(), media_type="application/json")

    def _known(self, call: Call, content: bytes) -> signing.Signed:
        now = self.reception.clock()
        signed = signing.verified(call.headers, content, self.keys.of, now=now)
        self.quotas.take(signed.source)
        return signed


def accepted(receipt: Receipt, status: int = 202) -> Response:
    """The same answer whatever was asked for, and whether it came before."""
    content = {"request": receipt.ref, "state": RECEIVED, "due_at": receipt.due_at.isoformat()}
    return JSONResponse(content, status, {"Location": f"/v1/erasure-requests/{receipt.ref}"})
