# SPDX-License-Identifier: Apache-2.0
"""Clients that wait: noticing that one has hung up, and streams of server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

T = TypeVar("T")


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives, unless the client hangs up first: then it is cancelled and ClientDisconnect raised.

    The request's body must have been read.
    """
    doing = asyncio.create_task(work)
    leaving = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        doing.cancel()
        leaving.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def event(data: dict[str, Any], *, name: str | None = None, id: str | None = None) -> bytes:  # noqa: A002
    """One server-sent event."""
    lines = [f"id: {id}\n"] if id is not None else []
    if name is not None:
        lines.append(f"event: {name}\n")
    lines.append(f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n")
    return "".join(lines).encode()


PING = b": still here\n\n"
"""A comment, which keeps proxies from closing a quiet stream."""


class EventStream(StreamingResponse):
    """A response of server-sent events. Its source must end when the client hangs up."""

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        super().__init__(
            events,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send each event as it comes."""
        async with aclosing(self._events):
            await self.stream_response(send)
