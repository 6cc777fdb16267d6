# SPDX-License-Identifier: Apache-2.0
"""uvicorn as this server wants it: web sockets that tell why they end, and none kept for a client that never reads.

Knows no route.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from asyncio import TimerHandle

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

STUCK = 300.0
"""Seconds in which a client must have read something of what waits for it. It may be slow: each step is 64 KiB."""
FAREWELL = 2.0
"""Seconds in which web sockets are told that the server stops, before they are cut off."""
MESSAGE_BYTES = 64 * 1024
"""Most that a client may say in one message."""


class Socket(WebSocketsSansIOProtocol):
    """A web socket that is cut off when its client takes nothing of what is sent.

    uvicorn alone would wait for it for ever: while it sends, and, since closing sends first, while it closes.
    """

    _left = 0
    _look: TimerHandle | None = None

    def pause_writing(self) -> None:
        """More waits to be read than should."""
        super().pause_writing()
        self._watch()

    async def run_asgi(self) -> None:
        """Serve the socket to its end."""
        await super().run_asgi()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self._look is None and not self.disconnected:
            self._left = self.transport.get_write_buffer_size()
            self._look = self.loop.call_later(STUCK, self._check)

    def _check(self) -> None:
        self._look = None
        left = self.transport.get_write_buffer_size()
        if left and left >= self._left:
            self.transport.abort()
        elif left:
            self._watch()


class Server(uvicorn.Server):
    """A server that lets web sockets say why they end when it is stopped."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop. Whoever listens has been told by the time uvicorn closes what is open."""
        end = asyncio.get_running_loop().time() + FAREWELL
        while any(isinstance(one, Socket) for one in self.server_state.connections):
            if self.force_exit or asyncio.get_running_loop().time() >= end:
                break
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


def server(app: FastAPI, *, drain: int) -> Server:
    """A server for an application, to be run on sockets that listen. ``drain`` is in seconds."""
    logging.getLogger("uvicorn.error").addFilter(_tells_no_key)
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=drain,
            ws=Socket,
            ws_max_size=MESSAGE_BYTES,
            # A client that is slow answers no ping in time either, since it has all before to read.
            ws_ping_timeout=None,
            ws_per_message_deflate=False,
        )
    )


def _tells_no_key(record: logging.LogRecord) -> bool:
    """Of web sockets uvicorn logs queries, and headers where it is debugged: clients write keys into both."""
    return record.levelno > logging.DEBUG and '"WebSocket %s"' not in str(record.msg)
