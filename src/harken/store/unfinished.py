# SPDX-License-Identifier: Apache-2.0
"""Uploads to a bucket that were begun and never finished: their process died. Stores keep, and bill, what they hold.

The client library has no call for them. It signs whatever address it is given, though, and an address may name more
than a bucket: S3 lists unfinished uploads at ``?uploads``, and drops one at ``?uploadId=...``. The client puts a path
behind the address, which goes into ``x-id``, a parameter with which S3's own clients tell what they are doing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from harken.audio.remote import client_options, plainly
from harken.store.blobs import is_key

if TYPE_CHECKING:
    from obstore.store import S3Store


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An upload that is not finished."""

    key: str
    """What it would be kept under."""
    id: str
    begun: datetime


class Uploads:
    """The unfinished uploads of recordings at ``s3://bucket/prefix``. Its methods raise StorageUnavailable."""

    def __init__(self, url: str) -> None:
        self._url = url
        prefix = urlsplit(url).path.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""

    def __iter__(self) -> Iterator[Unfinished]:
        from obstore import get  # noqa: PLC0415 - an extra

        marker = ""
        while True:
            address = f"{self._bucket()}?uploads=&prefix={quote(self._prefix, safe='')}{marker}&x-id="
            with plainly():
                page = bytes(get(_at(self._url, address), "ListMultipartUploads").bytes()).decode()
            for item in re.findall(r"<Upload>(.*?)</Upload>", page, re.DOTALL):
                key = _text(item, "Key").removeprefix(self._prefix)
                if is_key(key):
                    begun = datetime.fromisoformat(_text(item, "Initiated")).astimezone(UTC)
                    yield Unfinished(key, _text(item, "UploadId"), begun)
            if _text(page, "IsTruncated") != "true":
                return
            key, upload = _text(page, "NextKeyMarker"), _text(page, "NextUploadIdMarker")
            marker = f"&key-marker={quote(key, safe='')}&upload-id-marker={quote(upload, safe='')}"

    def drop(self, upload: Unfinished) -> None:
        """Have the store forget it, with all that it holds of it."""
        from obstore import delete  # noqa: PLC0415 - an extra

        place = quote(f"{self._prefix}{upload.key}")
        address = f"{self._bucket()}/{place}?uploadId={quote(upload.id, safe='')}&x-id="
        try:
            with plainly():
                delete(_at(self._url, address), "AbortMultipartUpload")
        except FileNotFoundError:
            return  # it has ended meanwhile

    def _bucket(self) -> str:
        """The bucket's own address, as the client has it."""
        from obstore import sign  # noqa: PLC0415 - an extra
        from obstore.store import S3Store  # noqa: PLC0415

        with plainly():
            signed = sign(
                S3Store(urlsplit(self._url).netloc, client_options=client_options("20s")),
                "GET",
                "x",
                timedelta(minutes=1),
            )
        return signed.partition("?")[0].removesuffix("/x")


def _at(url: str, address: str) -> S3Store:
    """A client to which ``address`` is a bucket."""
    from obstore.store import S3Store  # noqa: PLC0415 - an extra

    return S3Store(
        urlsplit(url).netloc,
        config={"endpoint": address, "aws_endpoint_url_s3": address, "virtual_hosted_style_request": True},
        disable_bulk_delete=True,
        client_options=client_options("20s"),
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=10)},
    )


def _text(page: str, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)
    return "" if found is None else html.unescape(found[1])
