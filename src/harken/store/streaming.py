# SPDX-License-Identifier: Apache-2.0
"""A recording on its way into a bucket while it arrives, in parts: little of it is in memory, nothing on a disk.

What fits in one part is put in one request, when all of it is there. What does not is a multipart upload, which the
client library drives from a thread of its own and takes back when its source gives up. Knows no job.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harken.audio.remote import Remote, plainly
from harken.errors import HarkenError, StorageUnavailable

if TYPE_CHECKING:
    from obstore.store import S3Store

log = logging.getLogger(__name__)

BLOCK = 1024 * 1024
"""Bytes that are handed over at once."""
_BLOCKS = 2
"""Blocks that wait to be handed over; whoever sends more waits as well."""


class StreamedArrival:
    """The :class:`~harken.ports.Arrival` of a bucket. Used by one thread at a time.

    In memory are two parts at most, one that fills and one that is sent, and some blocks.

    Args:
        client: tries for a while.
        quick: tries once; it takes back what the store has not taken, for which nobody shall wait again.
        url: of the bucket.
        part: bytes of a part.
    """

    def __init__(self, client: S3Store, quick: S3Store, url: str, part: int) -> None:
        self.key = str(uuid.uuid4())
        self._client = client
        self._quick = quick
        self._url = url
        self._part = part
        self._size = 0
        self._block = bytearray()
        self._stream: _Stream | None = None
        self._finishing = False
        self._whole = False
        self._kept = False

    def write(self, data: bytes | memoryview) -> None:
        """See :class:`~harken.ports.Arrival`."""
        self._size += len(data)
        self._block += data
        if len(self._block) < (self._part if self._stream is None else BLOCK):
            return
        if self._stream is None:
            self._stream = _Stream(self._client, self.key, self._part)
        block, self._block = bytes(self._block), bytearray()
        self._stream.feed(block)

    def finish(self) -> Remote:
        """See :class:`~harken.ports.Arrival`."""
        from obstore import put  # noqa: PLC0415 - an extra

        self._finishing = True
        if self._stream is None:
            with plainly():
                put(self._client, self.key, bytes(self._block), use_multipart=False)
        else:
            self._stream.feed(bytes(self._block))
            self._stream.finish()
        self._block.clear()
        self._whole = True
        return Remote(self._url, self.key, self._size)

    def keep(self) -> None:
        """See :class:`~harken.ports.Arrival`."""
        self._kept = True

    def close(self) -> None:
        """Leave nothing behind, unless it was kept."""
        from obstore import delete  # noqa: PLC0415 - an extra

        if self._kept:
            return
        if self._stream is not None and not self._whole:
            self._stream.give_up()
        # It may be there although the answer that says so was lost.
        if self._finishing:
            try:
                with plainly(), contextlib.suppress(FileNotFoundError):
                    delete(self._client if self._whole else self._quick, self.key)
            except HarkenError as error:
                log.warning("the recording %s is nobody's, and goes when the store is swept: %s", self.key, error)


class _GivenUp(Exception):
    """Nothing more will come."""


class _Stream(threading.Thread):
    """A multipart upload that is fed."""

    def __init__(self, client: S3Store, key: str, part: int) -> None:
        super().__init__(name="arrival", daemon=True)
        self._client = client
        self._key = key
        self._part = part
        self._blocks: queue.Queue[bytes | _GivenUp | None] = queue.Queue(_BLOCKS)
        self._over = threading.Event()
        self._error: BaseException | None = None
        self.start()

    def feed(self, block: bytes) -> None:
        """Hand on. Raises StorageUnavailable when the store has stopped taking it."""
        if self._over.is_set():
            self._check()
        self._blocks.put(block)

    def finish(self) -> None:
        """Wait until all is in the store. Raises StorageUnavailable."""
        self._blocks.put(None)
        self.join()
        self._check()

    def give_up(self) -> None:
        """Have it taken back, and wait for that."""
        self._blocks.put(_GivenUp())
        self.join()

    def run(self) -> None:
        """Drive the upload."""
        from obstore import put  # noqa: PLC0415 - an extra

        try:
            with plainly():
                put(
                    self._client,
                    self._key,
                    self._come(),
                    use_multipart=True,
                    chunk_size=self._part,
                    # One that is sent, and one that fills.
                    max_concurrency=1,
                )
        except _GivenUp:
            pass
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever feeds it must hear of it
            self._error = error
        finally:
            self._over.set()
            # Whoever waits for room must not wait for ever.
            with contextlib.suppress(queue.Empty):
                while True:
                    self._blocks.get_nowait()

    def _come(self) -> Iterator[bytes]:
        while (block := self._blocks.get()) is not None:
            if isinstance(block, _GivenUp):
                raise block
            yield block

    def _check(self) -> None:
        if isinstance(self._error, HarkenError):
            raise self._error
        if self._error is not None:
            raise StorageUnavailable("the recording could not be stored; try again in a moment") from self._error
