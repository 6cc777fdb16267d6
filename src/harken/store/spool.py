# SPDX-License-Identifier: Apache-2.0
"""Files that recordings arrive in, before they are anybody's: locked while they grow, held to the disk's free room.

A lock goes with its process, so that whoever starts next knows what a killed one left behind. Knows no store.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from harken.errors import DiskFull

SUFFIX = ".upload"


class Spool:
    """A folder where recordings arrive.

    Args:
        folder: made if it is not there.
        min_free: bytes that must stay free on its disk.
        free_bytes: tells the free bytes of the disk that a path is on.
    """

    def __init__(self, folder: Path, min_free: int, free_bytes: Callable[[Path], int] | None = None) -> None:
        self._folder = folder
        self._min_free = min_free
        self._free_bytes = free_bytes or (lambda path: shutil.disk_usage(path).free)
        folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def file(self, declared: int) -> Iterator[SpoolFile]:
        """A new file, which is gone after the context unless somebody took it away. Raises DiskFull."""
        self.check_room(declared)
        path = self._folder / f"{uuid.uuid4().hex}{SUFFIX}"
        try:
            with speaking():
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield SpoolFile(self, path, file)
        finally:
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what processes that were killed left behind."""
        for path in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    def check_room(self, size: int) -> None:
        """Raise DiskFull where ``size`` bytes more would not leave enough."""
        if self._free_bytes(self._folder) - size < self._min_free:
            raise _disk_full()


class SpoolFile:
    """A file that grows. Made by :meth:`Spool.file`."""

    def __init__(self, spool: Spool, path: Path, file: BinaryIO) -> None:
        self._spool = spool
        self.path = path
        self._file = file

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Raises DiskFull."""
        self._spool.check_room(len(data))
        rest = memoryview(data)
        with speaking():
            while rest:
                rest = rest[self._file.write(rest) :]


@contextlib.contextmanager
def speaking() -> Iterator[None]:
    """Tell as DiskFull what says so."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full() from error
        raise


def _disk_full() -> DiskFull:
    return DiskFull("there is not enough free disk space on the server for this upload")
