# SPDX-License-Identifier: Apache-2.0
"""The recording that a URL means: the file there, or the one on the page there."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harken.net.fetch import IsPage, fetched
from harken.net.guard import Guard
from harken.net.landing import Landed, Progress
from harken.net.sites import found
from harken.net.watch import Limits


@contextmanager
def obtained(
    url: str,
    folder: Path,
    guard: Guard,
    limits: Limits,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Landed]:
    """The recording in a file in ``folder``, which is gone after the context unless somebody took it away.

    ``limits`` hold for the file, and anew for the page where there is one. Blocks; call it from a thread.

    Raises:
        InvalidOption: the URL cannot be called, whoever asks.
        AddressRefused: it, or where it leads, may not be called from here.
        UploadTooLarge, AudioTooLong, DiskFull: a limit.
        FetchFailed, FetchTimeout: it could not be had.
        JobCancelled: ``cancelled`` became true.
        MissingExtra: it is a page, and yt-dlp is not installed.
    """
    with ExitStack() as stack:
        try:
            upload = stack.enter_context(
                fetched(url, folder, guard, limits, progress=progress, cancelled=cancelled, tls=tls)
            )
        except IsPage:
            upload = stack.enter_context(found(url, folder, guard, limits, progress=progress, cancelled=cancelled))
        yield upload
