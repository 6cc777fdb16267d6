# SPDX-License-Identifier: Apache-2.0
"""Where a recording from the network lands: a file in the spool folder, as uploads are, counted as it comes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harken.errors import DiskFull, UploadTooLarge
from harken.net.watch import Limits

_SUFFIX = ".upload"
_FRESH = 60.0
"""Seconds for which a file may be about to be locked."""

Progress = Callable[[int, int | None], None]
"""Is told the bytes that have come, and how many will come where the other side says so. Called for every piece."""


@dataclass(frozen=True, slots=True)
class Landed:
    """The :class:`~harken.ports.Recording` that has landed whole: its file, its name, bytes and SHA-256."""

    path: Path
    filename: str
    size: int
    sha256: str


class Landing:
    """A file that grows by :meth:`write` and is held to the limits. Made by :func:`landing`."""

    def __init__(self, path: Path, file: BinaryIO, limits: Limits, progress: Progress | None) -> None:
        self._path = path
        self._file = file
        self._limits = limits
        self._progress = progress
        self._hash = hashlib.sha256()
        self._size = 0
        self._announced: int | None = None

    def announce(self, size: int) -> None:
        """The other side says how much will come. Raises UploadTooLarge, DiskFull."""
        self._announced = size
        self._bound(size)

    def write(self, piece: bytes) -> None:
        """Take a piece. Raises UploadTooLarge, DiskFull, and what ``progress`` raises."""
        self._bound(self._size + len(piece))
        self._hash.update(piece)
        self._size += len(piece)
        try:
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise disk_error(error) from error
        if self._progress is not None:
            self._progress(self._size, self._announced)

    def landed(self, filename: str) -> Landed:
        """What has landed."""
        return Landed(self._path, _display_name(filename), self._size, self._hash.hexdigest())

    def _bound(self, size: int) -> None:
        if size > self._limits.max_bytes:
            raise too_large(self._limits)
        if shutil.disk_usage(self._path.parent).free - (size - self._size) < self._limits.min_free:
            raise _disk_full()


@contextmanager
def landing(folder: Path, limits: Limits, progress: Progress | None) -> Iterator[Landing]:
    """A new file in ``folder``, which is gone after the context unless somebody took it away.

    It is locked meanwhile, as uploads are: that is how a server that starts knows what a killed one left behind.
    """
    path = folder / f"{uuid.uuid4().hex}{_SUFFIX}"
    try:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise disk_error(error) from error
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Landing(path, file, limits, progress)
    finally:
        path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left behind in ``folder``; what is still coming is locked, and stays."""
    latest = time.time() - _FRESH
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_mtime < latest:
                path.unlink()


def too_large(limits: Limits) -> UploadTooLarge:
    """The recording has more bytes than one may have."""
    return UploadTooLarge(f"the recording at the address has more than {limits.max_bytes} bytes, the most taken here")


def disk_error(error: OSError) -> Exception:
    """``error``, or DiskFull when that is what it says."""
    return _disk_full() if error.errno in (errno.ENOSPC, errno.EDQUOT) else error


def _disk_full() -> DiskFull:
    return DiskFull("there is not enough free disk space on the server for the recording at the address")


def _display_name(name: str) -> str:
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in last if letter.isprintable()).strip()[:200]
