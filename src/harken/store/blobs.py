# SPDX-License-Identifier: Apache-2.0
"""Recordings as files in a folder, one a key.

Keys are UUIDs and nothing else, so no key leads out of the folder. Knows no job.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harken.errors import StorageUnavailable
from harken.ports import Arrival
from harken.store.spool import Spool, SpoolFile, speaking

_PARTIAL = ".part"
_ABANDONED = 24 * 3600.0
"""Seconds after which a copy that is not finished never will be."""


class FolderBlobs:
    """The :class:`~harken.ports.BlobStore` of one folder, which several machines may share.

    Files are not synced to the disk: the death of any process loses nothing, and a power cut may cost the recordings of
    the last moments, as it may cost the last jobs in SQLite. Syncing would hold up every upload by its whole size.

    Args:
        root: made if it is not there.
        spool: folder where recordings arrive, on the same file system; None is the root.
        min_free: bytes that those must leave free on the disk.
        free_bytes: tells the free bytes of the disk that a path is on; None asks the system.
    """

    orphaned = 3600.0
    """See :class:`~harken.ports.BlobStore`."""

    def __init__(
        self,
        root: Path,
        *,
        spool: Path | None = None,
        min_free: int = 0,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        self._spool = Spool(spool or root, min_free, free_bytes)

    @contextmanager
    def arriving(self, declared: int = 0) -> Iterator[Arrival]:
        """See :class:`~harken.ports.BlobStore`."""
        with self._spool.file(declared) as file:
            yield _Arriving(self, file)

    def adopt(self, path: Path, key: str) -> None:
        """See :class:`~harken.ports.BlobStore`. A rename; across file systems a copy, which appears whole."""
        target = self._path(key)
        os.utime(path)
        if path.stat().st_dev == self._root.stat().st_dev:
            path.replace(target)
        else:
            partial = target.with_suffix(_PARTIAL)
            try:
                with speaking():
                    shutil.copyfile(path, partial)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
            path.unlink()

    def copy(self, key: str, other: str) -> None:
        """See :class:`~harken.ports.BlobStore`. Another name of the same file where the file system has such."""
        source, target = self._path(key), self._path(other)
        # New again, so that nobody takes the copy for one that was abandoned.
        os.utime(source)
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:
            partial = target.with_suffix(_PARTIAL)
            try:
                shutil.copyfile(source, partial)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)

    def source(self, key: str) -> Path:
        """See :class:`~harken.ports.BlobStore`."""
        path = self._path(key)
        if not path.is_file():
            raise FileNotFoundError(f"the recording {key} is not in {self._root}")
        return path

    def delete(self, key: str) -> None:
        """See :class:`~harken.ports.BlobStore`."""
        self._path(key).unlink(missing_ok=True)

    def keys(self, older_than: float = 0.0) -> set[str]:
        """See :class:`~harken.ports.BlobStore`. Copies that a dead process left half done are removed on the way."""
        now = time.time()
        found = set()
        for path in self._root.iterdir():
            try:
                age = now - path.stat().st_mtime
            except FileNotFoundError:
                continue
            if path.suffix == _PARTIAL and age > _ABANDONED:
                path.unlink(missing_ok=True)
            elif is_key(path.name) and age >= older_than:
                found.add(path.name)
        return found

    def sweep(self) -> None:
        """See :class:`~harken.ports.BlobStore`."""
        self._spool.sweep()

    def check(self) -> None:
        """See :class:`~harken.ports.BlobStore`."""
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            raise StorageUnavailable("the folder of the recordings cannot be written", detail=str(self._root))

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key


class _Arriving:
    """The :class:`~harken.ports.Arrival` of a folder."""

    def __init__(self, blobs: FolderBlobs, file: SpoolFile) -> None:
        self._blobs = blobs
        self._file = file
        self.key = str(uuid.uuid4())

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)

    def finish(self) -> Path:
        return self._file.path

    def keep(self) -> None:
        self._blobs.adopt(self._file.path, self.key)


def check_key(key: str) -> None:
    """Raise ValueError where it is none."""
    if not is_key(key):
        raise ValueError(f"not the key of a recording: {key!r}")


def is_key(name: str) -> bool:
    """Whether a recording can have it: UUIDs and nothing else."""
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
