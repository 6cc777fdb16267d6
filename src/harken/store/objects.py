# SPDX-License-Identifier: Apache-2.0
"""Recordings as objects in an S3-compatible store, one a key, which any number of machines share.

Keys, region and address come from the environment, by the names that every S3 tool knows. Knows no job.
"""

from __future__ import annotations

import contextlib
import logging
import math
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore

from harken.audio.remote import Remote, connect, plainly
from harken.errors import StorageUnavailable
from harken.ports import Arrival
from harken.store.blobs import check_key, is_key
from harken.store.streaming import StreamedArrival
from harken.store.unfinished import Uploads

log = logging.getLogger(__name__)

PART = 5 * 1024**2
"""Bytes of a part of an upload: S3 takes none that is smaller, but the last."""
MAX_PARTS = 10_000
ABANDONED = 24 * 3600.0
"""Seconds after which an upload that is not finished never will be."""


class S3Blobs:
    """The :class:`~harken.ports.BlobStore` at ``s3://bucket/prefix``.

    ``max_bytes`` are those of the largest recording. Raises StorageMisconfigured.
    """

    orphaned = ABANDONED + 3600.0
    """See :class:`~harken.ports.BlobStore`: an object is as old as its upload's beginning."""

    def __init__(self, url: str, *, max_bytes: int) -> None:
        self._url = url.rstrip("/")
        self._client = connect(self._url, timeout="60s", retry=20.0)
        self._quick = connect(self._url, timeout="3s", retry=0.0)
        self._part = max(PART, math.ceil(max_bytes / (MAX_PARTS - 1)))

    @contextmanager
    def arriving(self, declared: int = 0) -> Iterator[Arrival]:  # noqa: ARG002 - a bucket has no end
        """See :class:`~harken.ports.BlobStore`."""
        arrival = StreamedArrival(self._client, self._quick, self._url, self._part)
        try:
            yield arrival
        finally:
            arrival.close()

    def adopt(self, path: Path, key: str) -> None:
        """See :class:`~harken.ports.BlobStore`. In parts, so that little of it is in memory."""
        check_key(key)
        large = path.stat().st_size > self._part
        with plainly():
            obstore.put(self._client, key, path, use_multipart=large, chunk_size=self._part, max_concurrency=2)
        path.unlink()

    def copy(self, key: str, other: str) -> None:
        """See :class:`~harken.ports.BlobStore`. Within the store; S3 takes up to 5 GiB so."""
        check_key(key)
        check_key(other)
        with plainly():
            obstore.copy(self._client, key, other)

    def source(self, key: str) -> Remote:
        """See :class:`~harken.ports.BlobStore`."""
        check_key(key)
        try:
            with plainly():
                return Remote(self._url, key, obstore.head(self._client, key)["size"])
        except FileNotFoundError:
            # A bucket that is not there has no other answer to this, and is no reason to give a recording up.
            self.check()
            raise

    def delete(self, key: str) -> None:
        """See :class:`~harken.ports.BlobStore`."""
        check_key(key)
        with contextlib.suppress(FileNotFoundError), plainly():
            obstore.delete(self._client, key)

    def keys(self, older_than: float = 0.0) -> set[str]:
        """See :class:`~harken.ports.BlobStore`. Uploads that a dead process left half done are dropped on the way."""
        self.sweep()
        latest = datetime.now(UTC) - timedelta(seconds=older_than)
        with plainly():
            return {
                item["path"]
                for page in obstore.list(self._client)
                for item in page
                if is_key(item["path"]) and item["last_modified"] <= latest
            }

    def sweep(self, older_than: float = ABANDONED) -> None:
        """See :class:`~harken.ports.BlobStore`. What was begun later than that may go on."""
        latest = datetime.now(UTC) - timedelta(seconds=older_than)
        uploads = Uploads(self._url)
        try:
            for upload in [item for item in uploads if item.begun <= latest]:
                log.info("dropping the unfinished upload of %s", upload.key)
                uploads.drop(upload)
        except StorageUnavailable as error:
            # Not every store lists them, or lets everybody.
            log.warning("unfinished uploads are left to the bucket's own rules: %s", error)

    def check(self) -> None:
        """See :class:`~harken.ports.BlobStore`."""
        with plainly():
            next(iter(obstore.list(self._quick, chunk_size=1)), None)

    def try_out(self) -> None:
        """Keep something, read it, list and remove it. Raises StorageUnavailable, StorageMisconfigured."""
        key = str(uuid.uuid4())
        with plainly():
            obstore.put(self._quick, key, b"harken", use_multipart=False)
            obstore.get_range(self._quick, key, start=0, end=6)
            obstore.delete(self._quick, key)
        self.check()
