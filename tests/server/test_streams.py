# SPDX-License-Identifier: Apache-2.0
"""Streams of server-sent events, and answers, for clients that are slow to read or never do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

import pytest
from tests.server.conftest import PATIENCE, until
from tests.server.test_live import listeners, start, talk

from harken.server import serving

if TYPE_CHECKING:
    from tests.server.conftest import Running


@contextlib.contextmanager
def asked(server: Running, path: str) -> Iterator[socket.socket]:
    """A client that has asked for something, and has room for little that it has not read."""
    with socket.socket() as connection:
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        yield connection


def everything(connection: socket.socket) -> bytes:
    """What can be read until the connection ends, however that is."""
    told = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            told += piece
    return told


class Wire(asyncio.Transport):
    """A connection on which so much waits to be read."""

    waits = 0
    aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waits

    def abort(self) -> None:
        self.aborted = True


class Clock:
    """What a connection has of an event loop, whose time goes on when it is told to."""

    def __init__(self) -> None:
        self.due: list[Callable[[], object]] = []

    def call_later(self, delay: float, callback: Callable[[], object]) -> object:
        assert delay == serving.STUCK
        self.due.append(callback)
        return callback

    def pass_by(self) -> bool:
        """Let the time pass after which a connection is looked at; whether it was to be."""
        due, self.due = self.due, []
        for callback in due:
            callback()
        return bool(due)


class Watched(serving.Read):
    def __init__(self, loop: Clock) -> None:
        self.wire = self.transport = Wire()
        self.loop = cast("asyncio.AbstractEventLoop", loop)

    def wait(self, size: int) -> None:
        self.wire.waits = size
        self.pause_writing()


def test_only_who_reads_nothing_at_all_is_dropped() -> None:
    clock = Clock()
    slow = Watched(clock)
    slow.wait(100_000)
    for left in (90_000, 50_000, 20_000):
        slow.wire.waits = left
        assert clock.pass_by()
    # More is sent as soon as there is room: that as much waits as before is no sign of anything.
    slow.wire.waits = 10_000
    slow.resume_writing()
    slow.wait(120_000)
    assert clock.pass_by()
    slow.wire.waits = 0
    assert clock.pass_by()
    assert not clock.pass_by(), "all was read, and nobody looks any more"
    assert not slow.wire.aborted

    stuck = Watched(clock)
    stuck.wait(100_000)
    assert clock.pass_by()
    assert stuck.wire.aborted


def test_who_never_reads_events_is_dropped(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "STUCK", 0.2)
    server.backend.results = talk(300, 40_000)
    server.backend.hold()
    job = start(server)
    with asked(server, f"/v1/transcription-jobs/{job}/events") as stuck:
        until(lambda: listeners(server, job) == 1)
        server.backend.go()
        until(lambda: listeners(server, job) == 0)
        assert everything(stuck).count(b"x" * 40_000) < 300
