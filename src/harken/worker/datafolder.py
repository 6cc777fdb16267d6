# SPDX-License-Identifier: Apache-2.0
"""One server per data folder: a lock that the kernel gives back however its owner ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harken.errors import DataFolderInUse

_LOCK = "server.lock"


@contextmanager
def own(folder: Path) -> Iterator[None]:
    """Hold the data folder, which is made if need be, for the length of the context.

    Raises:
        DataFolderInUse: another server holds it; the message has its process id.
        OSError: the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise DataFolderInUse(
                f"the data folder {folder} is in use by the server with process id {lock.read().strip() or 'unknown'}; "
                "stop that one, or give this one a folder of its own with HARKEN_DATA_DIR"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
