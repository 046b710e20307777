"""What is wrong with a call, as RFC 9457 has it; our own errors are in one line and name nobody."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from ledger.errors import KeyConflict, NotAuthentic, Replayed, UnknownReference
from systems.intake.quotas import OverQuota
from unlearning.errors import (
    InfrastructureError,
    IntegrityError,
    LetheError,
    RequestDenied,
    UsageError,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
AGAIN = 10
"""Seconds after which a call is worth another try, where nobody knows better."""


class TooLarge(UsageError):
    """A body of more bytes than are taken."""


class NotSent(UsageError):
    """A body that was not sent whole, or not in time."""


# The first that fits.
STATUS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (NotAuthentic, HTTPStatus.UNAUTHORIZED),
    (Replayed, HTTPStatus.UNAUTHORIZED),
    (KeyConflict, HTTPStatus.CONFLICT),
    (UnknownReference, HTTPStatus.NOT_FOUND),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (NotSent, HTTPStatus.REQUEST_TIMEOUT),
    (OverQuota, HTTPStatus.TOO_MANY_REQUESTS),
    (RequestDenied, HTTPStatus.FORBIDDEN),
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InfrastructureError, HTTPStatus.SERVICE_UNAVAILABLE),
    (IntegrityError, HTTPStatus.SERVICE_UNAVAILABLE),
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def response_to(problem: Exception) -> JSONResponse:
    """Put an error into an answer; of one that nobody foresaw only its kind is told, and logged."""
    status = next((code for kind, code in STATUS if isinstance(problem, kind)), None)
    if status is None or not isinstance(problem, LetheError):
        logger.error("unforeseen: %s", type(problem).__name__)
        return answer(HTTPStatus.INTERNAL_SERVER_ERROR, "unforeseen; the operator's log has more")
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        logger.error("%s", problem)
        return answer(status, "not now; send the same again later", {"Retry-After": str(AGAIN)})
    again = {"Retry-After": str(problem.seconds)} if isinstance(problem, OverQuota) else {}
    return answer(status, str(problem), again)


def answer(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem of this status."""
    title = HTTPStatus(status).phrase
    content = {"type": "about:blank", "title": title, "status": int(status), "detail": detail}
    return JSONResponse(content, status, headers, MEDIA_TYPE)
