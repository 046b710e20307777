"""A body that does not come holds no connection for long, and a caller who leaves is no fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from systems.intake import http, problems


class Calling:
    """A call whose body comes as the test has it."""

    def __init__(self, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
        self.stream = pieces


async def never() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.sleep(60)


async def leaves() -> AsyncIterator[bytes]:
    yield b"{"
    raise ClientDisconnect


@pytest.mark.parametrize("pieces", [never, leaves])
def test_what_does_not_come_whole_is_408(pieces: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.05)
    door: Any = http._Door(1_000, None)  # type: ignore[arg-type]
    with pytest.raises(problems.NotSent) as found:
        asyncio.run(door._body(Calling(pieces)))
    assert problems.response_to(found.value).status_code == 408
