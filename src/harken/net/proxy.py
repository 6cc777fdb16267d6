# SPDX-License-Identifier: Apache-2.0
"""A forward proxy on loopback for one program, whose whole traffic so goes through the guard.

It takes CONNECT, for TLS, and URLs in absolute form; it wants a password that only that program is told; it adds up
what comes. It holds no rules of its own.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import secrets
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from harken.errors import AddressRefused, FetchTimeout, HarkenError, InvalidOption
from harken.net.addresses import parse
from harken.net.guard import Guard
from harken.net.http import Answer, Line, exchange
from harken.net.landing import too_large
from harken.net.watch import Limits, Watch

_PAGES = 64 * 1024**2
"""Bytes that pages, scripts and lists may have beside the recording."""
_BODY = 1024**2
"""Bytes of a request's body."""
_BLOCK = 65536
_HOP = frozenset(
    {
        "connection",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that are for one connection, and not for whoever is behind the proxy."""


class Proxy:
    """Runs within its context. ``refusal`` is the first thing that it did not let through."""

    def __init__(self, guard: Guard, limits: Limits, cancelled: Callable[[], bool] | None = None) -> None:
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._spent = 0
        self._limits = limits
        self.guard = guard
        self.watch = Watch(limits, lambda: self._closing.is_set() or (cancelled is not None and cancelled()))
        self.refusal: HarkenError | None = None
        user, password = "harken", secrets.token_urlsafe(16)
        self.expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._server = _Server(("127.0.0.1", 0), self)
        self.port = int(self._server.server_address[1])
        self.url = f"http://{user}:{password}@127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="harken-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def spend(self, size: int) -> None:
        """Add to what has come. Raises UploadTooLarge."""
        with self._lock:
            self._spent += size
            if self._spent > self._limits.max_bytes + _PAGES:
                raise self.refuse(too_large(self._limits))

    def refuse(self, error: HarkenError) -> HarkenError:
        """Note ``error`` as what was not let through."""
        if self.refusal is None:
            self.refusal = error
        return error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The program hung up; it knows."""


class _Handler(BaseHTTPRequestHandler):
    """One request, and the connection is closed: the next one may be for somebody else."""

    protocol_version = "HTTP/1.1"
    server: _Server
    _begun = False

    def parse_request(self) -> bool:
        """Let in whoever knows the password."""
        if not super().parse_request():
            return False
        self.close_connection = True
        if hmac.compare_digest(self.headers.get("Proxy-Authorization", ""), self.server.proxy.expected):
            return True
        self._begin(407, [("Proxy-Authenticate", "Basic"), ("Content-Length", "0")])
        return False

    def do_CONNECT(self) -> None:
        """A tunnel: what is in it is between the program and the server behind."""
        proxy = self.server.proxy
        with self._refusing():
            target = parse(f"https://{self.path}/")
            with proxy.guard.connect(target.host, target.port, proxy.watch) as far:
                self._begin(200, [])
                self._relay(far)

    def do_GET(self) -> None:
        """A request that is sent on for the program."""
        proxy = self.server.proxy
        with self._refusing():
            target = parse(self.path)
            length = self.headers.get("Content-Length", "0")
            if not length.isdecimal() or int(length) > _BODY:
                raise InvalidOption("the body is too long")
            body = self.rfile.read(int(length)) if int(length) else None
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            with exchange(proxy.guard, target, proxy.watch, method=self.command, headers=headers, body=body) as answer:
                self._pass_on(answer)

    do_HEAD = do_POST = do_GET  # noqa: N815 -- named by http.server

    def _pass_on(self, answer: Answer) -> None:
        fields = [(name, value) for name, value in answer.fields if name.lower() not in _HOP]
        # In chunks where its length is not known: a body that is cut short must not look whole.
        chunked = self.command != "HEAD" and not answer.header("content-length")
        self._begin(answer.status, [*fields, ("Transfer-Encoding", "chunked")] if chunked else fields)
        for piece in answer.body:
            self.server.proxy.spend(len(piece))
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _relay(self, far: socket.socket) -> None:
        proxy = self.server.proxy
        near = self.connection
        other = {near: Line(far, proxy.watch), far: Line(near, proxy.watch)}
        with selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ)
            ready.register(far, selectors.EVENT_READ)
            wait = proxy.watch.waits()
            while True:
                for key, _ in ready.select(wait.slice()):
                    assert isinstance(key.fileobj, socket.socket)
                    piece = key.fileobj.recv(_BLOCK)
                    if not piece:
                        return
                    proxy.spend(len(piece))
                    other[key.fileobj].write(piece)
                    wait = proxy.watch.waits()

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        """Tell the program what is not let through or cannot be reached; what has begun is cut off."""
        proxy = self.server.proxy
        try:
            yield
        except AddressRefused as error:
            proxy.refuse(error)
            self._refused(403)
        except InvalidOption:
            proxy.refuse(AddressRefused("the page at the address leads to one that this server may not call"))
            self._refused(403)
        except FetchTimeout:
            self._refused(504)
        except HarkenError:
            self._refused(502)

    def _refused(self, status: int) -> None:
        if not self._begun:
            self._begin(status, [("Content-Length", "0")])

    def _begin(self, status: int, fields: list[tuple[str, str]]) -> None:
        self._begun = True
        self.send_response_only(status)
        for name, value in fields:
            self.send_header(name, value)
        if self.command != "CONNECT":
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- named by http.server
        """Nothing: what a page refers to is in no log."""
