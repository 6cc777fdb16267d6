# SPDX-License-Identifier: Apache-2.0
"""A recording from a URL into a file: redirects one by one, bytes counted as they come, memory flat.

Knows plain files behind URLs only; pages and playlists are told apart, for :mod:`harken.net.sites`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from urllib.parse import unquote, urljoin

from harken.errors import FetchFailed, InvalidOption
from harken.net.addresses import Target, parse
from harken.net.guard import Guard
from harken.net.http import Answer, exchange
from harken.net.landing import Landed, Landing, Progress, landing
from harken.net.watch import Limits, Watch

AGENT = "harken"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
_HEAD = 512
_PAGE_TYPES = frozenset(
    {
        "text/html",
        "application/xhtml+xml",
        "application/vnd.apple.mpegurl",
        "application/x-mpegurl",
        "audio/mpegurl",
        "audio/x-mpegurl",
        "application/dash+xml",
    }
)
_PAGE = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<!doctype html|<html|<\?xml[^>]*>\s*(<!doctype html|<html|<mpd)|<mpd|#extm3u)", re.IGNORECASE
)


class IsPage(Exception):
    """What is at the address is a page or a playlist: it names recordings, and is none."""


@contextmanager
def fetched(
    url: str,
    folder: Path,
    guard: Guard,
    limits: Limits,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Landed]:
    """The recording at ``url`` in a file in ``folder``, which is gone after the context unless it was taken away.

    Nothing that tells who asks is sent: no cookies, no credentials, no referrer.

    Raises:
        IsPage: there is a page or a playlist.
        InvalidOption: the URL cannot be called.
        AddressRefused: it, or an address that it redirects to, may not be called.
        UploadTooLarge, DiskFull: a limit.
        FetchFailed, FetchTimeout, JobCancelled: it could not be had; nothing is left behind.
    """
    watch = Watch(limits, cancelled)
    target = parse(url)
    with landing(folder, limits, progress) as landed:
        for _ in range(limits.redirects + 1):
            with exchange(guard, target, watch, headers=_HEADERS, tls=tls) as answer:
                if answer.status not in _REDIRECTS:
                    _receive(answer, landed)
                    name = _named(answer, target)
                    break
                target = _next(answer, target)
        else:
            raise FetchFailed(f"the address redirects more than {limits.redirects} times")
        yield landed.landed(name)


def _next(answer: Answer, target: Target) -> Target:
    location = answer.header("location")
    if not location:
        raise FetchFailed("the address redirects to nowhere")
    try:
        # Header bytes beyond ASCII are UTF-8 on the web, where they are there at all.
        return parse(urljoin(target.url, location.encode("latin-1").decode("utf-8", "replace")))
    except (InvalidOption, ValueError) as error:
        raise FetchFailed("the address redirects to one that cannot be called") from error


def _receive(answer: Answer, landed: Landing) -> None:
    if answer.status != 200:
        raise FetchFailed(f"the server at the address answers {answer.status}; check that anybody may read it")
    if answer.header("content-encoding").strip().lower() not in {"", "identity"}:
        # A few bytes could unpack to any number of them.
        raise FetchFailed("the server at the address sends the recording compressed, though it was asked not to")
    length = answer.header("content-length")
    if length.isdecimal():
        landed.announce(int(length))
    head = b""
    for piece in answer.body:
        head += piece
        if len(head) >= _HEAD:
            break
    if _is_page(answer.header("content-type"), head):
        raise IsPage
    landed.write(head)
    for piece in answer.body:
        landed.write(piece)


def _is_page(content_type: str, head: bytes) -> bool:
    """By the bytes; what the server calls it counts for text only."""
    named = content_type.partition(";")[0].strip().lower() in _PAGE_TYPES
    return _PAGE.match(head) is not None or (named and b"\0" not in head)


def _named(answer: Answer, target: Target) -> str:
    message = Message()
    message["content-disposition"] = answer.header("content-disposition")
    return message.get_filename() or unquote(target.path.partition("?")[0]).rpartition("/")[2]
