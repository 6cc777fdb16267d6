# SPDX-License-Identifier: Apache-2.0
"""One HTTP request through the guard: no redirect is followed, nothing is decoded, nothing remembered.

The protocol is httpcore's; the connection under it is ours, so that the guard, the clock and whoever cancels have a say
at every byte.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore2 as httpcore

from harken.errors import FetchFailed, FetchTimeout
from harken.net.addresses import Target
from harken.net.guard import Guard
from harken.net.watch import Watch

# Its debug lines hold headers and paths of strangers' requests.
logging.getLogger("httpcore2").setLevel(logging.WARNING)

_BLOCK = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its head, and its body as it comes."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: Iterator[bytes]

    def header(self, name: str) -> str:
        """The first header of that name, in whatever case; empty without one."""
        return next((value for key, value in self.fields if key.lower() == name), "")


@contextmanager
def exchange(
    guard: Guard,
    target: Target,
    watch: Watch,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Answer]:
    """Send one request and yield what is answered; the connection is closed after the context.

    ``headers`` are all that is sent, beside Host, Content-Length and Connection.

    Raises:
        AddressRefused: the guard does not let it through.
        FetchFailed: there is no connection, it breaks off, or what comes is not HTTP; while the body is read, too.
        FetchTimeout, JobCancelled.
    """
    request = [("Host", target.authority), *(headers or {}).items(), ("Connection", "close")]
    with (
        _explained(),
        httpcore.ConnectionPool(ssl_context=tls, network_backend=_Backend(guard, watch)) as pool,
        pool.stream(
            method,
            httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path),
            headers=request,
            content=body,
        ) as response,
    ):
        fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers)
        yield Answer(response.status, fields, _read(response.iter_stream()))


def _read(body: Iterator[bytes]) -> Iterator[bytes]:
    with _explained():
        yield from body


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise FetchTimeout("the server at the address does not answer in time") from error
    except httpcore.RemoteProtocolError as error:
        raise FetchFailed("the server at the address broke off, or does not speak HTTP", detail=str(error)) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise FetchFailed("the connection to the address broke off", detail=str(error)) from error


class _Backend(httpcore.NetworkBackend):
    """Connections through the guard."""

    def __init__(self, guard: Guard, watch: Watch) -> None:
        self._guard = guard
        self._watch = watch

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 -- the watch has the limits
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        return Line(self._guard.connect(host, port, self._watch), self._watch)


class Line(httpcore.NetworkStream):
    """A connection whose every wait is bounded, whatever the pace at which bytes come."""

    def __init__(self, line: socket.socket, watch: Watch) -> None:
        self._line = line
        self._watch = watch
        self._pace = watch.pace()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 -- the watch has the limits
        """What has come, at least a byte; nothing at the end."""
        wait = self._watch.waits()
        while True:
            self._line.settimeout(wait.slice())
            try:
                piece = self._line.recv(max_bytes)
                self._pace.came(len(piece))
                return piece
            except TimeoutError:
                continue
            except OSError as error:
                raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Send all of it."""
        rest = memoryview(buffer)
        wait = self._watch.waits()
        while rest:
            self._line.settimeout(wait.slice())
            try:
                rest = rest[self._line.send(rest[:_BLOCK]) :]
            except TimeoutError:
                continue
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error
            wait = self._watch.waits()

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted; the certificate is for the name, whatever the address."""
        try:
            self._line.settimeout(self._watch.connecting())
            return Line(ssl_context.wrap_socket(self._line, server_hostname=server_hostname), self._watch)
        except TimeoutError as error:
            raise FetchTimeout("the server at the address does not answer in time") from error
        except ssl.SSLCertVerificationError as error:
            raise FetchFailed(
                f"the certificate of the server at the address is not trusted: {error.verify_message}"
            ) from error
        except OSError as error:
            raise FetchFailed("the server at the address does not speak TLS as it should", detail=str(error)) from error

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for."""
        if info == "ssl_object" and isinstance(self._line, ssl.SSLSocket):
            return self._line
        return self._line if info == "socket" else None
