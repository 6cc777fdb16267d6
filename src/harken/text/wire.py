# SPDX-License-Identifier: Apache-2.0
"""One HTTP request at a time that can be given up: JSON there, bytes back.

A server may think for minutes before its first byte, and a blocked read cannot ask whether anybody still waits. So the
exchange runs in a thread of its own, and to give it up is to shut its socket, which tells the server too. Knows nothing
of language models.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from harken.errors import InvalidOption, JobCancelled, TextMisconfigured, TextUnavailable, TextUnusable
from harken.models.http import explain

_CONNECT = 10.0
"""Seconds for a connection."""
_LOOK = 0.1
"""Seconds between two questions whether anybody still waits."""
_LARGEST = 16 * 1024**2
"""Bytes of an answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: requests.structures.CaseInsensitiveDict[str]
    body: bytes


class Broken(Exception):
    """There was no connection, or it broke off; the text says why, for whoever runs the machine."""


class Wire:
    """A server at a base address, with a key."""

    def __init__(self, base_url: str, api_key: str | None, *, timeout: float, direct: bool = False) -> None:
        """``direct`` leaves out the proxies of the environment.

        Raises:
            InvalidOption: that is no address to send a key to.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            raise InvalidOption("HARKEN_LLM_BASE_URL must be http(s)://host[:port]/path, without user name or password")
        self._parts = parts
        self._key = api_key
        self._timeout = timeout
        self._direct = direct

    @property
    def host(self) -> str:
        """For whoever runs the machine: no client is told where the server is."""
        return self._parts.netloc

    def redacted(self, text: str) -> str:
        """``text`` without the key, if it holds it."""
        return text.replace(self._key, "***") if self._key else text

    def post(self, path: str, body: dict[str, Any], cancelled: Callable[[], bool]) -> Reply:
        """The answer to ``body`` at ``path`` below the base address.

        Raises:
            Broken: the connection failed.
            TextUnavailable: it did not come in time.
            TextUnusable: it is too large.
            TextMisconfigured: the server sends us elsewhere.
            JobCancelled: ``cancelled`` became true.
        """
        parts = self._parts
        url = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + path, parts.query, ""))
        exchange = _Exchange(url, body, self._sign, self._timeout, direct=self._direct)
        until = time.monotonic() + self._timeout
        try:
            while not exchange.done.wait(_LOOK):
                if cancelled():
                    raise JobCancelled("the text was not wanted any more")
                if time.monotonic() > until:
                    raise self._late()
        finally:
            exchange.give_up()
        if exchange.reply is None:
            if isinstance(exchange.error, requests.Timeout):
                raise self._late()
            if exchange.error is None:
                told = f"the language model's server answers with more than {_LARGEST} bytes"
                raise TextUnusable(told, detail=self.host)
            raise Broken(f"{self.host}: {self.redacted(explain(exchange.error))}")
        if 300 <= exchange.reply.status < 400:
            raise TextMisconfigured(
                "the language model's server redirects to another address; set HARKEN_LLM_BASE_URL to that one",
                detail=self.host,
            )
        return exchange.reply

    def _late(self) -> TextUnavailable:
        return TextUnavailable(
            f"the language model's server did not answer within {self._timeout:g} s", detail=self.host
        )

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # Given as auth even without a key: else requests would send what a netrc file has for the host.
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class _Exchange:
    """A request on its way."""

    def __init__(
        self,
        url: str,
        body: dict[str, Any],
        sign: Callable[[requests.PreparedRequest], requests.PreparedRequest],
        timeout: float,
        *,
        direct: bool,
    ) -> None:
        self.done = threading.Event()
        self.reply: Reply | None = None
        self.error: Exception | None = None
        self._url, self._body, self._sign, self._timeout, self._direct = url, body, sign, timeout, direct
        self._adapter = _Adapter()
        threading.Thread(target=self._run, name="harken-text", daemon=True).start()

    def give_up(self) -> None:
        """Have the request end, if it has not."""
        if not self.done.is_set():
            self._adapter.shut()

    def _run(self) -> None:
        try:
            with requests.Session() as session:
                session.trust_env = not self._direct
                session.headers.update({"User-Agent": "harken", "Accept": "application/json"})
                session.mount("http://", self._adapter)
                session.mount("https://", self._adapter)
                self._exchange(session)
        except Exception as error:  # noqa: BLE001 -- told by the thread that waits
            self.error = error
        finally:
            self.done.set()

    def _exchange(self, session: requests.Session) -> None:
        with session.post(
            self._url,
            json=self._body,
            auth=self._sign,
            timeout=(_CONNECT, self._timeout),
            allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            for chunk in response.iter_content(65536):
                body += chunk
                if len(body) > _LARGEST:
                    return
            self.reply = Reply(response.status_code, response.headers, bytes(body))


class _Adapter(HTTPAdapter):
    """Remembers the connections that it opens, to be able to shut them from another thread."""

    def __init__(self) -> None:
        self._opened: list[urllib3.connection.HTTPConnection] = []
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> urllib3.HTTPConnectionPool:
        """See :class:`requests.adapters.HTTPAdapter`."""
        pool = cast("urllib3.HTTPConnectionPool", super().get_connection_with_tls_context(*args, **more))
        kind, opened = pool.ConnectionCls, self._opened

        class Noted(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                opened.append(self)

        pool.ConnectionCls = Noted
        return pool

    def shut(self) -> None:
        """Shut every connection."""
        for connection in self._opened:
            line = connection.sock
            if line is not None:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
