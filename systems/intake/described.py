"""How each call is described in OpenAPI: what it takes, and every answer that it may give."""

from __future__ import annotations

from typing import Any

from ledger.sources import signing
from systems.intake import cloud_events, demands, problems

VERSION = "1"
ABOUT = (
    "Deletion requests come in here and are answered before anybody has looked at the data. Calls "
    "are signed with the secret that `lethe source add` showed: HMAC-SHA256, in hexadecimal, over "
    "`TIMESTAMP.NONCE.BODY`, or over `TIMESTAMP.NONCE.PATH` for a call without a body."
)


def _header(name: str, about: str, *, required: bool = True, **schema: Any) -> dict[str, Any]:
    described = {"type": "string", **schema}
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": about,
        "schema": described,
    }


SIGNED = [
    _header(signing.SOURCE, "Name of the source.", pattern="^[a-z0-9][a-z0-9-]{0,39}$"),
    _header(signing.TIMESTAMP, "Seconds since 1970, at most 300 off.", pattern="^[0-9]{1,12}$"),
    _header(signing.NONCE, "Never used before.", pattern="^[A-Za-z0-9_-]{16,128}$"),
    _header(signing.SIGNATURE, "HMAC-SHA256.", pattern="^[0-9a-f]{64}$"),
]
KEYED = _header(
    "Idempotency-Key",
    "The same key with the same content is one request, however often it comes.",
    required=False,
    minLength=1,
    maxLength=200,
    pattern="^[!-~]+$",
)

_WORDS = {
    408: "The body did not come whole in time.",
    401: "Not signed by a known source, too old, or a nonce that came before.",
    403: "This source may not fetch certificates.",
    404: "No such request of this source, or no certificate yet.",
    409: "The idempotency key came before with another content.",
    413: "The body is too long.",
    422: "The body is malformed.",
    429: "Over the source's quota; Retry-After says for how many seconds.",
    503: "The service cannot take it now; Retry-After says when to send it again.",
}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {problems.MEDIA_TYPE: {"schema": problems.SCHEMA}}
    return {status: {"description": _WORDS[status], "content": content} for status in statuses}


def _json(about: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {"description": about, "content": {"application/json": {"schema": schema}}}


_TEXT, _MOMENT = {"type": "string"}, {"type": "string", "format": "date-time"}
_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": demands.SCHEMA},
        cloud_events.STRUCTURED: {
            "schema": {
                "type": "object",
                "title": "ErasureRequestEvent",
                "required": ["specversion", "id", "source", "type", "data"],
                "properties": {
                    "specversion": {"const": "1.0"},
                    "id": {"type": "string", "minLength": 1},
                    "source": {"type": "string", "format": "uri-reference", "minLength": 1},
                    "type": {"const": cloud_events.TYPE},
                    "data": demands.SCHEMA,
                },
            }
        },
    },
}

RECEIVE: dict[str, Any] = {
    "responses": {
        202: _json(
            "Received: it will be settled by its deadline.",
            request=_TEXT,
            state={"const": "received"},
            due_at=_MOMENT,
        ),
        **_problems(401, 408, 409, 413, 422, 429, 503),
    },
    "openapi_extra": {"parameters": [*SIGNED, KEYED], "requestBody": _BODY},
}
WEBHOOK: dict[str, Any] = {
    "responses": {
        202: _json("Received, or of no concern; the mapping may name another status."),
        **_problems(401, 408, 409, 413, 422, 429, 503),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
}
STANDING: dict[str, Any] = {
    "responses": {
        200: _json(
            "How it stands.",
            request=_TEXT,
            state={"enum": ["received", "in_progress", "closed"]},
            due_at=_MOMENT,
        ),
        **_problems(401, 404, 408, 413, 429, 503),
    },
    "openapi_extra": {"parameters": SIGNED},
}
CERTIFICATE: dict[str, Any] = {
    "responses": {
        200: {
            "description": "The sealed bundle, for `lethe verify` once it is unpacked.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        },
        **_problems(401, 403, 404, 408, 413, 429, 503),
    },
    "openapi_extra": {"parameters": SIGNED},
}
CHECKPOINT: dict[str, Any] = {
    "responses": {
        200: _json("Where the log ends.", head=_TEXT, entries={"type": "integer"}, signature=_TEXT),
        **_problems(401, 408, 413, 429, 503),
    }
}
HEALTH: dict[str, Any] = {
    "responses": {
        200: _json("All is well.", ok={"const": True}),
        503: _json("A part is not well.", ok={"const": False}),
    }
}
METRICS: dict[str, Any] = {
    "responses": {
        200: {
            "description": "Prometheus' text format.",
            "content": {"text/plain": {"schema": _TEXT}},
        }
    }
}
