# SPDX-License-Identifier: Apache-2.0
"""A folder of temporary files that does not stay behind, even when its process is killed.

Each process has a folder of its own, locked while it lives; whoever comes next removes those that nobody locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from pathlib import Path

_LOCK = "lock"


class Scratch:
    """A new folder below ``root``, until :meth:`close` or the end of the process."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        # The folder is born without a lock: sweeping and making exclude each other.
        with (root / _LOCK).open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            _sweep(root)
            self.path = Path(tempfile.mkdtemp(dir=root))
            self._lock = (self.path / _LOCK).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _sweep(root: Path) -> None:
    for folder in root.iterdir():
        with contextlib.suppress(OSError):
            with (folder / _LOCK).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
