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
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from anyio import CancelScope, CapacityLimiter, to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from harken.errors import DiskFull, InvalidOption, InvalidRequest, NotMedia, UploadStalled, UploadTooLarge
from harken.service import Upload

BLOCK = 1024 * 1024
"""Bytes that are gathered before they are parsed and written."""
MAX_FIELDS = 200
MAX_FIELD_BYTES = 64 * 1024
MAX_NAME_BYTES = 200
OVERHEAD = 1024 * 1024
"""Bytes that a body may have beside the recording: fields and boundaries."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(slots=True)
class Form:
    """What a form holds beside the recording: its text fields, in order."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Names of file parts that nobody asked for."""


Check = Callable[[Form], None]
"""Called before the recording is read, with the fields that came before it; may raise to refuse the upload early."""


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
        self, request: Request, *, name: str = "file", check: Check
    ) -> AsyncIterator[tuple[Form, Upload]]:
        """The form of a request, its recording (the part ``name``) in a file that is gone after the context.

        Raises:
            NotMedia: the request is not a form (415).
            InvalidRequest: the form is malformed, too many or too large fields, a part is missing or sent twice.
            UploadTooLarge, DiskFull, UploadStalled: a limit; nothing is left behind.
            ClientDisconnect: the client hung up.
        """
        boundary = _boundary(request.headers.get("content-type"))
        declared = _declared_length(request.headers.get("content-length"))
        if declared is not None and declared > self._max_bytes + OVERHEAD:
            raise self._too_large()
        path = self.folder / f"{uuid.uuid4().hex}.upload"
        try:
            file = await to_thread.run_sync(self._open, path, declared or 0, limiter=self._threads)
            try:
                parser = _Parser(boundary, file, path, name, check, self._max_bytes, self._too_large)
                async for block in self._blocks(request):
                    await to_thread.run_sync(self._take, parser, block, limiter=self._threads)
                yield await to_thread.run_sync(parser.finish, limiter=self._threads)
            finally:
                file.close()
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(partial(path.unlink, missing_ok=True), limiter=self._threads)

    def _too_large(self) -> UploadTooLarge:
        return UploadTooLarge(f"the upload is larger than {self._max_bytes} bytes, the most this server takes")

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

    def _take(self, parser: _Parser, block: bytes) -> None:
        if self._free_bytes(self.folder) - len(block) < self._min_free:
            raise self._disk_full()
        try:
            parser.feed(block)
        except OSError as error:
            raise self._of_disk(error) from error

    def _of_disk(self, error: OSError) -> Exception:
        return self._disk_full() if error.errno in (errno.ENOSPC, errno.EDQUOT) else error

    async def _blocks(self, request: Request) -> AsyncIterator[bytes]:
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
            if total > self._max_bytes + OVERHEAD:
                raise self._too_large()
            more = message.get("more_body", False)
            if len(pending) >= BLOCK or (pending and not more):
                yield bytes(pending)
                pending.clear()


class _Parser:
    """Takes blocks of a multipart body: fields into a form, the recording into a file."""

    def __init__(
        self,
        boundary: bytes,
        file: BinaryIO,
        path: Path,
        name: str,
        check: Check,
        max_bytes: int,
        too_large: Callable[[], UploadTooLarge],
    ) -> None:
        self._file = file
        self._path = path
        self._wanted = name
        self._check = check
        self._max_bytes = max_bytes
        self._too_large = too_large
        self._form = Form()
        self._hash = hashlib.sha256()
        self._size = 0
        self._filename: str | None = None
        self._parts = 0
        self._ended = False
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field = ""
        self._value = bytearray()
        self._sink: Callable[[memoryview], None] = self._discard
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_name_comes,
                    "on_header_value": self._header_value_comes,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data_comes,
                    "on_part_end": self._part_ends,
                    "on_end": self._form_ends,
                },
            )
        except FormParserError as error:
            raise InvalidRequest(f"the form cannot be read: {error}") from error

    def feed(self, block: bytes) -> None:
        if self._ended:
            return  # RFC 2046: what follows the last boundary is to be ignored
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise InvalidRequest(f"the form is malformed: {error}") from error

    def finish(self) -> tuple[Form, Upload]:
        if not self._ended:
            raise InvalidRequest("the form ends before its last boundary; the upload is cut short or malformed")
        if self._filename is None:
            raise InvalidOption(
                f"the form has no part named {self._wanted!r}; send the recording there", param=self._wanted
            )
        return self._form, Upload(self._path, self._filename, self._size, self._hash.hexdigest())

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise InvalidRequest(f"the form has more than {MAX_FIELDS} parts")
        self._headers.clear()
        self._value.clear()

    def _header_name_comes(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_comes(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_ends(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _headers_end(self) -> None:
        disposition, parameters = parse_options_header(self._headers.get(b"content-disposition"))
        raw = parameters.get(b"name")
        if disposition != b"form-data" or raw is None:
            raise InvalidRequest("a part of the form has no name")
        if len(raw) > MAX_NAME_BYTES:
            raise InvalidRequest(f"a part of the form has a name of more than {MAX_NAME_BYTES} bytes")
        encoding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in (b"binary", b"8bit", b"7bit"):
            raise InvalidRequest("the form uses a Content-Transfer-Encoding; send the bytes as they are")
        self._field = raw.decode("utf-8", "replace")
        filename = parameters.get(b"filename")
        if self._field == self._wanted:
            self._recording_begins(filename or b"")
        elif filename is not None:
            self._form.ignored.append(self._field)
            self._sink = self._discard
        else:
            self._sink = self._gather

    def _recording_begins(self, filename: bytes) -> None:
        if self._filename is not None:
            raise InvalidOption(f"{self._wanted} was sent more than once", param=self._wanted)
        self._check(self._form)
        self._filename = display_name(filename.decode("utf-8", "replace"))
        self._sink = self._write

    def _data_comes(self, data: bytes, start: int, end: int) -> None:
        self._sink(memoryview(data)[start:end])

    def _part_ends(self) -> None:
        if self._sink == self._gather:
            try:
                value = self._value.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InvalidOption(f"{self._field} is not UTF-8", param=self._field) from error
            if "\0" in value:
                raise InvalidOption(f"{self._field} holds a NUL character", param=self._field)
            self._form.fields.append((self._field, value))

    def _form_ends(self) -> None:
        self._ended = True

    def _write(self, data: memoryview) -> None:
        self._size += len(data)
        if self._size > self._max_bytes:
            raise self._too_large()
        self._hash.update(data)
        while data:
            data = data[self._file.write(data) :]

    def _gather(self, data: memoryview) -> None:
        if len(self._value) + len(data) > MAX_FIELD_BYTES:
            raise InvalidOption(f"{self._field} is longer than {MAX_FIELD_BYTES} bytes", param=self._field)
        self._value += data

    def _discard(self, data: memoryview) -> None:
        """The bytes of a file that nobody asked for; they count towards the size of the body alone."""


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


def display_name(name: str) -> str:
    """A client's file name as something safe to show: no folders, nothing unprintable, 200 characters at most."""
    last = re.split(r"[/\\]", name)[-1]
    return _UNPRINTABLE.sub("", last).strip()[:200]


def _boundary(content_type: str | None) -> bytes:
    kind, parameters = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise NotMedia("send the recording as multipart/form-data")
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise InvalidRequest("the Content-Type of the form has no boundary")
    return boundary


def _declared_length(value: str | None) -> int | None:
    return int(value) if value is not None and value.isascii() and value.isdigit() else None
