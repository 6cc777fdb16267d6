# SPDX-License-Identifier: Apache-2.0
"""Recordings in an S3-compatible store, read in ranges: memory and traffic do not grow with what is not heard.

A :class:`Remote` is a few words that cross a pipe; whoever opens it finds keys and addresses in its own environment, by
the names that every S3 tool knows (``AWS_...``). What the store answers is told here in harken's errors. Knows no job.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from harken.errors import AudioGone, StorageMisconfigured, StorageUnavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Store

FIRST = 256 * 1024
"""Bytes of the first range, and of each behind a jump."""
LARGEST = 2 * 1024**2
"""Bytes of a range, once a recording is read on and on: each is twice the one before."""
KEPT = 2 * LARGEST
"""Bytes that an open recording keeps of what it read last: containers go to and fro between two places."""
ALLOWANCE = 30.0
"""Seconds that one range may take, after which the store counts as away."""

_MISCONFIGURED = {
    "AccessDenied": "the keys may not do this: grant them s3:ListBucket, GetObject, PutObject and DeleteObject",
    "AuthorizationHeaderMalformed": "the region is wrong: set AWS_REGION to the bucket's",
    "ExpiredToken": "the keys have expired: set new ones",
    "InvalidAccessKeyId": "the key is not known there: look at AWS_ACCESS_KEY_ID",
    "InvalidBucketName": "no bucket can have this name: look at HARKEN_BLOBS",
    "NoSuchBucket": "the bucket is not there: make it, or look at HARKEN_BLOBS",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION to it",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "SignatureDoesNotMatch": "the secret key is wrong: look at AWS_SECRET_ACCESS_KEY",
}
"""What operators can do about an answer of the store, by its code."""
_NO_KEYS = "no keys were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role"
_METADATA = ("169.254.169.254", "latest/api/token", "security-credentials")
"""What errors speak of when keys were looked for where a cloud's machines have them."""

Waiting = Callable[[float], None]
"""Is told before a range that it may take so many seconds, and after it, as a negative number, how many it did not."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A recording in a bucket. Holds no secret."""

    url: str
    """``s3://bucket/prefix``"""
    key: str
    size: int
    """Bytes."""

    def open(self, waiting: Waiting = lambda _: None) -> BinaryIO:
        """The recording as a file that can seek.

        Its reads raise StorageUnavailable when the store does not answer, and AudioGone when it has been removed.
        """
        client = connect(self.url, timeout="20s", read_timeout="8s", retry=6.0)
        return cast("BinaryIO", _Ranges(client, self, waiting))


Stored = Path | Remote
"""Where a recording is kept."""


def connect(url: str, *, timeout: str, retry: float, read_timeout: str | None = None) -> S3Store:
    """A client of the bucket that ``url`` names, with keys, region and address from the environment.

    ``timeout`` is that of a request, ``read_timeout`` that of silence in it, and ``retry`` the seconds after which none
    is tried again. Raises StorageMisconfigured, ImportError.
    """
    return _connect(url, timeout, read_timeout, retry, os.getpid())


@cache
def _connect(url: str, timeout: str, read_timeout: str | None, retry: float, _process: int) -> S3Store:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
    from obstore.store import S3Store  # noqa: PLC0415

    options = client_options(timeout)
    if read_timeout is not None:
        options["read_timeout"] = read_timeout
    try:
        return S3Store.from_url(
            url,
            client_options=options,
            # Every store knows a DELETE; not every one that of many at once.
            disable_bulk_delete=True,
            retry_config={
                "max_retries": 100,
                "retry_timeout": timedelta(seconds=retry),
                "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=2), "base": 2},
            },
        )
    except (BaseError, ValueError) as error:
        raise StorageMisconfigured(
            "the store of recordings cannot be used: look at HARKEN_BLOBS and the variables AWS_...",
            detail=str(error).partition("\n")[0],
        ) from None


def client_options(timeout: str) -> ClientConfig:
    """How requests are made. Raises StorageMisconfigured.

    Options that are given hide those of the environment, so what operators need of these is read here.
    """
    options: ClientConfig = {"timeout": timeout, "connect_timeout": "3s"}
    endpoints = (os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"))
    if next(filter(None, endpoints), "").startswith("http://"):
        options["allow_http"] = True
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if bundle:
        try:
            options["root_certificate"] = Path(bundle).read_bytes()
        except OSError as error:
            raise StorageMisconfigured(
                "the store of recordings cannot be used: AWS_CA_BUNDLE names no file that can be read", detail=bundle
            ) from error
    return options


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Tell in harken's errors what a store answers.

    Raises StorageUnavailable, StorageMisconfigured, and FileNotFoundError for what is not there. None repeats the body
    of an answer: those may hold what was signed, and by whom.
    """
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

    try:
        yield
    except FileNotFoundError as error:
        if _code(error) == "NoSuchBucket":
            raise _told(error) from None
        raise FileNotFoundError("there is no such recording in the store") from None
    except BaseError as error:
        raise _told(error) from None


def _told(error: Exception) -> StorageUnavailable:
    text, code = str(error), _code(error)
    if code in _MISCONFIGURED:
        return StorageMisconfigured(f"the store of recordings cannot be used: {_MISCONFIGURED[code]}", detail=code)
    if any(word in text for word in _METADATA):
        return StorageMisconfigured(f"the store of recordings cannot be used: {_NO_KEYS}")
    status = re.search(r"status code: (\d{3})", text)
    if status is not None and status[1] in ("401", "403"):
        # A HEAD has no body that would say why.
        return StorageMisconfigured(
            f"the store of recordings cannot be used: {_MISCONFIGURED['AccessDenied']}",
            detail=f"it answers {status[1]}",
        )
    said = text.partition("\n")[0].partition("<")[0].strip()
    return StorageUnavailable("the store of recordings does not answer; try again in a moment", detail=said)


def _code(error: Exception) -> str:
    found = re.search(r"<Code>(\w{1,64})</Code>", str(error))
    return "" if found is None else found[1]


class _Ranges(io.RawIOBase):
    """A file of ranges."""

    def __init__(self, client: S3Store, remote: Remote, waiting: Waiting) -> None:
        self._client = client
        self._remote = remote
        self._waiting = waiting
        self._position = 0
        self._kept: list[tuple[int, memoryview]] = []
        self._end = -1
        self._length = FIRST

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._remote.size}[whence]
        if base + offset < 0:
            raise ValueError("before the start of the recording")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # it is given nothing else
        if self._position >= self._remote.size or not len(buffer):
            return 0
        start, found = self._found()
        piece = found[self._position - start :][: len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _found(self) -> tuple[int, memoryview]:
        """A range with the position in it; the one used last is thrown away last."""
        for item in reversed(self._kept):
            if item[0] <= self._position < item[0] + len(item[1]):
                self._kept.remove(item)
                self._kept.append(item)
                return item
        item = self._fetched()
        self._kept.append(item)
        while len(self._kept) > 1 and sum(len(data) for _, data in self._kept) > KEPT:
            del self._kept[0]
        return item

    def _fetched(self) -> tuple[int, memoryview]:
        from obstore import get_range  # noqa: PLC0415 - an extra

        start = self._position
        self._length = min(2 * self._length, LARGEST) if start == self._end else FIRST
        self._end = min(start + self._length, self._remote.size)
        self._waiting(ALLOWANCE)
        began = time.monotonic()
        try:
            with plainly():
                data = memoryview(get_range(self._client, self._remote.key, start=start, end=self._end))
        except FileNotFoundError:
            raise AudioGone("the recording is not in the store any more") from None
        finally:
            self._waiting(time.monotonic() - began - ALLOWANCE)
        if len(data) != self._end - start:
            raise StorageUnavailable("the store of recordings gave a part of what it was asked for")
        return start, data
