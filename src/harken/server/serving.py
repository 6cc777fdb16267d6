# SPDX-License-Identifier: Apache-2.0
"""uvicorn as this server wants it: web sockets that tell why they end, and nothing kept for a client that never reads.

Of requests that turn out to be no HTTP it makes no noise. Knows no route.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from asyncio import TimerHandle

import h11
import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from harken.telemetry import traces

STUCK = 300.0
"""Seconds in which a client must have read something of what waits for it. It may be slow: each step is 64 KiB."""
IDLE = 75
"""Seconds for which a connection is kept for the client's next request: longer than between two looks at a job, and
than proxies keep theirs (a minute, as a rule). Whoever asks in the moment in which it is closed has no answer."""
FAREWELL = 2.0
"""Seconds in which web sockets are told that the server stops, before they are cut off."""
MESSAGE_BYTES = 64 * 1024
"""Most that a client may say in one message."""


class Read(asyncio.Protocol):
    """A connection that is cut off when its client takes nothing of what is sent.

    What waits to be read is little: whoever sends waits while it is more than 64 KiB. uvicorn alone would let them wait
    for ever, and, since closing sends first, so would closing.
    """

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _left = 0
    _look: TimerHandle | None = None

    def pause_writing(self) -> None:
        """More waits to be read than should."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Most of it was read."""
        super().resume_writing()
        self._left = sys.maxsize

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        waits = self.transport.get_write_buffer_size()
        if self._look is None and waits:
            self._left = waits
            self._look = self.loop.call_later(STUCK, self._check)

    def _check(self) -> None:
        self._look = None
        left = self.transport.get_write_buffer_size()
        if left and left >= self._left:
            self.transport.abort()
        else:
            self._watch()


class Exchange(Read, H11Protocol):
    """Requests and answers; a request that turns out to be no HTTP in the middle of its body ends as if hung up.

    uvicorn alone would answer 400 and have the application answer as well, which fails, with a traceback in the log
    for every stranger who sends such a thing; and where it has begun to answer, the 400 would fail.
    """

    def on_response_complete(self) -> None:
        """All was sent, and may have to be read yet."""
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Tell the client, if there is still room for it, and the application."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()
        # Before the first request there is none, whatever uvicorn says of its type.
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.cycle.disconnected = True
            self.cycle.message_event.set()


class Socket(Read, WebSocketsSansIOProtocol):
    """A web socket, watched to its end."""

    async def run_asgi(self) -> None:
        """Serve the socket to its end."""
        await super().run_asgi()
        if not self.disconnected:
            self._watch()


class Server(uvicorn.Server):
    """A server that lets web sockets say why they end when it is stopped."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start. Connections have the listening socket's options: an answer's head and its body go out at once.

        asyncio sees to that only where a socket was made for TCP by number. Without it the body of every answer waits
        for the client to say that it has the head, which takes 40 ms.
        """
        for one in sockets or ():
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop. Whoever listens has been told by the time uvicorn closes what is open."""
        end = asyncio.get_running_loop().time() + FAREWELL
        while any(isinstance(one, Socket) for one in self.server_state.connections):
            if self.force_exit or asyncio.get_running_loop().time() >= end:
                break
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)
        # Unless whoever runs it takes the signal, the process ends by it right after this.
        await to_thread.run_sync(traces.close)


def server(app: FastAPI, *, drain: int) -> Server:
    """A server for an application, to be run on sockets that listen. ``drain`` is in seconds."""
    logging.getLogger("uvicorn.error").addFilter(_tells_no_key)
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=drain,
            http=Exchange,
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
