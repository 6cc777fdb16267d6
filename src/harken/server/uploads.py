# SPDX-License-Identifier: Apache-2.0
"""Uploads: ``multipart/form-data`` straight into a spool file, memory flat, every limit held while bytes arrive.

Bytes are gathered up to a block, and each block is parsed, hashed and written in one go in a thread. Names, types and
sizes that the client claims decide nothing. Knows no dialect: which part is the recording, and what the fields mean,
the caller says.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from anyio import CancelScope, CapacityLimiter, to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from harken.errors import DiskFull, UploadStalled
from harken.server.multipart import Check, Form, FormParser, boundary_of, too_large
from harken.service import Upload

BLOCK = 1024 * 1024
"""Bytes that are gathered before they are parsed and written."""
OVERHEAD = 1024 * 1024
"""Bytes that a body may have beside the recording: fields and boundaries."""


class Spool:
    """The folder where uploads lie until they become a job's recording, and the limits they are held to.

    Args:
        folder: made if it is not there; on the same file system as the recordings.
        max_bytes: largest recording.
        min_free: bytes that must stay free on the disk.
        idle_seconds: how long a client may send nothing.
        free_bytes: tells the free bytes of the disk that a path is on; None asks the system.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        min_free: int,
        idle_seconds: float = 60.0,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._min_free = min_free
        self._idle_seconds = idle_seconds
        self._free_bytes = free_bytes or _free_bytes
        # A disk that has become slow must not take the threads that other requests need.
        self._threads = CapacityLimiter(16)
        folder.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove what servers that were killed left behind. Uploads in progress hold a lock and stay."""
        for path in self.folder.glob("*.upload"):
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    @contextlib.asynccontextmanager
    async def receive(
        self, request: Request, *, name: str = "file", check: Check, long: Mapping[str, int] = MappingProxyType({})
    ) -> AsyncIterator[tuple[Form, Upload]]:
        """The form of a request, its recording (the part ``name``) in a file that is gone after the context.

        ``long`` names text fields that may be long, and how many bytes all of that name may have together.

        Raises:
            NotMedia: the request is not a form (415).
            InvalidRequest: the form is malformed, too many or too large fields, a part is missing or sent twice.
            UploadTooLarge, DiskFull, UploadStalled: a limit; nothing is left behind.
            ClientDisconnect: the client hung up.
        """
        boundary = boundary_of(request.headers.get("content-type"))
        declared = _declared_length(request.headers.get("content-length"))
        most = self._max_bytes + OVERHEAD + sum(long.values())
        if declared is not None and declared > most:
            raise too_large(self._max_bytes)
        path = self.folder / f"{uuid.uuid4().hex}.upload"
        try:
            file = await to_thread.run_sync(self._open, path, declared or 0, limiter=self._threads)
            try:
                parser = FormParser(boundary, file, path, name, check, self._max_bytes, long)
                async for block in self._blocks(request, most):
                    await to_thread.run_sync(self._take, parser, block, limiter=self._threads)
                yield await to_thread.run_sync(parser.finish, limiter=self._threads)
            finally:
                file.close()
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(partial(path.unlink, missing_ok=True), limiter=self._threads)

    @contextlib.contextmanager
    def holding(self, content: bytes) -> Iterator[Path]:
        """``content`` in a file that is gone after the context. Blocking. Raises DiskFull."""
        path = self.folder / f"{uuid.uuid4().hex}.upload"
        try:
            with self._open(path, len(content)) as file:
                try:
                    while content:
                        content = content[file.write(content) :]
                except OSError as error:
                    raise self._of_disk(error) from error
                yield path
        finally:
            path.unlink(missing_ok=True)

    def _disk_full(self) -> DiskFull:
        return DiskFull("there is not enough free disk space on the server for this upload")

    def _open(self, path: Path, declared: int) -> BinaryIO:
        if self._free_bytes(self.folder) - declared < self._min_free:
            raise self._disk_full()
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._of_disk(error) from error
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return os.fdopen(descriptor, "w+b", buffering=0)

    def _take(self, parser: FormParser, block: bytes) -> None:
        if self._free_bytes(self.folder) - len(block) < self._min_free:
            raise self._disk_full()
        try:
            parser.feed(block)
        except OSError as error:
            raise self._of_disk(error) from error

    def _of_disk(self, error: OSError) -> Exception:
        return self._disk_full() if error.errno in (errno.ENOSPC, errno.EDQUOT) else error

    async def _blocks(self, request: Request, most: int) -> AsyncIterator[bytes]:
        pending = bytearray()
        total = 0
        more = True
        while more:
            try:
                message = await asyncio.wait_for(request.receive(), self._idle_seconds)
            except TimeoutError:
                raise UploadStalled(
                    f"nothing came for {self._idle_seconds:.0f} s in the middle of the upload"
                ) from None
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            pending += message.get("body", b"")
            total += len(message.get("body", b""))
            if total > most:
                raise too_large(self._max_bytes)
            more = message.get("more_body", False)
            if len(pending) >= BLOCK or (pending and not more):
                yield bytes(pending)
                pending.clear()


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


def _declared_length(value: str | None) -> int | None:
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 20 else None
