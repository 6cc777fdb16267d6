# SPDX-License-Identifier: Apache-2.0
"""Where recordings are kept: a folder, or a bucket."""

from __future__ import annotations

import logging

from harken.config import Settings
from harken.errors import MissingExtra, StorageMisconfigured, StorageUnavailable
from harken.ports import BlobStore
from harken.store import FolderBlobs

log = logging.getLogger(__name__)


def blobs(settings: Settings) -> BlobStore:
    """The store that the settings name, tried out: one that is merely away now may come back.

    Raises StorageMisconfigured with what to do, MissingExtra, or OSError for a folder that cannot be made.
    """
    if settings.blobs is None:
        return FolderBlobs(settings.blob_dir, spool=settings.spool_dir, min_free=settings.min_free_bytes)
    try:
        from harken.store.objects import S3Blobs  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtra("HARKEN_BLOBS needs pip install 'harken[s3]'") from None
    store = S3Blobs(settings.blobs, max_bytes=settings.max_upload_bytes)
    try:
        store.try_out()
    except StorageMisconfigured:
        raise
    except StorageUnavailable as error:
        log.warning("%s; recordings are at %s", error, settings.blobs)
    return store
