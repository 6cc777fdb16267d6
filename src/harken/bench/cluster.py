# SPDX-License-Identifier: Apache-2.0
"""A server and workers beside it, started for a measurement: one API process and so many workers of one recogniser.

Knows how they are started, on how many cores, and that several accounts call them; nothing of what is measured.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from harken.bench.server import Client, free_port, launched, wait_until


@contextlib.contextmanager
def cluster(folder: Path, workers: int, keys: Sequence[str]) -> Iterator[str]:
    """A server for callers with these keys, each an account of its own; its address, until the context ends.

    Where the system can hold processes to cores, so many workers and the API beside them have as many cores, as long as
    there are enough: else one worker would have two for what two workers share.

    Args:
        folder: for its data and its log; empty.
        workers: processes of `harken worker`, with one recogniser each.
        keys: whom it answers.

    Raises:
        HarkenError: it did not get ready; its log is in the message.
    """
    environment = {
        **os.environ,
        "HARKEN_DATA_DIR": str(folder / "data"),
        "HARKEN_HOST": "127.0.0.1",
        "HARKEN_API_KEYS": ",".join(keys),
        "HARKEN_REQUESTS_PER_MINUTE": "100000",
        "HARKEN_DRAIN_SECONDS": "1",
    }
    environment.pop("HARKEN_DATABASE_URL", None)
    environment.pop("HARKEN_BLOBS", None)
    port = free_port()
    client = Client(f"http://127.0.0.1:{port}")
    log = folder / "server.log"
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            with _held_to(workers):
                return stack.enter_context(launched(arguments, environment, log))

        processes = [start("serve", "--no-worker", "--port", str(port))]
        wait_until(client.answers, processes, log)
        processes += [start("worker", "--children", "1") for _ in range(workers)]
        wait_until(lambda: client.ready() and client.workers() == workers, processes, log)
        yield client.url


@contextlib.contextmanager
def _held_to(cores: int) -> Iterator[None]:
    """What this thread starts has so many cores at most."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    all_ = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_)
