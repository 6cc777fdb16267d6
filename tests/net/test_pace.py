# SPDX-License-Identifier: Apache-2.0
"""Sources that send byte by byte, so that they are never silent and never done."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest
from tests.net.far import Far, response

from harken.errors import FetchTimeout
from harken.net.fetch import fetched
from harken.net.guard import Guard
from harken.net.watch import Limits

SLOW = Limits(max_bytes=1_000_000, idle=2.0, total=60.0, slowest=1000.0)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n" + bytes(600)])
def test_what_drips_is_given_up(head: bytes, far: Far, guard: Guard, spool: Path) -> None:
    """Before the answer, in what tells a page from a file, and in the file."""

    def drip(line: socket.socket, request: bytes) -> None:
        with contextlib.suppress(OSError):
            line.sendall(head or b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not far.closing.wait(0.05):
                line.sendall(b"x")

    url = far.page("/a", drip)
    with pytest.raises(FetchTimeout, match="bytes a second"), fetched(url, spool, guard, SLOW):
        pass


def test_what_is_slow_and_fast_enough_comes(far: Far, guard: Guard, spool: Path) -> None:
    def slowly(line: socket.socket, request: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        for _ in range(60):  # for longer than the pace is looked at
            time.sleep(0.05)
            line.sendall(bytes(1000))

    url = far.page("/a", slowly)
    with fetched(url, spool, guard, SLOW) as landed:
        assert landed.path.stat().st_size == 60_000
    with fetched(far.page("/b", response(b"short")), spool, guard, SLOW) as landed:
        assert landed.path.read_bytes() == b"short"
