# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that answers as a test says: by plain sockets, so that it can be as wrong as the internet."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

Answer = Callable[[socket.socket, bytes], None]
"""Is given the connection and the request that was read: head and body."""


def response(body: bytes = b"", status: str = "200 OK", **fields: str) -> bytes:
    """A whole response. ``content_type`` becomes Content-Type; Content-Length is there unless it is given."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    named.setdefault("content-length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


class Far:
    """Listens on a free port. ``requests`` has the head and body of every request, ``calls`` counts connections."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.calls = 0
        self.names: list[str | None] = []
        self._pages: dict[str, Answer | bytes] = {}
        self._tls = tls
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        if tls is not None:
            tls.sni_callback = lambda _line, name, _context: self.names.append(name)
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def page(self, path: str, answer: Answer | bytes) -> str:
        """Answer ``path`` so; returns its URL."""
        self._pages[path] = answer
        return self.url(path)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    @property
    def closing(self) -> threading.Event:
        """Set when the test is over: what goes on for ever looks at it."""
        return self._closing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in list(self._open):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            thread = threading.Thread(target=self._answer, args=(line,))
            self._threads.append(thread)
            thread.start()

    def _answer(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls is not None:
                line = self._tls.wrap_socket(line, server_side=True)
            self._open.add(line)
            with line:
                request = _read(line)
                self.requests.append(request)
                path = request.split(b" ", 2)[1].decode()
                answer = self._pages.get(path.partition("?")[0], response(b"nothing here", "404 Not Found"))
                if callable(answer):
                    answer(line, request)
                else:
                    line.sendall(answer)
        self._open.discard(line)
        line.close()


def _read(line: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        piece = line.recv(65536)
        if not piece:
            raise OSError("hung up")
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    length = next((int(row[15:]) for row in head.lower().split(b"\r\n") if row.startswith(b"content-length:")), 0)
    while len(body) < length:
        piece = line.recv(65536)
        if not piece:
            raise OSError("hung up")
        body += piece
    return head + b"\r\n\r\n" + body
