# SPDX-License-Identifier: Apache-2.0
"""Uploads: ``multipart/form-data`` straight into the blob store, memory flat, every limit held while bytes arrive.

Bytes are gathered up to a block, and each block is parsed, hashed and stored in one go in a thread. Names, types and
sizes that the client claims decide nothing. Knows no dialect: which part is the recording, and what the fields mean,
the caller says; and no store: where recordings arrive, it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType

from anyio import CancelScope, CapacityLimiter, to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from harken.audio.remote import Stored
from harken.errors import UploadStalled
from harken.ports import Arrival
from harken.server.multipart import Check, Form, FormParser, boundary_of, too_large
from harken.service import Upload

BLOCK = 1024 * 1024
"""Bytes that are gathered before they are parsed and written."""
OVERHEAD = 1024 * 1024
"""Bytes that a body may have beside the recording: fields and boundaries."""


class Reception:
    """Where uploads come in, and the limits they are held to.

    Args:
        arriving: makes room in the blob store for a recording of about so many bytes; see
            :class:`~harken.ports.BlobStore`.
        max_bytes: largest recording.
        idle_seconds: how long a client may send nothing.
    """

    def __init__(
        self, arriving: Callable[[int], AbstractContextManager[Arrival]], *, max_bytes: int, idle_seconds: float = 60.0
    ) -> None:
        self._arriving = arriving
        self._max_bytes = max_bytes
        self._idle_seconds = idle_seconds
        # A store that has become slow must not take the threads that other requests need.
        self._threads = CapacityLimiter(16)

    @contextlib.asynccontextmanager
    async def receive(
        self, request: Request, *, name: str = "file", check: Check, long: Mapping[str, int] = MappingProxyType({})
    ) -> AsyncIterator[tuple[Form, Upload]]:
        """The form of a request, and its recording (the part ``name``), which is gone after the context unless kept.

        ``long`` names text fields that may be long, and how many bytes all of that name may have together.

        Raises:
            NotMedia: the request is not a form (415).
            InvalidRequest: the form is malformed, too many or too large fields, a part is missing or sent twice.
            UploadTooLarge, DiskFull, UploadStalled: a limit; nothing is left behind.
            StorageUnavailable: the store takes nothing now.
            ClientDisconnect: the client hung up.
        """
        boundary = boundary_of(request.headers.get("content-type"))
        declared = _declared_length(request.headers.get("content-length"))
        most = self._max_bytes + OVERHEAD + sum(long.values())
        if declared is not None and declared > most:
            raise too_large(self._max_bytes)
        room = self._arriving(declared or 0)
        arrival = await to_thread.run_sync(room.__enter__, limiter=self._threads)
        try:
            parser = FormParser(boundary, arrival, name, check, self._max_bytes, long)
            async for block in self._blocks(request, most):
                await to_thread.run_sync(parser.feed, block, limiter=self._threads)
            yield await to_thread.run_sync(parser.finish, limiter=self._threads)
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(room.__exit__, None, None, None, limiter=self._threads)

    @contextlib.contextmanager
    def holding(self, content: bytes) -> Iterator[Stored]:
        """``content`` where a recording can be read, until the context ends. Blocking.

        Raises DiskFull, StorageUnavailable.
        """
        with self._arriving(len(content)) as arrival:
            arrival.write(content)
            yield arrival.finish()

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


def _declared_length(value: str | None) -> int | None:
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 20 else None
