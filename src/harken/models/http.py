# SPDX-License-Identifier: Apache-2.0
"""Downloads that go on where they were cut off.

Knows HTTP and the user's proxies and certificates (from the environment, as ``requests`` and ``pip`` read them);
knows no hub and no index.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3.exceptions
from requests.auth import AuthBase, HTTPBasicAuth

from harken.models.delivery import CHUNK, Expected, Meter, SourceFailed, WrongBytes

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for the next bytes."""

RETRIES = 3
"""How often a transfer that broke off is taken up again without getting any further."""

_PAUSE = 0.5
_PASSING = frozenset({429, 500, 502, 503, 504})

# What the network did, as opposed to the disk: RequestException is an OSError too, so it is always caught first.
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class _Busy(requests.ConnectionError):
    """The server asks to come back later."""


def session(
    *, ca_bundle: str | None = None, client_cert: str | None = None, proxy: str | None = None
) -> requests.Session:
    """A session with the user's certificates and proxy; the environment's hold where none is given."""
    made = requests.Session()
    made.headers["User-Agent"] = "harken"
    # Ranges and lengths count the bytes of the file itself, so it must come as it is.
    made.headers["Accept-Encoding"] = "identity"
    bundle = ca_bundle or os.environ.get("SSL_CERT_FILE")
    if bundle:
        made.verify = bundle
    if client_cert:
        made.cert = client_cert
    if proxy:
        made.proxies = {"http": proxy, "https": proxy}
    return made


def redacted(url: str) -> str:
    """``url`` without user name, password and query, for messages."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, _host(url), parts.path, "", ""))


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


class HostAuth(AuthBase):
    """User name and password for one host, not for whatever hosts it links to."""

    def __init__(self, url: str) -> None:
        self._host = _host(url)
        user, password = requests.utils.get_auth_from_url(url)
        self._basic = HTTPBasicAuth(user, password) if user else None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign requests to that host."""
        if self._basic is not None and _host(str(request.url)) == self._host:
            self._basic(request)
        return request


def explain(error: Exception) -> str:
    """Why a request failed, in plain words."""
    if isinstance(error, _Busy):
        return str(error)
    reason = getattr(error.args[0], "reason", None) if error.args else None
    host = (
        urlsplit(str(error.request.url)).hostname
        if isinstance(error, requests.RequestException) and error.request
        else ""
    )
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return f"the name {host} cannot be resolved"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate of {host} is not trusted"
    if isinstance(error, requests.Timeout):
        return f"{host} does not answer"
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return f"{host} cannot be reached"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return refusal(error.response)
    if isinstance(error, BROKEN):
        return f"the connection to {host} broke off" if host else "the connection broke off"
    return f"{type(error).__name__}: {error}"


def refusal(response: requests.Response) -> str:
    """What a server said in place of a file."""
    return f"{response.status_code} {response.reason or ''} for {redacted(response.url)}".replace("  ", " ")


def obtain(
    http: requests.Session,
    url: str,
    target: Path,
    expected: Expected,
    meter: Meter,
    *,
    headers: dict[str, str] | None = None,
) -> None:
    """Have ``target`` be the file at ``url``, as ``expected``, going on from what an earlier try left there.

    Raises:
        SourceFailed: it could not be had; what arrived stays, for the next try.
        WrongBytes: it is something else; nothing stays.
    """
    resumed = target.exists()
    try:
        if not (resumed and target.stat().st_size == expected.size):
            _download(http, url, target, expected.size, meter, headers or {})
        expected.check(target)
    except WrongBytes:
        _discard(target, meter)
        if not resumed:
            raise
        # The beginning was from an earlier try, perhaps of other bytes: once more, from the start.
        obtain(http, url, target, expected, meter, headers=headers)


def _discard(target: Path, meter: Meter) -> None:
    if target.exists():
        meter.add(-target.stat().st_size, target.name)
        target.unlink()


def _download(
    http: requests.Session, url: str, target: Path, size: int | None, meter: Meter, headers: dict[str, str]
) -> None:
    best = target.stat().st_size if target.exists() else 0
    meter.add(best, target.name)
    started = best > 0
    stalled = 0
    while True:
        try:
            whole = _transfer(http, url, target, size, meter, headers)
            have = target.stat().st_size
            if have >= whole:
                return
            problem = f"{target.name} ended after {have} of {whole} bytes"
        except BROKEN as error:
            problem = explain(error)
        have = target.stat().st_size if target.exists() else 0
        started = started or have > 0
        if not started:
            raise SourceFailed(problem)
        stalled = 0 if have > best else stalled + 1
        best = max(best, have)
        if stalled > RETRIES:
            raise SourceFailed(f"{problem}, and again each time it was taken up")
        time.sleep(_PAUSE * stalled)


def _transfer(
    http: requests.Session, url: str, target: Path, size: int | None, meter: Meter, headers: dict[str, str]
) -> int:
    """One request, from where ``target`` ends; returns the size of the whole file, 0 where nobody says it."""
    have = target.stat().st_size if target.exists() else 0
    ask = {**headers, "Range": f"bytes={have}-"} if have else headers
    with http.get(url, headers=ask, stream=True, timeout=TIMEOUT) as response:
        if response.status_code in _PASSING:
            raise _Busy(refusal(response))
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            if total == str(have) and size is None:
                return have
            raise WrongBytes(f"{target.name} has {total or 'fewer'} bytes there, with {have} here already")
        if not response.ok:
            raise SourceFailed(refusal(response))
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if have and not (response.status_code == requests.codes.partial_content and goes_on):
            _discard(target, meter)
            have = 0
        length = int(response.headers.get("Content-Length", 0))
        whole = size or (have + length if length else 0)
        with target.open("ab") as out:
            for chunk in _arriving(response):
                have += len(chunk)
                if size is not None and have > size:
                    raise WrongBytes(f"{target.name} has more than {size} bytes")
                out.write(chunk)
                meter.add(len(chunk), target.name)
        return whole


def _arriving(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives. ``iter_content`` would throw away what came of a piece that a broken line cuts short."""
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            yield chunk
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error, request=response.request) from error
