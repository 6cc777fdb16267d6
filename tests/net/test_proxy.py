# SPDX-License-Identifier: Apache-2.0
"""The proxy before yt-dlp: whom it lets in, where to, and how much."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from tests.net.far import Far, response

from harken.errors import AddressRefused, UploadTooLarge
from harken.net import proxy as proxy_module
from harken.net.guard import Guard
from harken.net.proxy import Proxy
from harken.net.watch import Limits

LIMITS = Limits(max_bytes=1000)


def ask(
    proxy: Proxy, url: str, *, method: str = "GET", password: str | None = None, body: bytes | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    parts = urlsplit(proxy.url)
    known = password if password is not None else f"{parts.username}:{parts.password}"
    line = http.client.HTTPConnection("127.0.0.1", proxy.port)
    headers = {"Proxy-Authorization": "Basic " + base64.b64encode(known.encode()).decode(), "Connection": "keep-alive"}
    try:
        line.request(method, url, body, headers)
        answer = line.getresponse()
        return answer, answer.read()
    finally:
        line.close()


def test_requests_are_sent_on_and_answers_handed_back(far: Far, guard: Guard) -> None:
    url = far.page("/form", response(b"hello", set_cookie="a=b", content_encoding="gzip"))
    with Proxy(guard, LIMITS) as proxy:
        answer, body = ask(proxy, url, method="POST", body=b"x=1")
        assert (answer.status, body) == (200, b"hello")
        assert answer.headers["Set-Cookie"] == "a=b"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Connection"] == "close"
        answer, body = ask(proxy, url, method="HEAD")
        assert (answer.status, body, answer.headers["Content-Length"]) == (200, b"", "5")
    request = far.requests[0]
    assert request.startswith(b"POST /form HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\nx=1")
    assert b"proxy-" not in request.lower()
    assert request.lower().count(b"\r\nhost:") == 1
    assert proxy.refusal is None


def test_nobody_without_the_password(far: Far, guard: Guard) -> None:
    with Proxy(guard, LIMITS) as proxy:
        for password in ("", "harken:", "harken:guess"):
            assert ask(proxy, far.url(), password=password)[0].status == 407
            assert ask(proxy, f"127.0.0.1:{far.port}", method="CONNECT", password=password)[0].status == 407
    assert far.calls == 0


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "http://10.0.0.1/"),
        ("GET", "http://127.0.0.1:22/"),
        ("GET", "/etc/passwd"),
        ("GET", "ftp://127.0.0.1/"),
        ("CONNECT", "10.0.0.1:443"),
        ("CONNECT", "127.0.0.1:22"),
        ("CONNECT", "0x7f.1:8000"),
        ("CONNECT", "127.0.0.1:8000/x@10.0.0.1"),
        ("CONNECT", "[::1]:8000"),
    ],
)
def test_what_the_guard_refuses(method: str, url: str, guard: Guard) -> None:
    with Proxy(guard, LIMITS) as proxy:
        assert ask(proxy, url, method=method)[0].status in {403, 502}
    assert method == "CONNECT" or isinstance(proxy.refusal, AddressRefused)


def test_a_body_without_a_length(far: Far, guard: Guard) -> None:
    url = far.page("/chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    with Proxy(guard, LIMITS) as proxy:
        assert ask(proxy, url)[1] == b"hello"


def test_a_body_that_breaks_off_does_not_look_whole(far: Far, guard: Guard) -> None:
    url = far.page("/cut", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    with Proxy(guard, LIMITS) as proxy, pytest.raises(http.client.IncompleteRead):
        ask(proxy, url)


@pytest.mark.parametrize("tunnel", [False, True])
def test_everything_that_comes_is_counted(
    tunnel: bool, far: Far, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_module, "_PAGES", 500)
    url = far.page("/some", response(bytes(600)))
    with Proxy(guard, LIMITS) as proxy:
        get = through(proxy, far) if tunnel else lambda: ask(proxy, url)[1]
        assert get() == bytes(600)
        assert get() == bytes(600)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            get()
    assert isinstance(proxy.refusal, UploadTooLarge)


def through(proxy: Proxy, far: Far) -> Callable[[], bytes]:
    def get() -> bytes:
        parts = urlsplit(proxy.url)
        line = http.client.HTTPConnection("127.0.0.1", proxy.port)
        token = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
        line.set_tunnel("127.0.0.1", far.port, {"Proxy-Authorization": f"Basic {token}"})
        try:
            line.request("GET", "/some")
            return line.getresponse().read()
        finally:
            line.close()

    return get
